"""Optimizers and learning-rate schedules, built inside the step.

Every optimizer is the same chain: clip the gradients, turn them into a
direction, add decoupled weight decay, multiply by the learning rate. Only the
direction differs; one more optimizer is one more entry of `_DIRECTIONS` and
of `config.Optimizer`'s choices. The numbers a sweep varies arrive as traced
scalars, so the optimizer's state is arrays alone and its tree depends on the
optimizer's name and the parameters, never on those numbers.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

TRACED = ('learning_rate', 'weight_decay', 'b1', 'b2', 'clip_norm')


def hparams(optimizer):
  """The optimizer's numbers that may be traced.

  Args:
    optimizer: `config.Optimizer`.

  Returns:
    dict of numpy float32 scalars.
  """
  return {name: np.float32(getattr(optimizer, name)) for name in TRACED}


def schedule(optimizer, num_steps):
  """The learning rate over a run, as a fraction of its peak.

  With n = step + 1 and w = warmup_steps, the multiplier is n / w for n <= w
  (so the first update already moves), and then, with p the fraction of the
  updates after the warm-up that are done,

    constant      1; final_fraction plays no part
    linear        falls from 1 at p = 0 to final_fraction at p = 1
    cosine        the same along half a cosine (Loshchilov & Hutter 2017,
                  arXiv:1608.03983, without restarts)
    inverse_sqrt  sqrt(w / n), at least final_fraction (Vaswani et al. 2017,
                  arXiv:1706.03762, section 5.3)
    wsd           1, and over the last decay_share of the run linearly down to
                  final_fraction (Hu et al. 2024, arXiv:2404.06395, section 4;
                  their decay is exponential)

  p = 1 would be the update after the last one, so none is wasted at a rate
  of 0.

  Args:
    optimizer: `config.Optimizer`.
    num_steps: updates in the whole run.

  Returns:
    A function of the int32 step (updates made before; may be traced, any
    shape) that gives float32 of the same shape, in [0, 1].
  """
  warmup = optimizer.warmup_steps
  final = optimizer.final_fraction
  decay_steps = round(optimizer.decay_share * num_steps)

  def line(n, start):
    # `n` counts from 1, and update `num_steps` + 1 would be at the end.
    share = (n - 1 - start) / max(num_steps - start, 1)
    return jnp.clip(share, 0.0, 1.0)

  after = {
      'constant': jnp.ones_like,
      'linear': lambda n: 1 - (1 - final) * line(n, warmup),
      'cosine': lambda n: final + (1 - final) * 0.5 * (
          1 + jnp.cos(jnp.pi * line(n, warmup))),
      'inverse_sqrt': lambda n: jnp.maximum(
          jnp.sqrt(max(warmup, 1) / jnp.maximum(n, 1.0)), final),
      'wsd': lambda n: 1 - (1 - final) * line(
          n, max(num_steps - decay_steps, warmup)),
  }[optimizer.schedule]

  def multiplier(step):
    n = jnp.asarray(step, jnp.int32).astype(jnp.float32) + 1
    return jnp.where(n <= warmup, n / max(warmup, 1), after(n))

  return multiplier


def same_past(old, old_num_steps, new, new_num_steps, step):
  """Whether two schedules agree in every update before `step`.

  A run may then go on under the new one: the past it would have had is the
  one it had.

  Args:
    old, new: `config.Optimizer`.
    old_num_steps, new_num_steps: updates in the whole run.
    step: updates made so far.
  """
  made = np.arange(step, dtype=np.int32)
  return bool(np.array_equal(schedule(old, old_num_steps)(made),
                             schedule(new, new_num_steps)(made)))


def make(optimizer, num_steps, hparams):
  """Builds the optimizer, inside a jitted step or outside of one.

  The arithmetic and the moments are float32 whatever the parameters' dtype.

  Args:
    optimizer: `config.Optimizer`; name, schedule and eps are static.
    num_steps: updates in the whole run.
    hparams: as `hparams` made them; each may be traced.

  Returns:
    An `optax.GradientTransformation` whose `update` needs the parameters.
  """
  multiplier = schedule(optimizer, num_steps)
  clip_norm = hparams['clip_norm']
  chain = optax.chain(
      optax.clip_by_global_norm(
          jnp.where(clip_norm > 0, clip_norm, jnp.inf)),
      _DIRECTIONS[optimizer.name](optimizer, hparams),
      optax.add_decayed_weights(hparams['weight_decay'], decays),
      optax.scale_by_learning_rate(
          lambda count: hparams['learning_rate'] * multiplier(count)))

  def init(params):
    return chain.init(_float32(params))

  def update(grads, state, params):
    return chain.update(_float32(grads), state, _float32(params))

  return optax.GradientTransformation(init, update)


def decays(params):
  """Which parameters weight decay pulls to zero: matrices and embeddings.

  The name decides, not the number of dimensions, which a scan over layers
  raises by one. Norms, biases and position tables do not decay.

  Returns:
    bool for each leaf of `params`.
  """
  def rule(path, _):
    names = _names(path)
    return names[-1] in ('kernel', 'embedding', 'table') and not any(
        name in ('position_embedding', 'relative_bias') for name in names)

  return jax.tree_util.tree_map_with_path(rule, params)


def _adamw(optimizer, hparams):
  """Loshchilov & Hutter 2019, arXiv:1711.05101."""
  return optax.scale_by_adam(hparams['b1'], hparams['b2'], optimizer.eps)


def _adafactor(optimizer, hparams):
  """Shazeer & Stern 2018, arXiv:1804.04235, as T5 used it.

  Updates are relative to each parameter's root mean square, so a learning
  rate of 0.01 moves a parameter by about 1 % of its size; no first moment,
  second moments decay by 1 - n**-0.8: b1, b2 and eps play no part. Matrices
  of at least 128 x 128 have factored second moments. With scanned layers the
  sizes are those of the stacked leaf. Weight decay is multiplied by the
  learning rate, as for every optimizer here.
  """
  del optimizer, hparams
  chain = optax.chain(optax.scale_by_factored_rms(),
                      optax.clip_by_block_rms(1.0),
                      optax.scale_by_param_block_rms())

  def update(grads, state, params):
    updates, state = chain.update(_flat(grads), state, _flat(params))
    return jax.tree.map(
        lambda new, old: new.reshape(old.shape), updates, grads), state

  return optax.GradientTransformation(
      lambda params: chain.init(_flat(params)), update)


def _lion(optimizer, hparams):
  """Chen et al. 2023, arXiv:2302.06675."""
  del optimizer
  return optax.scale_by_lion(hparams['b1'], hparams['b2'])


def _muon(optimizer, hparams):
  """Jordan et al. 2024, https://kellerjordan.github.io/posts/muon.

  The kernels inside layers are orthogonalised (see `matrices`); embeddings,
  heads, norms and biases go to Adam with the same b1, b2 and Nesterov
  momentum. Updates are scaled to Adam's usual size (0.2 root mean square: Liu
  et al. 2025, arXiv:2502.16982, section 2.2), so that both share one learning
  rate. b1 is Muon's momentum too; 0.95 is published.
  """
  direction = optax.contrib.muon(
      1.0, beta=hparams['b1'], eps=optimizer.eps, adam_b1=hparams['b1'],
      adam_b2=hparams['b2'], consistent_rms=0.2,
      muon_weight_dimension_numbers=matrices)
  return optax.chain(direction, optax.scale(-1.0))


def _adagrad(optimizer, hparams):
  """Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html; sums of
  squares begin at 0, and b1 and b2 play no part."""
  del hparams
  return optax.scale_by_rss(0.0, optimizer.eps)


def _sgd(optimizer, hparams):
  """Gradient descent with heavy-ball momentum b1; 0 is plain descent."""
  del optimizer
  return optax.trace(hparams['b1'])


_DIRECTIONS = {
    'adamw': _adamw,
    'adafactor': _adafactor,
    'adagrad': _adagrad,
    'lion': _lion,
    'muon': _muon,
    'sgd': _sgd,
}


def matrices(params):
  """The matrices that Muon orthogonalises: every kernel inside a layer.

  Each projection of an attention is one matrix over all heads. A leading
  axis from a scan over layers counts separate matrices.

  Returns:
    for each leaf of `params` its `optax.contrib.MuonDimensionNumbers`, or
    None where Adam takes over.
  """
  def rule(path, _):
    names = _names(path)
    if names[-1] != 'kernel' or not any(
        name.startswith('layer') for name in names[:-1]):
      return None
    return optax.contrib.MuonDimensionNumbers(*_matrix_axes(names))

  return jax.tree_util.tree_map_with_path(rule, params)


def _matrix_axes(names):
  """The axes, from the end, that a kernel sums over and those it makes."""
  # Distances are projected in a module within the attention.
  if not any(name.endswith('attention') for name in names[:-2]):
    return (-2,), (-1,)
  if names[-2] == 'output':
    return (-3, -2), (-1,)  # [heads, head_dim, width]
  return (-3,), (-2, -1)  # [width, heads, head_dim]


def _flat(tree):
  """Kernels of attentions as matrices, everything else as it is."""
  def rule(path, leaf):
    if (names := _names(path))[-1] != 'kernel':
      return leaf
    inputs, outputs = _matrix_axes(names)
    rest = leaf.shape[:leaf.ndim - len(inputs) - len(outputs)]
    return leaf.reshape(rest + tuple(
        math.prod(leaf.shape[axis] for axis in axes)
        for axes in (inputs, outputs)))

  return jax.tree_util.tree_map_with_path(rule, tree)


def _names(path):
  return [str(getattr(part, 'key', getattr(part, 'name', part)))
          for part in path]


def _float32(tree):
  return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), tree)
