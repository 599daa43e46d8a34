"""Four clocks and what they cost: FLOPs, memory and time before a run.

FLOPs are counted analytically, from the matrix products in the traced loss
itself: every network, head and gather of an objective is included without a
formula of its own, and nothing is executed.
"""

import dataclasses
import functools
import math
import time

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import meta

from ptm_jax import checks
from ptm_jax.config import Optimizer
from ptm_jax.data.prepare import expected_vocabulary
from ptm_jax.errors import ConfigError
from ptm_jax.step import (evaluation_batch, make_evaluation_step, make_hparams,
                          make_init)


def forward_flops(function, *shapes):
  """Multiply-adds x 2 of all matrix products in `function(*shapes)`."""
  total = 0
  for product, repeats in _products(jax.make_jaxpr(function)(*shapes).jaxpr):
    (contract, _), _ = product.params['dimension_numbers']
    shape = product.invars[0].aval.shape
    total += repeats * (2 * math.prod(product.outvars[0].aval.shape)
                        * math.prod(shape[axis] for axis in contract))
  return total


def _products(jaxpr, repeats=1):
  """Every matrix product of a program and how often it runs."""
  for equation in jaxpr.eqns:
    if equation.primitive.name == 'dot_general':
      yield equation, repeats
    inside = repeats
    if equation.primitive.name == 'scan':
      inside *= equation.params['length']
    for value in equation.params.values():
      for part in value if isinstance(value, (tuple, list)) else (value,):
        inner = getattr(part, 'jaxpr', part)
        if hasattr(inner, 'eqns'):
          yield from _products(inner, inside)


def window_shapes(objective, batch_size):
  """Shapes of a batch of raw windows, as a bound objective reads them."""
  return jax.eval_shape(lambda: full_windows(objective, batch_size))


def training_flops(objective, batch_size):
  """Training FLOPs of one update: three times the forward pass's products
  (one forward, two backward), whatever is recomputed; of several phases the
  mean, by their shares."""
  state, windows = _evaluation_shapes(objective, batch_size)
  def forward(number, state, windows):
    phase = objective.rebuilt(state['hparams']['objective']).phases()[number]
    batch = evaluation_batch(phase.objective, windows)
    return {name: term.sum for name, term in phase.loss(
        None, state['params'], batch).items()}
  return 3 * sum(
      phase.share * forward_flops(functools.partial(forward, number), state,
                                  windows)
      for number, phase in enumerate(objective.phases()))


def _evaluation_shapes(objective, batch_size):
  """Shapes of what an evaluation step takes."""
  params = jax.eval_shape(
      lambda key: _unboxed(objective, key), jax.random.key(0))
  hparams = make_hparams(objective, Optimizer())
  return ({'params': params, 'hparams': hparams},
          window_shapes(objective, batch_size))


def _unboxed(objective, key):
  return meta.unbox(objective.init(key))


def num_parameters(objective):
  """Trained parameters of all networks, and of the trunk alone."""
  params = jax.eval_shape(lambda key: _unboxed(objective, key),
                          jax.random.key(0))
  def size(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
  return size(params), size(params['trunk'])


def loss_tokens(objective, windows):
  """Tokens with loss in one batch of real windows, as `counts` has them."""
  state, _ = _evaluation_shapes(objective, 1)
  def weights(windows):
    # Only the weights are used, so no network runs.
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype),
                          state['params'])
    found = 0.0
    for phase in objective.phases():
      terms = phase.loss(None, params, evaluation_batch(
          phase.objective, windows))
      found += phase.share * jnp.max(jnp.stack(
          [term.weight for term in terms.values()]))
    return found
  return float(jax.jit(weights)(windows))


def settle(experiment, objective, seconds_per_step=None):
  """A copy of `experiment` whose budget has become `num_steps`.

  Args:
    experiment: `config.Experiment`.
    objective: the bound objective.
    seconds_per_step: a function that measures it, called for 'seconds'.

  Raises:
    ConfigError: the budget is less than one update.
  """
  budget, batch_size = experiment.budget, experiment.data.batch_size
  if budget.clock == 'steps':
    return experiment
  tokens = batch_size * experiment.data.raw_length * (
      2 if objective.partner else 1)
  cost = {
      'tokens': lambda: tokens,
      'loss_tokens': lambda: loss_tokens(
          objective, full_windows(objective, batch_size)),
      'flops': lambda: training_flops(objective, batch_size),
      'seconds': lambda: seconds_per_step(),
  }[budget.clock]()
  num_steps = int(budget.amount / cost)
  if num_steps > checks.LARGEST:
    raise ConfigError(f'budget.amount={budget.amount:g} {budget.clock} are '
                      f'{num_steps:.3g} updates: the limit is '
                      f'{checks.LARGEST:,}')
  if num_steps < 1:
    raise ConfigError(
        f'budget.amount={budget.amount:g} {budget.clock} is less than one '
        f'update, which takes {cost:.3g}')
  return dataclasses.replace(experiment, num_steps=num_steps)


def full_windows(objective, batch_size):
  """A batch of windows without padding, of no particular text."""
  raw_length = objective.raw_length
  rows = np.ones((batch_size, raw_length), np.int32)
  ones = np.zeros((batch_size,), np.int32)
  text = {'tokens': rows, 'segment_ids': rows, 'flags': rows.astype(np.uint8),
          **{field: np.zeros(rows.shape, np.uint8)
             for field in objective.raw_fields()}}
  partner = {f'partner_{name}': value for name, value in text.items()
             if objective.partner}
  return {**text, **partner,
          'positions': rows * np.arange(raw_length, dtype=np.int32),
          'index': ones, 'epoch': ones}


def matmul_peak(size=1024, repeats=5):
  """The machine's measured peak of a float32 matrix product, FLOPs a second.

  Args:
    size: rows and columns of the square matrices.
    repeats: products timed one by one; the fastest counts.
  """
  product = jax.jit(jnp.matmul)
  x = jnp.ones((size, size), jnp.float32)
  product(x, x).block_until_ready()
  best = math.inf
  for _ in range(repeats):
    start = time.perf_counter()
    product(x, x).block_until_ready()
    best = min(best, time.perf_counter() - start)
  return 2 * size**3 / best


def describe(experiment, objective):
  """What `--dry_run` prints: a dict of figures, nothing trained or written.

  Returns:
    parameters and trunk_parameters; flops_per_step; num_steps; total_flops;
    peak_memory_bytes (parameters, gradients, optimizer state and the largest
    activations that backward keeps, estimated); seconds (estimated at 40 % of
    the machine's matmul peak); disk_bytes (of the checkpoints kept).
  """
  total, trunk = num_parameters(objective)
  flops = training_flops(objective, experiment.data.batch_size)
  init = make_init(objective, experiment.optimizer, experiment.num_steps)
  state = jax.eval_shape(init, jax.random.key(0),
                         make_hparams(objective, experiment.optimizer))
  state_bytes = sum(
      math.prod(leaf.shape) * (8 if jax.dtypes.issubdtype(
          leaf.dtype, jax.dtypes.prng_key) else leaf.dtype.itemsize)
      for leaf in jax.tree.leaves(state))
  compiled = _memory(objective, experiment.data.batch_size)
  return {
      'parameters': total, 'trunk_parameters': trunk,
      'num_steps': experiment.num_steps,
      'flops_per_step': flops,
      'total_flops': flops * experiment.num_steps,
      'peak_memory_bytes': state_bytes + 4 * total + compiled,
      'seconds': flops * experiment.num_steps / (0.4 * matmul_peak()),
      'disk_bytes': state_bytes * (experiment.checkpoints.keep + 1)}


def _memory(objective, batch_size):
  """Bytes that the backward pass keeps, estimated without compiling: twice
  the results of all matrix products (each feeds one elementwise result)."""
  jaxpr = jax.make_jaxpr(make_evaluation_step(objective))(
      *_evaluation_shapes(objective, batch_size))
  results = [product.outvars[0].aval for product, _ in _products(jaxpr.jaxpr)]
  return sum(2 * math.prod(x.shape) * x.dtype.itemsize for x in results)


def print_table(experiments):
  """Prints `describe` of each experiment, one row each; writes nothing.

  Args:
    experiments: `{name: config.Experiment}`.
  """
  rows = {}
  for name, experiment in experiments.items():
    objective = experiment.objective.bind(
        experiment.model, expected_vocabulary(experiment.tokenizer),
        experiment.data.raw_length)
    if experiment.budget.clock == 'seconds':
      print(f'{name}: the budget of {experiment.budget.amount:g} seconds '
            'becomes steps by a measurement when the run starts')
    else:
      experiment = settle(experiment, objective)
    rows[name] = describe(experiment, objective)
  units = {'flops_per_step': (1e9, 'GFLOP'), 'total_flops': (1e12, 'TFLOP'),
           'peak_memory_bytes': (2**20, 'MiB'), 'disk_bytes': (2**20, 'MiB'),
           'seconds': (1, 's')}
  for name, row in rows.items():
    if name:
      print(f'{name}:')
    for key, value in row.items():
      factor, unit = units.get(key, (1, ''))
      label = key.removesuffix('_bytes').replace('_', ' ')
      # A tiny run has less than a tenth of a TFLOP.
      digits = (1 if value >= factor else 4) if unit else 0
      print(f'  {label:18} {value / factor:>16,.{digits}f} {unit}'.rstrip())
