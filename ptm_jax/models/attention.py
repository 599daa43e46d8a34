"""Attention: described as a structure, made dense as late as possible.

Self, masked and cross attention are one module; `attend` is the one function
that picks a kernel which honours the description.
"""

import math

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from ptm_jax.models.layers import Dense, dropout, residual_scale
from ptm_jax.models.positions import rotate


@flax.struct.dataclass
class Structure:
  """Who may see whom; all that is given must hold.

  Attributes:
    query_segments, key_segments: int32 `[batch, length]`; a query sees keys
      of its own segment only, and segment 0 is padding that sees and shows
      nothing.
    prefix_length: int32 `[batch]` or None: where `causal`, keys before it
      are seen by every query.
    visibility: bool `[batch, query, key]` or None, True = may attend.
    causal: static; a query sees keys at or before its own index.
    window: static; largest index distance seen, or None.
  """

  query_segments: jax.Array
  key_segments: jax.Array
  prefix_length: jax.Array | None = None
  visibility: jax.Array | None = None
  causal: bool = flax.struct.field(pytree_node=False, default=False)
  window: int | None = flax.struct.field(pytree_node=False, default=None)


def dense_mask(structure):
  """The structure as bool `[batch, query, key]`, True = may attend."""
  queries, keys = structure.query_segments, structure.key_segments
  mask = ((queries[:, :, None] == keys[:, None, :])
          & (queries[:, :, None] > 0))
  rows = jnp.arange(queries.shape[1])[:, None]
  columns = jnp.arange(keys.shape[1])[None, :]
  if structure.causal:
    seen = (columns <= rows)[None]
    if structure.prefix_length is not None:
      seen = seen | (columns[None] < structure.prefix_length[:, None, None])
    mask = mask & seen
  if structure.window is not None:
    mask = mask & (jnp.abs(rows - columns) <= structure.window)[None]
  if structure.visibility is not None:
    mask = mask & structure.visibility
  return mask


def attend(query, key, value, structure, bias=None, scale=1.0,
           dropout_keys=None, dropout_rate=0.0, return_weights=False):
  """Attention of every query over the keys that it may see.

  Args:
    query: `[batch, query, heads, head_dim]`.
    key, value: `[batch, key, kv heads, head_dim]`; kv heads divide heads.
    structure: `Structure`.
    bias: float32 `[batch, heads, query, key]` added to the scores, or None.
    scale: factor of the scores.
    dropout_keys: one jax key per example, or None.
    dropout_rate: fraction of the weights dropped.
    return_weights: whether the weights are wanted too.

  Returns:
    `[batch, query, heads, head_dim]`, exactly 0 for a query that may see
    nothing; with `return_weights` also float32 `[batch, heads, query, key]`.
  """
  mask = dense_mask(structure)
  drops = dropout_keys is not None and dropout_rate > 0
  if _flash_fits(query, bias, drops, return_weights):
    output = jax.nn.dot_product_attention(
        query, key, value, mask=mask[:, None], scale=scale,
        implementation='cudnn')
    return jnp.where(jnp.any(mask, -1)[..., None, None], output, 0)
  groups = query.shape[2] // key.shape[2]
  if groups > 1:
    key, value = (jnp.repeat(x, groups, 2) for x in (key, value))
  scores = jnp.einsum('bqhd,bkhd->bhqk', query * scale, key,
                      preferred_element_type=jnp.float32)
  if bias is not None:
    scores = scores + bias
  weights = _masked_softmax(scores, mask[:, None])
  if drops:
    weights = dropout(dropout_keys, weights, dropout_rate, 'attention')
  output = jnp.einsum('bhqk,bkhd->bqhd', weights.astype(value.dtype), value)
  return (output, weights) if return_weights else output


def _masked_softmax(scores, mask):
  """Softmax over what may be seen; a row that sees nothing is all zeros."""
  scores = jnp.where(mask, scores, -1e30)
  largest = jax.lax.stop_gradient(jnp.max(scores, -1, keepdims=True))
  exponentials = jnp.where(mask, jnp.exp(scores - largest), 0)
  total = jnp.sum(exponentials, -1, keepdims=True)
  return exponentials / jnp.maximum(total, 1e-30)


def _flash_fits(query, bias, drops, return_weights):
  """Whether cuDNN's kernel can express this attention, on a GPU in bf16."""
  return (jax.default_backend() == 'gpu' and query.dtype == jnp.bfloat16
          and bias is None and not drops and not return_weights)


class Attention(nn.Module):
  """Multi-head attention, from a stack to itself or to another.

  Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.2; grouped
  heads: Ainslie et al. 2023, arXiv:2305.13245.
  """

  model: object

  @nn.compact
  def __call__(self, x, context, structure, positions=None, bias=None,
               keys=None):
    """Attends from `x` to `context`.

    Args:
      x: `[batch, query, width]`.
      context: `[batch, key, width]`, `x` itself for self attention.
      structure: `Structure`.
      positions: int32 `[batch, query]` for rotary self attention, or None.
      bias: float32 `[batch, heads, query, key]` or None.
      keys: one jax key per example for dropout, or None.

    Returns:
      `[batch, query, width]`.
    """
    model = self.model
    head_dim = model.width // model.num_heads
    kv_heads = model.num_kv_heads or model.num_heads
    query = Dense(model, (model.num_heads, head_dim),
                  ('embed', 'heads', 'head_dim'), name='query')(x)
    key = Dense(model, (kv_heads, head_dim),
                ('embed', 'kv', 'head_dim'), name='key')(context)
    value = Dense(model, (kv_heads, head_dim),
                  ('embed', 'kv', 'head_dim'), name='value')(context)
    if positions is not None:
      query, key = rotate(query, positions), rotate(key, positions)
    wanted = self.is_mutable_collection('intermediates')
    output = attend(
        query, key, value, structure, bias,
        1 / math.sqrt(head_dim) if model.scale_attention else 1.0,
        keys, model.attention_dropout, wanted)
    if wanted:
      output, weights = output
      self.sow('intermediates', 'weights', weights)
    return Dense(model, (model.width,), ('heads', 'head_dim', 'embed'),
                 scale=residual_scale(model), name='output')(output)
