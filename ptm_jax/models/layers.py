"""Dense layers, norms, feed-forwards and dropout, with named axes.

Every parameter carries logical axis names (`sharding.RULES` maps them to
the mesh). Norm statistics are float32 whatever the compute dtype.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from ptm_jax.rng import stream

# Of the odd polynomial g for which the normal distribution function is
# (1 + tanh(g(x))) / 2 to 1e-7: a minimax fit for |x| <= 5.5, behind which
# its tails are 1e-7 at most.
_NORMAL = (0.7978844926650035, 0.03633391134249484, -3.2954764851275254e-05,
           -5.527793948087347e-05, 3.9731128512712405e-06,
           -1.3364684429856167e-07, 1.8093627150906212e-09)
_TAIL = 5.5


def gelu(x):
  """x times the normal distribution function of x, to 1e-6 in float32.

  With its slope it takes a third of the time of the form with erf, whose
  vectorised code is slow on CPUs; that of tanh is fast.

  Reference: Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2.
  """
  x32 = x.astype(jnp.float32)
  clipped = jnp.clip(x32, -_TAIL, _TAIL)
  square, polynomial = clipped * clipped, 0.0
  for coefficient in reversed(_NORMAL):
    polynomial = polynomial * square + coefficient
  # tanh does not reach -1 in all programs: far below 0 its error must not grow.
  share = 0.5 * jnp.maximum(x32, -_TAIL)
  return (share * (1 + jnp.tanh(clipped * polynomial))).astype(x.dtype)


_ACTIVATIONS = {
    'gelu': gelu,
    'gelu_tanh': lambda x: nn.gelu(x, approximate=True),
    'relu': nn.relu,
    'silu': nn.silu,
    'tanh': jnp.tanh,
}
# T5 v1.1's published gate is the tanh form of GELU.
_GATED = {'swiglu': 'silu', 'geglu': 'gelu_tanh'}


def activation(name):
  """The function of a `config.Model.activation`, or of a pooler's; of a gated
  one, its gate's."""
  return _ACTIVATIONS[_GATED.get(name, name)]


def param_init(initializer, *names):
  """An initializer whose parameter is boxed with logical axis names."""
  return nn.with_logical_partitioning(initializer, names)


def normal(model, scale=1.0):
  """The initializer of matrices and tables: normal, `init_scale * scale`."""
  return nn.initializers.normal(model.init_scale * scale)


def residual_scale(model):
  """Factor of the initial weights that write into the residual stream.

  GPT-2's 1 / sqrt(2 * layers) where the norm comes before the sub-layer, so
  that the stream's variance does not grow with depth; 1 where it comes after.
  """
  return 1 / math.sqrt(2 * model.depth) if model.norm_position == 'pre' else 1.


class Dense(nn.Module):
  """`x @ kernel + bias` over the last `len(names) - len(features)` axes.

  Attributes:
    model: `config.Model`.
    features: output axes.
    names: logical names of the kernel's axes, inputs first.
    scale: factor of the initial standard deviation.
    bias: whether there is one; None means what the model says.
  """

  model: object
  features: tuple[int, ...]
  names: tuple[str, ...]
  scale: float = 1.0
  bias: bool | None = None

  @nn.compact
  def __call__(self, x):
    num_inputs = len(self.names) - len(self.features)
    inputs = x.shape[x.ndim - num_inputs:]
    dtype, param_dtype = self.model.dtype, self.model.param_dtype
    kernel = self.param(
        'kernel', param_init(normal(self.model, self.scale), *self.names),
        inputs + self.features, param_dtype)
    axes = (tuple(range(x.ndim - num_inputs, x.ndim)),
            tuple(range(num_inputs)))
    y = jax.lax.dot_general(
        x.astype(dtype), kernel.astype(dtype), (axes, ((), ())))
    if self.model.use_bias if self.bias is None else self.bias:
      bias = self.param(
          'bias', param_init(nn.initializers.zeros, *self.names[num_inputs:]),
          self.features, param_dtype)
      y = y + jnp.expand_dims(bias.astype(dtype), range(
          y.ndim - len(self.features)))
    return y


class Norm(nn.Module):
  """Layer norm, or RMS norm without mean and bias, over the last axis.

  References: Ba et al. 2016, arXiv:1607.06450; Zhang and Sennrich 2019,
  arXiv:1910.07467.
  """

  model: object

  @nn.compact
  def __call__(self, x):
    model = self.model
    x32 = x.astype(jnp.float32)
    layer = model.norm == 'layer'
    if layer:
      x32 = x32 - jnp.mean(x32, -1, keepdims=True)
    variance = jnp.mean(jnp.square(x32), -1, keepdims=True)
    y = x32 * jax.lax.rsqrt(variance + model.norm_epsilon)
    shape, expand = x.shape[-1:], tuple(range(x.ndim - 1))
    scale = self.param('scale', param_init(nn.initializers.ones, 'norm'),
                       shape, model.param_dtype)
    y = y * jnp.expand_dims(scale.astype(jnp.float32), expand)
    if layer and model.use_bias:
      bias = self.param('bias', param_init(nn.initializers.zeros, 'norm'),
                        shape, model.param_dtype)
      y = y + jnp.expand_dims(bias.astype(jnp.float32), expand)
    return y.astype(model.dtype)


class MLP(nn.Module):
  """The feed-forward: two matrices, or three with a gate.

  Reference: Shazeer 2020, arXiv:2002.05202, for the gated ones.
  """

  model: object

  @nn.compact
  def __call__(self, x):
    model = self.model
    hidden = (model.mlp_dim or 4 * model.width,)
    names = 'embed', 'mlp'
    y = activation(model.activation)(
        Dense(model, hidden, names, name='up')(x))
    if model.activation in _GATED:
      y = y * Dense(model, hidden, names, name='value')(x)
    return Dense(model, (x.shape[-1],), names[::-1],
                 scale=residual_scale(model), name='down')(y)


def dropout(keys, x, rate, *names):
  """Zeroes entries and scales the rest, each example from its own key.

  So draws do not depend on the batch. 16 random bits decide an entry, which
  rounds the rate to a multiple of 2**-16.

  Args:
    keys: one jax key per example `[batch]`, or None for no dropout.
    x: float `[batch, ...]`.
    rate: fraction dropped, in [0, 1); static.
    *names: of the random stream, strings or integers.

  Returns:
    Like `x`.
  """
  if keys is None or not rate:
    return x
  size = math.prod(x.shape[1:])
  # A 32-bit draw is cut in two: a 16-bit one costs as much as it.
  bits = jax.vmap(lambda key: jax.random.bits(key, (-(-size // 2),)))(
      stream(keys, *names))
  bits = jax.lax.bitcast_convert_type(bits, jnp.uint16)
  keep = bits.reshape(x.shape[0], -1)[:, :size] >= round(rate * 2**16)
  return jnp.where(keep.reshape(x.shape), x / (1 - rate), 0).astype(x.dtype)
