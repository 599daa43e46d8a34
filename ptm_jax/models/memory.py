"""Memory between segments: a text is read part by part, and every layer of a
part also sees what entered that layer in the part before it.

The parts are rows of one batch: a layer's memory is the rows above its own,
one segment further up. This is what a loop over the segments computes.

Reference: Dai et al. 2019, arXiv:1901.02860, section 3.2; two streams: Yang et
al. 2019, arXiv:1906.08237, section 2.4.
"""

import contextlib
import contextvars

import jax
import jax.numpy as jnp

from ptm_jax.rng import stream

_stopped = contextvars.ContextVar('stopped', default=True)


@contextlib.contextmanager
def with_gradient():
  """Inside, the gradient goes through memory, so that proofs see what it
  carries; in training it is stopped."""
  token = _stopped.set(False)
  try:
    yield
  finally:
    _stopped.reset(token)


def cut(values, num_segments):
  """`[batch, length, ...]` -> `[batch * segments, length / segments, ...]`."""
  return values.reshape(-1, values.shape[1] // num_segments,
                        *values.shape[2:])


def join(values, num_segments):
  """The inverse of `cut`."""
  return values.reshape(-1, values.shape[1] * num_segments, *values.shape[2:])


def cut_stack(stack, num_segments):
  """A stack dict whose rows are segments; the keys of each are those of the
  segment before, all of which it may see, and its own."""
  stack = {name: cut(value, num_segments) for name, value in stack.items()
           if name != 'num_segments'}
  own, seen = stack['segment_ids'], stack.get('visibility')
  if seen is not None:
    own = own[:, :seen.shape[2]]
    stack['visibility'] = jnp.concatenate([jnp.ones_like(seen), seen], 2)
  return dict(stack, key_segment_ids=remember(own, num_segments))


def cut_keys(keys, num_segments):
  """A jax key for each segment out of one for each text."""
  return jnp.stack([stream(keys, 'segment', number)
                    for number in range(num_segments)], 1).reshape(-1)


def remember(values, num_segments):
  """Puts before each segment the one before it, without its gradient.

  Args:
    values: `[batch * segments, length, ...]`, as `cut` gives them.
    num_segments: segments of a text; the first has zeros before it.

  Returns:
    `[batch * segments, 2 length, ...]`.
  """
  parts = values.reshape(-1, num_segments, *values.shape[1:])
  before = jnp.roll(parts, 1, 1).at[:, 0].set(0)
  if _stopped.get():
    before = jax.lax.stop_gradient(before)
  return jnp.concatenate([before, parts], 2).reshape(
      len(values), -1, *values.shape[2:])


def of_keys(values, structure):
  """The values of the rows that make a layer's keys.

  Args:
    values: `[batch, length, ...]`; keys are the first rows, others show
      nothing.
    structure: `attention.Structure`.

  Returns:
    `[batch, keys, ...]`; with several segments, memory first.
  """
  own = values[:, :own_keys(structure)]
  if structure.num_segments == 1:
    return own
  return remember(own, structure.num_segments)


def own_keys(structure):
  """How many keys, the last ones, are of a row's own segment."""
  return structure.key_segments.shape[1] // min(structure.num_segments, 2)


def reach(own, num_segments, num_keys, depth):
  """What rows may see of a whole text, through `depth` layers.

  Args:
    own: bool `[batch * segments, queries, rows]`, what they see of the rows of
      their own segment.
    num_segments: segments of a text.
    num_keys: the first rows of a segment, which are remembered.
    depth: layers; memory goes one segment back in each.

  Returns:
    bool `[batch, segments * queries, segments * rows]`.
  """
  queries, rows = own.shape[1:]
  back = jnp.arange(num_segments)
  back = (back[:, None] - back[None])[:, None, :, None]  # [to, 1, from, 1]
  earlier = (back > 0) & (back <= depth) & (jnp.arange(rows) < num_keys)[
      None, None, None]
  own = own.reshape(-1, num_segments, queries, 1, rows)
  return (earlier[None] | own & (back == 0)[None]).reshape(
      -1, num_segments * queries, num_segments * rows)
