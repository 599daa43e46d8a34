"""Relative positions that meet the content of the query in the scores."""

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
      query_positions: int32 `[batch, query]`, below the number of keys.
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
    index = (query_positions[:, :, None] - key_positions[:, None, :]
             + length - 1)
    return query + content, jnp.take_along_axis(
        scores, jnp.broadcast_to(
            index[:, None], (*scores.shape[:3], length)), -1)
