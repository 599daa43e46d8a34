"""Two decoders side by side: one reads a text forwards, one backwards."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from ptm_jax.models.attention import Structure
from ptm_jax.models.positions import RelativeBias, restart_positions
from ptm_jax.models.transformer import (Embedding, Inputs, Stack,
                                        shared_inputs)
from ptm_jax.rng import stream

TOWERS = 'forward', 'backward'


def tower(model):
  """The `config.Model` of one tower: half the width, heads and feed-forward,
  so that both towers' states side by side are as wide as the model."""
  return dataclasses.replace(
      model, width=model.width // 2, num_heads=model.num_heads // 2,
      num_kv_heads=model.num_kv_heads and max(1, model.num_kv_heads // 2),
      mlp_dim=model.mlp_dim and model.mlp_dim // 2)


def turn(values, segment_ids):
  """The real tokens' values in reverse order, padding where it is.

  Args:
    values: `[batch, length, ...]`.
    segment_ids: int32 `[batch, length]`, padding (0) at the end, of the
      values or of the result.

  Returns:
    Like `values`; turning twice changes nothing.
  """
  total = jnp.sum(segment_ids > 0, 1, keepdims=True)
  index = jnp.arange(segment_ids.shape[1])[None]
  place = jnp.where(index < total, total - 1 - index, index)
  return jax.vmap(lambda rows, order: rows[order])(values, place)


class TwoTower(nn.Module):
  """A forward and a backward stack of all layers each; their token embedding
  is one. Neither sees anything of the other, in any layer.

  Reference: Peters et al. 2018, arXiv:1802.05365, section 3.1, with
  Transformers in the place of recurrent layers.

  Attributes:
    model: `config.Model`, of both together; see `tower`.
    vocab_size: rows of the token embedding.
  """

  model: object
  vocab_size: int

  def setup(self):
    model = tower(self.model)
    self.token_embedding = Embedding(
        model, self.vocab_size, model.embedding_width or model.width)
    self.forward_inputs = Inputs(model, self.token_embedding)
    self.backward_inputs = Inputs(model, self.token_embedding)
    self.forward = Stack(model, model.depth)
    self.backward = Stack(model, model.depth)
    if model.relative_bias:
      self.forward_bias = RelativeBias(model, bidirectional=False)
      self.backward_bias = RelativeBias(model, bidirectional=False)

  def __call__(self, stack, keys=None):
    """Reads one text in both directions.

    Args:
      stack: as of `transformer.Trunk`.
      keys: one jax key per example for dropout, or None.

    Returns:
      `[batch, length, width]`: of each token the states that have read up to
      it from the left, and from the right.
    """
    segments = stack['segment_ids']
    turned = turn(segments, segments)
    backward = {'inputs': turn(stack['inputs'], segments),
                'segment_ids': turned,
                'positions': jax.vmap(restart_positions)(turned)}
    states, back = self.towers(
        {**{f'forward_{name}': value for name, value in stack.items()},
         **{f'backward_{name}': value for name, value in backward.items()}},
        keys)
    return jnp.concatenate([states, turn(back, segments)], -1)

  def towers(self, stack, keys=None):
    """Reads a stack in each tower.

    Args:
      stack: a stack dict for each tower, its names under the prefixes
        `forward_` and `backward_`; the latter is in its own, reverse order.
      keys: one jax key per example for dropout, or None.

    Returns:
      The two towers' states, each `[batch, length, width / 2]`.
    """
    return tuple(self._read(name, stack, keys) for name in TOWERS)

  def _read(self, name, stack, keys):
    prefix = f'{name}_'
    one = {field.removeprefix(prefix): value for field, value in stack.items()
           if field.startswith(prefix)}
    keys = None if keys is None else stream(keys, name)
    segments = one['segment_ids']
    shared = shared_inputs(
        tower(self.model), one, Structure(segments, segments, causal=True),
        getattr(self, prefix + 'bias', None), keys)
    return getattr(self, name)(getattr(self, prefix + 'inputs')(one, keys),
                               shared)
