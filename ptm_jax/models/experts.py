"""A sparse mixture of experts in place of the feed-forward.

Reference: Fedus et al. 2021, arXiv:2101.03961, section 2.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import meta

from ptm_jax import losses
from ptm_jax.models.attention import dense_mask
from ptm_jax.models.layers import MLP, normal, param_init

BALANCE = 'balance'  # the collection, and the term, of the balancing loss


class Experts(nn.Module):
  """Each token goes to the one feed-forward that a router thinks likeliest,
  whose output counts by that probability.

  The paper fills an expert's places from a whole batch. Here nothing may
  depend on another document or on what attention may not see: a token passes
  by the layer where the tokens before it *that it may see* fill its expert,
  whose places are `expert_capacity` times its share of all tokens seen. The
  balancing loss is each example's own as well.
  """

  model: object

  @nn.compact
  def __call__(self, x, structure, keys=None):
    """Runs the layer; sows the balancing loss, float32 `[batch]`.

    Args:
      x: `[batch, length, width]`.
      structure: `attention.Structure` of the layer's self attention.
      keys: one jax key per example for the router's noise, or None.

    Returns:
      Like `x`; 0 for tokens that found their expert full.
    """
    model = self.model
    count = model.num_experts
    probabilities = self._route(x, keys)
    chosen = jax.nn.one_hot(jnp.argmax(probabilities, -1), count)
    self.sow(BALANCE, BALANCE, _balance(
        probabilities, chosen, structure.query_segments))
    kept = chosen * has_room(chosen, structure, model.expert_capacity)[
        ..., None]

    def start(key):
      return meta.add_axis(
          jax.vmap(lambda one: MLP(model, parent=None).init(
              one, x[:1, :1])['params'])(jax.random.split(key, count)),
          0, {nn.PARTITION_NAME: 'experts'})

    y = _apply(MLP(model, parent=None), self.param('experts', start),
               x.reshape(-1, x.shape[-1]), kept.reshape(-1, count))
    gate = jnp.sum(probabilities * kept, -1, keepdims=True)
    return y.reshape(x.shape) * gate.astype(y.dtype)

  def _route(self, x, keys):
    """Probabilities of the experts, float32 `[batch, length, experts]`."""
    model = self.model
    kernel = self.param(
        'router', param_init(normal(model), 'embed', 'experts'),
        (x.shape[-1], model.num_experts), model.param_dtype)
    read = x.astype(jnp.float32)
    if keys is not None and model.router_jitter:
      read *= jax.vmap(lambda key: jax.random.uniform(
          key, x.shape[1:], minval=1 - model.router_jitter,
          maxval=1 + model.router_jitter))(keys)
    return jax.nn.softmax(read @ kernel.astype(jnp.float32))


def has_room(chosen, structure, capacity):
  """Which tokens find a place in their expert.

  Args:
    chosen: float32 `[batch, length, experts]`, one-hot.
    structure: `attention.Structure`; keys are the first rows.
    capacity: an expert's places as a multiple of its share.

  Returns:
    bool `[batch, length]`; False for padding.
  """
  length, count = chosen.shape[1:]
  num_keys = (length if structure.key_segments is None
              else structure.key_segments.shape[1])
  seen = jnp.broadcast_to(dense_mask(structure, length, num_keys),
                          (len(chosen), length, num_keys))
  before = seen & (jnp.arange(num_keys)[None, None]
                   < jnp.arange(length)[None, :, None])
  rank = jnp.sum(chosen * jnp.einsum(
      'bqk,bke->bqe', before.astype(jnp.float32), chosen[:, :num_keys]), -1)
  # What the shares of float32 add to a whole number is no place more.
  places = jnp.ceil(capacity / count * jnp.sum(seen, -1) - 1e-4)
  return (rank < places) & jnp.any(seen, -1)


def _balance(probabilities, chosen, segments):
  """experts x sum over them of the share of an example's tokens that go there
  x the mean probability of going there; 1 where all are alike."""
  real = jnp.ones(chosen.shape[:2]) if segments is None else segments > 0
  weights = real / jnp.maximum(jnp.sum(real, 1, keepdims=True), 1)
  share, mean = (jnp.einsum('bl,ble->be', weights, one)
                 for one in (chosen, probabilities))
  return chosen.shape[-1] * jnp.sum(share * mean, -1)


def _apply(expert, params, x, kept):
  """Runs each token through its expert.

  Tokens are sorted into blocks of one expert each, of which there are enough
  for any choice; so the work hardly grows with the number of experts, and
  none is lost (as in Gale et al. 2022, arXiv:2211.15841, section 5).

  Args:
    expert: a module.
    params: its parameters, each `[experts, ...]`.
    x: `[tokens, width]`.
    kept: float32 `[tokens, experts]`, one-hot, or 0 for none.

  Returns:
    Like `x`, 0 where there is no expert.
  """
  tokens, count = kept.shape
  rows = -(-tokens // (2 * count))  # of a block
  blocks = -(-tokens // rows) + count
  kept = kept.astype(jnp.int32)
  ends = jnp.cumsum(-(-jnp.sum(kept, 0) // rows))
  first = jnp.append(0, ends[:-1])[None] * rows
  place = jnp.sum(kept * (first + jnp.cumsum(kept, 0) - 1), -1)
  place = jnp.where(jnp.any(kept > 0, -1), place, blocks * rows)
  sorted_x = jnp.zeros((blocks * rows, x.shape[-1]), x.dtype).at[place].set(
      x, mode='drop')
  which = jnp.minimum(
      jnp.searchsorted(ends, jnp.arange(blocks), side='right'), count - 1)
  y = jax.vmap(lambda params, x: expert.apply({'params': params}, x))(
      jax.tree.map(lambda leaf: leaf[which], params),
      sorted_x.reshape(blocks, rows, -1))
  return y.reshape(blocks * rows, -1).at[place].get(
      mode='fill', fill_value=0)


def balance_term(sown):
  """The term of what the layers sowed: their sum, a mean over examples."""
  values = sum(jnp.reshape(one, (-1, one.shape[-1])).sum(0)
               for one in jax.tree.leaves(sown))[:, None]
  ones = jnp.ones_like(values)
  return losses.Term(
      jnp.sum(values), jnp.float32(len(values)), values,
      jnp.zeros(values.shape, bool), jnp.zeros(values.shape, jnp.int32), ones)
