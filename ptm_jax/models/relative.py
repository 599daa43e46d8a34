"""Relative positions that meet the content of tokens in the scores."""

import flax.linen as nn
import jax.numpy as jnp

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


class DisentangledScores(nn.Module):
  """DeBERTa's: a query's content meets a key's distance, and a key's content
  the query's, each by projections of one table of distances.

  Distances of `rows / 2` and more to either side share a row of the table.

  Reference: He et al. 2020, arXiv:2006.03654, section 3.1.
  """

  model: object

  @nn.compact
  def __call__(self, query, key, query_positions, key_positions, table):
    """Scores to be added to the products of queries and keys.

    Args:
      query, key: `[batch, query or key, heads, head_dim]`.
      query_positions, key_positions: int32 `[batch, query or key]`, as for
        `RelativeScores`.
      table: `[rows, width]`, of distances from -rows / 2 on.

    Returns:
      float32 `[batch, heads, query, key]`.
    """
    length, half = key.shape[1], table.shape[0] // 2
    rows = jnp.clip(jnp.arange(1 - length, length) + half, 0, 2 * half - 1)
    names = 'embed', 'heads', 'head_dim'
    key_places, query_places = (
        Dense(self.model, query.shape[2:], names, name=name)(table[rows])
        for name in ('key_distance', 'query_distance'))
    of_query = jnp.einsum('bqhd,rhd->bhqr', query, key_places,
                          preferred_element_type=jnp.float32)
    of_key = jnp.einsum('bkhd,rhd->bhkr', key, query_places,
                        preferred_element_type=jnp.float32)
    return (_by_distance(of_query, query_positions, key_positions)
            + _by_distance(of_key, key_positions, query_positions).swapaxes(
                2, 3))


def _by_distance(scores, rows, columns):
  """`[batch, heads, row, distance]` -> `[batch, heads, row, column]`; the
  distances, row's position less column's, are all that two tokens of one
  document can have."""
  index = rows[:, :, None] - columns[:, None, :] + scores.shape[-1] // 2
  return jnp.take_along_axis(scores, jnp.broadcast_to(
      index[:, None], (*scores.shape[:3], columns.shape[1])), -1, mode='clip')
