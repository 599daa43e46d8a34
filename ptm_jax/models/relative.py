"""Relative positions that meet the content of tokens in the scores."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from ptm_jax.models.layers import Dense, normal, param_init
from ptm_jax.models.positions import sinusoids


class RelativeScores(nn.Module):
  """Transformer-XL's: q k + q r + u k + v r, where r is a projection of the
  sinusoids of the distance, and u and v are learned vectors of each head.

  Distances are looked up by the tokens' own positions rather than by a shift
  of the scores, so that they also hold in packed documents and in a stack
  whose rows do not follow each other.

  Reference: Dai et al. 2019, arXiv:1901.02860, section 3.3. XLNet's relative
  segment encoding is left out: no objective here gives it segments.
  """

  model: object

  @nn.compact
  def __call__(self, query, query_positions, key_positions):
    """Prepares the scores.

    Args:
      query: `[batch, query, heads, head_dim]`.
      query_positions: int32 `[batch, query]`; those of one document differ by
        less than the number of keys.
      key_positions: int32 `[batch, key]`, likewise.

    Returns:
      q + u, like `query`, for the products with the keys, and float32
      `[batch, heads, query, key]`: (q + v) r, to be added to them.
    """
    model, heads = self.model, query.shape[2:]
    length = key_positions.shape[1]
    distances = jnp.arange(1 - length, length)[None]
    table = Dense(model, heads, ('embed', 'heads', 'head_dim'),
                  name='distance')(
                      sinusoids(distances, model.width).astype(query.dtype))[0]
    content, place = (self.param(
        name, param_init(normal(model), 'heads', 'head_dim'), heads,
        model.param_dtype).astype(query.dtype)[None, None]
                      for name in ('content_bias', 'place_bias'))
    scores = jnp.einsum('bqhd,rhd->bhqr', query + place, table,
                        preferred_element_type=jnp.float32)
    return query + content, _by_distance(scores, query_positions,
                                         key_positions)


def distance_rows(length, half, max_length=None):
  """Rows of a table of distances from -half on, for all that two of `length`
  tokens can have: 1 - length and up.

  Args:
    length: of the text.
    half: the table has 2 * half rows; what is farther shares the outermost.
    max_length: distances above half / 2 fall into logarithmic buckets that
      reach up to this one, as in DeBERTa's released code for v2; None if each
      has its own row.

  Returns:
    int32 NumPy array `[2 * length - 1]`.
  """
  distance = np.arange(1 - length, length)
  if max_length is not None:
    exact = half // 2
    far = np.maximum(np.abs(distance), exact).astype(np.float32)
    # In float32, as published models were trained: some fall on an edge.
    shares = np.log(far / np.float32(exact)) / np.log(
        np.float32((max_length - 1) / exact))
    buckets = exact + np.ceil(shares * np.float32(exact - 1))
    distance = np.where(np.abs(distance) <= exact, distance,
                        np.sign(distance) * buckets)
  return np.clip(distance + half, 0, 2 * half - 1).astype(np.int32)


def disentangled(query, key, key_places, query_places, query_positions,
                 key_positions):
  """A query's content meets a key's distance, and a key's content the query's.

  Args:
    query, key: `[batch, query or key, heads, head_dim]`.
    key_places, query_places: `[2 * key - 1, heads, head_dim]`, for the
      distances from 1 - key on: of the query from the key that they meet, and
      of the key from the query.
    query_positions, key_positions: int32 `[batch, query or key]`, as for
      `RelativeScores`.

  Returns:
    float32 `[batch, heads, query, key]`.
  """
  of_query = jnp.einsum('bqhd,rhd->bhqr', query, key_places,
                        preferred_element_type=jnp.float32)
  of_key = jnp.einsum('bkhd,rhd->bhkr', key, query_places,
                      preferred_element_type=jnp.float32)
  return (_by_distance(of_query, query_positions, key_positions)
          + _by_distance(of_key, key_positions, query_positions).swapaxes(
              2, 3))


class DisentangledScores(nn.Module):
  """DeBERTa's scores, by projections of one table of distances.

  Distances of `rows / 2` and more to either side share a row of the table.

  Reference: He et al. 2020, arXiv:2006.03654, section 3.1.
  """

  model: object

  @nn.compact
  def __call__(self, query, key, query_positions, key_positions, table):
    """Scores to be added to the products of queries and keys.

    Args:
      query, key, query_positions, key_positions: as of `disentangled`.
      table: `[rows, width]`, of distances from -rows / 2 on.

    Returns:
      float32 `[batch, heads, query, key]`.
    """
    rows = distance_rows(key.shape[1], table.shape[0] // 2)
    names = 'embed', 'heads', 'head_dim'
    places = (Dense(self.model, query.shape[2:], names, name=name)(table[rows])
              for name in ('key_distance', 'query_distance'))
    return disentangled(query, key, *places, query_positions, key_positions)


def shared_disentangled(model, query, key, query_positions, key_positions,
                        to_query, to_key, table):
  """DeBERTa v2's scores: distances are projected as the content is, and both
  terms read that of the query from the key, as its released code has it.

  Args:
    model: `config.Model`.
    query, key, query_positions, key_positions: as of `disentangled`.
    to_query, to_key: the projections of the content.
    table: `[rows, width]`, of distances from -rows / 2 on.

  Returns:
    float32 `[batch, heads, query, key]`.
  """
  rows = distance_rows(key.shape[1], table.shape[0] // 2,
                       model.max_length if model.distance_buckets else None)
  return disentangled(query, key, to_key(table)[rows],
                      to_query(table)[rows[::-1]], query_positions,
                      key_positions)


def _by_distance(scores, rows, columns):
  """`[batch, heads, row, distance]` -> `[batch, heads, row, column]`; the
  distances, row's position less column's, are all that two tokens of one
  document can have."""
  index = rows[:, :, None] - columns[:, None, :] + scores.shape[-1] // 2
  return jnp.take_along_axis(scores, jnp.broadcast_to(
      index[:, None], (*scores.shape[:3], columns.shape[1])), -1, mode='clip')
