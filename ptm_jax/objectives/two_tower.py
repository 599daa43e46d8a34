"""What objectives share that read a text in two towers."""

import jax.numpy as jnp

from ptm_jax.models.two_tower import TOWERS, turn
from ptm_jax.objectives import arrange, base


def stacks(arranged, bos_id, eos_id):
  """What each tower reads of one example to predict the next token.

  Args:
    arranged: an arranged example of text alone.
    bos_id, eos_id: what the forward and the backward tower start from, in
      each packed document.

  Returns:
    A dict of int32 `[length]`: for each tower its inputs, segment_ids,
    positions and targets under its prefix, the backward ones in reverse.
  """
  tokens, segments = arranged['tokens'], arranged['segment_ids']
  fields = {}
  for name, first in zip(TOWERS, (bos_id, eos_id)):
    if name == 'backward':
      tokens, segments = (turn(x[None], segments[None])[0]
                          for x in (tokens, segments))
    fields.update({
        f'{name}_inputs': arrange.shift_right(tokens, segments, first),
        f'{name}_segment_ids': segments,
        f'{name}_positions': arrange.restart_positions(segments),
        f'{name}_targets': tokens})
  return fields


def states(trunk, params, batch, keys):
  """Both towers' states, each `[batch, length, width / 2]`."""
  return trunk.apply(
      {'params': params}, base.stack_of(
          batch, *(f'{name}_' for name in TOWERS)), keys, method='towers')


def around(states, segment_ids):
  """The towers' states side by side as they stand around each token of the
  text, neither having read it: `[batch, length, width]`.

  Args:
    states: of `states`.
    segment_ids: int32 `[batch, length]`, in the text's order.
  """
  forward, backward = states
  return jnp.concatenate([forward, turn(backward, segment_ids)], -1)


def seen(batch):
  """Which inputs each tower's predictions see: bool `[batch, length, length]`
  by tower, in the tower's own order."""
  found = {}
  for name in TOWERS:
    segments = batch[f'{name}_segment_ids']
    causal = jnp.tril(jnp.ones((segments.shape[-1],) * 2, bool))
    found[name] = base.same_segment(segments, segments) & causal[None]
  return found


def seen_around(batch):
  """As `seen`, for predictions made in the text's order from both towers."""
  segments = batch['forward_segment_ids']
  found = seen(batch)
  return {'forward_inputs': found['forward'],
          'backward_inputs': turn(found['backward'], segments)}
