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

  With `model.relative_types`, (q + w) s as well, where s is one of two learned
  vectors of each head, for keys of the query's own type and of others.

  References: Dai et al. 2019, arXiv:1901.02860, section 3.3; types: Yang et
  al. 2019, arXiv:1906.08237, section 2.5, where they are segments.
  """

  model: object

  @nn.compact
  def __call__(self, query, query_positions, key_positions, types=None):
    """Prepares the scores.

    Args:
      query: `[batch, query, heads, head_dim]`.
      query_positions: int32 `[batch, query]`; those of one document differ by
        less than the number of keys.
      key_positions: int32 `[batch, key]`, likewise.
      types: the queries' and the keys', int32 `[batch, query or key]`; None
        where all are of one, which changes no weight.

    Returns:
      q + u, like `query`, for the products with the keys, and float32
      `[batch, heads, query, key]`, (q + v) r + (q + w) s, to be added to them.
    """
    model, heads = self.model, query.shape[2:]
    length = key_positions.shape[1]
    distances = jnp.arange(1 - length, length)[None]
    table = Dense(model, heads, ('embed', 'heads', 'head_dim'),
                  bias=model.qkv_bias, name='distance')(
                      sinusoids(distances, model.width).astype(query.dtype))[0]

    def vectors(name, *more):
      names = (*['types'] * len(more), 'heads', 'head_dim')
      return self.param(name, param_init(normal(model), *names),
                        (*more, *heads), model.param_dtype).astype(query.dtype)

    content, place = (vectors(name)[None, None]
                      for name in ('content_bias', 'place_bias'))
    scores = _by_distance(
        jnp.einsum('bqhd,rhd->bhqr', query + place, table,
                   preferred_element_type=jnp.float32),
        query_positions, key_positions)
    if model.relative_types:
      bias, of_types = vectors('type_bias')[None, None], vectors('types', 2)
      if types is not None:
        scores = scores + _by_type(query + bias, of_types, *types)
    return query + content, scores


def _by_type(query, vectors, rows, columns):
  """float32 `[batch, heads, row, column]`: a query's product with the first of
  two `vectors` `[2, heads, head_dim]` where the types of its row and of the
  column are the same, and else with the second."""
  same, other = jnp.einsum('bqhd,shd->sbhq', query, vectors,
                           preferred_element_type=jnp.float32)[..., None]
  differ = rows[:, :, None] != columns[:, None, :]
  return jnp.where(differ[:, None], other, same)


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
