"""Positions: learned and sinusoidal tables, rotary, T5's and ALiBi's biases.
"""

import math

import flax.linen as nn
import jax.lax
import jax.numpy as jnp
import numpy as np

from ptm_jax.models.layers import normal, param_init


def restart_positions(segment_ids):
  """Positions that count from 0 in each run of equal segment ids.

  Args:
    segment_ids: int32 `[length]`, 0 = padding.

  Returns:
    int32 `[length]`, 0 on padding.
  """
  index = jnp.arange(segment_ids.shape[0], dtype=jnp.int32)
  before = jnp.concatenate([jnp.full((1,), -1, jnp.int32), segment_ids[:-1]])
  start = jax.lax.cummax(jnp.where(segment_ids != before, index, 0))
  return jnp.where(segment_ids > 0, index - start, 0)


def sinusoids(positions, width):
  """Sine and cosine position vectors.

  Args:
    positions: int32 `[batch, length]`.
    width: of the vectors, even.

  Returns:
    float32 `[batch, length, width]`, sines first.

  Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
  """
  rates = jnp.exp(jnp.arange(width // 2) * (-math.log(10000.) / (width // 2)))
  angles = positions[..., None].astype(jnp.float32) * rates[None, None]
  return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1)


def rotate(x, positions, base=10000.0):
  """Rotary position embedding of queries or keys.

  Args:
    x: float `[batch, length, heads, head_dim]`, head_dim even.
    positions: int32 `[batch, length]`.
    base: of the wavelengths.

  Returns:
    Like `x`: each pair (i, i + head_dim / 2) turned by position * rate.

  Reference: Su et al. 2021, arXiv:2104.09864, section 3.2.2.
  """
  half = x.shape[-1] // 2
  rates = base ** (-np.arange(half, dtype=np.float32) / half)
  angles = positions[..., None, None].astype(jnp.float32) * (
      rates[None, None, None])
  sine, cosine = jnp.sin(angles), jnp.cos(angles)
  first, second = x[..., :half], x[..., half:]
  return jnp.concatenate([first * cosine - second * sine,
                          second * cosine + first * sine], -1).astype(x.dtype)


def bucket(relative, bidirectional, num_buckets=32, max_distance=128):
  """T5's bucket of a relative position: exact when near, logarithmic far off.

  Args:
    relative: int32, key position minus query position.
    bidirectional: static; whether keys to the right have their own half.
    num_buckets, max_distance: of the table.

  Returns:
    int32 like `relative`, in [0, num_buckets).

  Reference: Raffel et al. 2020, arXiv:1910.10683, section 2.1.
  """
  offset = 0
  if bidirectional:
    num_buckets //= 2
    offset = jnp.where(relative > 0, num_buckets, 0)
    distance = jnp.abs(relative)
  else:
    distance = jnp.maximum(-relative, 0)
  exact = num_buckets // 2
  far = exact + (
      jnp.log(jnp.maximum(distance, 1).astype(jnp.float32) / exact)
      / math.log(max_distance / exact) * (num_buckets - exact)
  ).astype(jnp.int32)
  return offset + jnp.where(
      distance < exact, distance, jnp.minimum(far, num_buckets - 1))


class RelativeBias(nn.Module):
  """T5's learned bias per head and bucket, one table for a whole stack."""

  model: object
  bidirectional: bool
  num_buckets: int = 32

  @nn.compact
  def __call__(self, query_positions, key_positions):
    """Returns float32 `[batch, heads, query, key]`."""
    table = self.param(
        'embedding', param_init(normal(self.model), 'buckets', 'heads'),
        (self.num_buckets, self.model.num_heads), self.model.param_dtype)
    relative = key_positions[:, None, :] - query_positions[:, :, None]
    index = bucket(relative, self.bidirectional, self.num_buckets)
    return jnp.moveaxis(table.astype(jnp.float32)[index], -1, 1)


def alibi(query_positions, key_positions, num_heads):
  """ALiBi: a penalty linear in the distance, each head with its own slope.

  Returns:
    float32 `[batch, heads, query, key]`, -slope * |distance|.

  Reference: Press et al. 2022, arXiv:2108.12409, section 3; both directions
  are treated alike.
  """
  slopes = 2.0 ** (-8.0 * np.arange(1, num_heads + 1) / num_heads)
  distance = jnp.abs(key_positions[:, None, :] - query_positions[:, :, None])
  return -(distance[:, None].astype(jnp.float32)
           * slopes.astype(np.float32)[None, :, None, None])
