"""DeBERTa v2's convolution over neighbouring tokens."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ptm_jax.errors import ConfigError
from ptm_jax.models.layers import activation, normal, param_init


class Convolution(nn.Module):
  """A matrix for each of `convolution_width` neighbours, their sum, and an
  activation. What is padding or of another document counts as zeros, so packed
  documents are as documents alone.

  It stands beside the first layer: what it makes of the layer's input is added
  to the layer's output and normalised. Dropout is behind the activation, in
  the released code before it.

  Reference: He et al. 2021, arXiv:2006.03654, version 2, whose released code
  calls it n-gram induced input encoding.
  """

  model: object

  @nn.compact
  def __call__(self, x, structure):
    """Convolves.

    Args:
      x: `[batch, length, width]`.
      structure: `attention.Structure` of a text that is read from both sides.

    Returns:
      `[batch, length, width]`.

    Raises:
      ConfigError: not all of a document may be seen.
    """
    model, (length, width) = self.model, x.shape[1:]
    if structure.visibility is not None or structure.causal:
      raise ConfigError(f'model.convolution_width={model.convolution_width} '
                        'reads what this objective hides from its neighbours')
    reach = model.convolution_width // 2
    kernel = self.param(
        'kernel', param_init(normal(model), 'offsets', 'embed', 'embed_out'),
        (model.convolution_width, width, width), model.param_dtype)
    segments = structure.query_segments
    index = jnp.arange(length)

    def neighbours(offset):
      inside = (index + offset >= 0) & (index + offset < length)
      same = segments == jnp.roll(segments, -offset, 1)
      same = same & inside[None] & (segments > 0)
      return jnp.where(same[..., None], jnp.roll(x, -offset, 1), 0)

    rows = jnp.concatenate([neighbours(offset) for offset in range(
        -reach, reach + 1)], -1).astype(model.dtype)
    y = jax.lax.dot_general(rows, kernel.astype(model.dtype).reshape(
        -1, width), (((2,), (0,)), ((), ())))
    if model.use_bias:
      bias = self.param('bias', param_init(nn.initializers.zeros, 'embed'),
                        (width,), model.param_dtype)
      y = y + bias.astype(model.dtype)[None, None]
    return activation(model.convolution_activation)(y)
