"""Attention: described as a structure, made dense as late as possible.

Self, masked and cross attention are one module; `attend` is the one function
that picks a kernel which honours the description.
"""

import math

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from ptm_jax.errors import ConfigError
from ptm_jax.models.layers import Dense, dropout, residual_scale
from ptm_jax.models.positions import rotate
from ptm_jax.models.relative import (DisentangledScores, RelativeScores,
                                     shared_disentangled)

# Added to the scores of what may not be seen, and the least a row's largest
# score may count as: a row that sees nothing then sums to exactly 0.
_HIDDEN, _LEAST = -1e30, -1e29


@flax.struct.dataclass
class Structure:
  """Who may see whom; all that is given must hold. Indices count from the
  row's start, whatever the positions are.

  Attributes:
    query_segments, key_segments: int32 `[batch, length]` or None; a query
      sees keys of its own segment only, and segment 0 is padding that sees
      and shows nothing.
    prefix_length: int32 `[batch]` or None: where `causal`, keys before it
      are seen by every query.
    visibility: bool `[batch, query, key]` or None, True = may attend.
    causal: static; a query sees keys at or before its own index.
    query_places: int32 `[batch, query]` or None: the queries' indices where
      they are read one by one, from a cache.
    window: static; largest index distance seen, or None.
    num_segments: static; above 1, rows are segments of longer texts that also
      see the segment before them, whose keys come first (`models.memory`);
      indices then count from its start.
  """

  query_segments: jax.Array | None = None
  key_segments: jax.Array | None = None
  prefix_length: jax.Array | None = None
  visibility: jax.Array | None = None
  query_places: jax.Array | None = None
  causal: bool = flax.struct.field(pytree_node=False, default=False)
  window: int | None = flax.struct.field(pytree_node=False, default=None)
  num_segments: int = flax.struct.field(pytree_node=False, default=1)


def dense_mask(structure, query_length, key_length):
  """The structure as a mask.

  Returns:
    bool `[batch, query, key]`, True = may attend; batch is 1 where nothing
    depends on the example.
  """
  mask = jnp.ones((1, query_length, key_length), bool)
  rows = jnp.arange(query_length)[None, :, None]
  if structure.query_places is not None:
    rows = structure.query_places[:, :, None]
  columns = jnp.arange(key_length)[None, None, :]
  if structure.num_segments > 1:
    rows = rows + key_length // 2
  if structure.causal:
    seen = columns <= rows
    if structure.prefix_length is not None:
      seen = seen | (columns < structure.prefix_length[:, None, None])
    mask = mask & seen
  if structure.window is not None:
    mask = mask & (jnp.abs(rows - columns) <= structure.window)
  if structure.query_segments is not None:
    queries = structure.query_segments[:, :, None]
    mask = mask & (queries == structure.key_segments[:, None, :])
    mask = mask & (queries > 0)
  if structure.visibility is not None:
    mask = mask & structure.visibility
  return mask


def attend(query, key, value, structure, bias=None, scale=1.0,
           dropout_keys=None, dropout_rate=0.0, implementation=None):
  """Attention of every query over the keys that it may see.

  Args:
    query: `[batch, query, heads, head_dim]`.
    key, value: `[batch, key, kv heads, head_dim]`; kv heads divide heads.
    structure: `Structure`.
    bias: float32 `[batch or 1, heads, query, key]` added to the scores, or
      None.
    scale: factor of the scores.
    dropout_keys: one jax key per example, or None.
    dropout_rate: fraction of the weights dropped.
    implementation: 'einsum', or one of `jax.nn.dot_product_attention`'s
      ('xla', 'cudnn'), which drop nothing; None takes the fastest that fits.

  Returns:
    `[batch, query, heads, head_dim]`, exactly 0 for a query that may see
    nothing, and so are the gradients that go through it.

  Raises:
    ConfigError: the implementation asked for cannot drop weights.
  """
  drops = dropout_keys is not None and dropout_rate > 0
  if implementation is None:
    flash = _flash_fits(query, key, bias, drops)
    implementation = 'cudnn' if flash else 'einsum'
  if implementation == 'einsum':
    weights = attention_weights(query, key, structure, bias, scale)
    weights = dropout(dropout_keys, weights, dropout_rate)
    return _combine(weights.astype(value.dtype), value)
  if drops:
    raise ConfigError(f'attention by {implementation!r} cannot drop weights: '
                      "use 'einsum', or no attention dropout")
  mask = dense_mask(structure, query.shape[1], key.shape[1])
  output = jax.nn.dot_product_attention(
      query, key, value, bias=bias, mask=mask[:, None], scale=scale,
      implementation=implementation)
  # Those kernels average all values where nothing may be seen.
  return jnp.where(jnp.any(mask, -1)[..., None, None], output, 0)


def attention_weights(query, key, structure, bias=None, scale=1.0):
  """The weights of `attend`, by plain products.

  Returns:
    float32 `[batch, heads, query, key]`; a row sums to 1, or to 0 where the
    query may see nothing.
  """
  batch, length, num_heads, _ = query.shape
  # Each of the g key heads serves h query heads.
  query = query.reshape(batch, length, key.shape[2], -1, query.shape[3])
  scores = jnp.einsum('bqghd,bkgd->bghqk', query, key,
                      preferred_element_type=jnp.float32)
  scores = scale * scores.reshape(batch, num_heads, length, key.shape[1])
  if bias is not None:
    scores = scores + bias
  mask = dense_mask(structure, length, key.shape[1])
  return _softmax(scores + jnp.where(mask, 0, _HIDDEN)[:, None])


def _combine(weights, value):
  """`[batch, heads, query, key]` over values -> `[batch, query, heads, d]`."""
  batch, num_heads, length, keys = weights.shape
  weights = weights.reshape(batch, value.shape[2], -1, length, keys)
  output = jnp.einsum('bghqk,bkgd->bqghd', weights, value)
  return output.reshape(batch, length, num_heads, -1)


@jax.custom_jvp
def _softmax(scores):
  """Softmax over the last axis; zeros where all of a row is hidden."""
  largest = jnp.maximum(jnp.max(scores, -1, keepdims=True), _LEAST)
  exponentials = jnp.exp(scores - largest)
  total = jnp.sum(exponentials, -1, keepdims=True)
  return exponentials / jnp.maximum(total, 1e-30)


@_softmax.defjvp
def _softmax_jvp(primals, tangents):
  # By hand, so that only the weights are kept for the backward pass.
  weights, (tangent,) = _softmax(*primals), tangents
  mean = jnp.sum(weights * tangent, -1, keepdims=True)
  return weights, weights * (tangent - mean)


def _flash_fits(query, key, bias, drops):
  """Whether cuDNN's kernel can express this attention on this machine."""
  return (jax.default_backend() == 'gpu' and query.dtype == jnp.bfloat16
          and bias is None and not drops
          and query.shape[-1] % 8 == 0 and query.shape[-1] <= 128
          and query.shape[1] % 2 == 0 and key.shape[1] % 2 == 0)


class Attention(nn.Module):
  """Multi-head attention, from a stack to itself or to another.

  The weights are sown as `weights` when `intermediates` are mutable; see
  `models.sown`.

  A collection `prefix` may have `keys` and `values` `[n, kv heads, head_dim]`,
  which every query sees besides.

  Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.2; grouped
  heads: Ainslie et al. 2023, arXiv:2305.13245; prefixes: Li and Liang 2021,
  arXiv:2101.00190, section 4.2.
  """

  model: object

  @nn.compact
  def __call__(self, x, context, structure, positions=None, bias=None,
               keys=None, slots=None, distances=None, places=None, types=None,
               keep=False):
    """Attends from `x` to `context`.

    Args:
      x: `[batch, query, width]`.
      context: `[batch, key, width]`; for self attention `x`, or its first
        rows if the others show nothing.
      structure: `Structure`.
      positions: int32 `[batch, query]` for self attention whose queries or
        scores need them ('rotary', 'transformer_xl', 'disentangled' and its
        v2), or None.
      bias: float32 `[batch, heads, query, key]` or None.
      keys: one jax key per example for dropout, or None.
      slots: int32 `[batch, query]`, where keys and values go in the cache,
        which then stands for `context`; or None, without a cache.
      distances: `[rows, width]`, the table of 'disentangled' positions
        and v2's.
      places: int32 `[batch, key]`, the keys' positions, where there are
        `positions`.
      types: as of `RelativeScores`.
      keep: whether the keys and values of `context` go into the cache or, once
        they are there, stand for it; it may then be None.

    Returns:
      `[batch, query, width]`.
    """
    model = self.model
    head_dim = model.head_width
    kv_heads = model.num_kv_heads or model.num_heads

    def projection(name, heads, axis):
      return Dense(model, (heads, head_dim), ('embed', axis, 'head_dim'),
                   bias=model.qkv_bias, name=name)

    to_query = projection('query', model.num_heads, 'heads')
    to_key = projection('key', kv_heads, 'kv')
    to_value = projection('value', kv_heads, 'kv')
    query = to_query(x)
    key, value = self._of(context, (to_key, to_value), keep)
    scale = 1 / math.sqrt(head_dim) if model.scale_attention else 1.0
    if positions is not None:
      query, key, scores = self._placed(
          query, key, positions, places, distances, types, to_query, to_key)
      if model.disentangled:
        scale /= math.sqrt(3)  # the scores are three sums of products
      if scores is not None:
        bias = scale * scores
    if slots is not None:
      length = structure.key_segments.shape[1]
      key = _remember(self, 'keys', key, slots, length)
      value = _remember(self, 'values', value, slots, length)
    if self.has_variable('prefix', 'keys'):
      key, value = (_behind(self.get_variable('prefix', name), own)
                    for name, own in (('keys', key), ('values', value)))
      structure, bias = _with_prefix(structure, bias, query, key)
    if self.is_mutable_collection('intermediates'):
      self.sow('intermediates', 'weights',
               attention_weights(query, key, structure, bias, scale))
    output = attend(query, key, value, structure, bias, scale, keys,
                    model.attention_dropout)
    return Dense(model, (model.width,), ('heads', 'head_dim', 'embed'),
                 scale=residual_scale(model), bias=model.output_bias,
                 name='output')(output)

  def _of(self, context, projections, keep):
    """Keys and values of `context`; if kept, once alone."""
    names = 'keys', 'values'
    if keep and self.has_variable('cache', 'keys'):
      return [self.get_variable('cache', name) for name in names]
    found = [project(context) for project in projections]
    for name, one in zip(names, found) if keep else ():
      self.put_variable('cache', name, one)
    return found

  def _placed(self, query, key, positions, places, distances, types, to_query,
              to_key):
    """Queries and keys as their places have them, and scores that the places
    and types add before they are scaled, or None."""
    model = self.model
    if model.positions == 'rotary':
      return (rotate(query, positions, model.rotary_base),
              rotate(key, places, model.rotary_base), None)
    if model.positions == 'disentangled':
      return query, key, DisentangledScores(model, name='disentangled')(
          query, key, positions, places, distances)
    if model.disentangled:
      return query, key, shared_disentangled(
          model, query, key, positions, places, to_query, to_key, distances)
    query, scores = RelativeScores(model, name='relative')(
        query, positions, places, types)
    return query, key, scores


def _remember(module, name, new, slots, length):
  """Puts `new` `[batch, n, ...]` into the cache's slots; all of the cache,
  `[batch, length, ...]`."""
  cache = module.variable('cache', name, jnp.zeros,
                          (new.shape[0], length, *new.shape[2:]), new.dtype)
  rows = jnp.arange(new.shape[0])[:, None]
  cache.value = cache.value.at[rows, slots].set(new)
  return cache.value


def _behind(prefix, own):
  """A prefix `[n, ...]` and behind it `[batch, key, ...]`, for all rows."""
  rows = jnp.broadcast_to(prefix[None], (len(own), *prefix.shape))
  return jnp.concatenate([rows.astype(own.dtype), own], 1)


def _with_prefix(structure, bias, query, key):
  """Structure and bias of keys that a prefix stands in front of."""
  rows, queries = query.shape[:2]
  if bias is not None:
    count = key.shape[1] - bias.shape[-1]
    bias = jnp.pad(bias, ((0, 0), (0, 0), (0, 0), (count, 0)))
  own = structure.key_segments.shape[1]
  mask = jnp.broadcast_to(dense_mask(structure, queries, own),
                          (rows, queries, own))
  real = structure.query_segments[:, :, None] > 0  # of padding nothing is read
  seen = jnp.broadcast_to(real, (rows, queries, key.shape[1] - own))
  return Structure(visibility=jnp.concatenate([seen, mask], 2)), bias
