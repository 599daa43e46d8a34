"""Memory between segments: a text read part by part, each of which also sees
what every layer made of the part before it.

Reference: Dai et al. 2019, arXiv:1901.02860, section 3.2.
"""

import jax
import jax.numpy as jnp


def cut(values, num_segments):
  """`[batch, length, ...]` -> `[batch * segments, length / segments, ...]`."""
  return values.reshape(-1, values.shape[1] // num_segments,
                        *values.shape[2:])


def join(values, num_segments):
  """The inverse of `cut`."""
  return values.reshape(-1, values.shape[1] * num_segments, *values.shape[2:])


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
  both = jnp.concatenate([jax.lax.stop_gradient(before), parts], 2)
  return both.reshape(len(values), -1, *values.shape[2:])


def reach(length, num_segments, depth):
  """What a causal stack of `depth` layers lets a place of a text see: bool
  `[length, length]`, at most `depth` segments back."""
  place = jnp.arange(length)
  segment = place // (length // num_segments)
  back = segment[:, None] - segment[None]
  return (place[None] <= place[:, None]) & (back <= depth)
