"""One pure step, three ways to compile it: jit over a mesh, pmap, trials.

A `Program` hides the difference from the training loop: it takes a list of
trials and gives back their states. With one trial the devices share its
batch; with several, one program runs them all, mapped one after the other on
a CPU (where that is faster) and vmapped on an accelerator.
"""

import dataclasses
from typing import Any, Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from ptm_jax import processes, sharding
from ptm_jax.errors import ConfigError
from ptm_jax.step import (make_evaluation_step, make_hparams, make_init,
                          make_train_step, scored)


@dataclasses.dataclass(frozen=True)
class Program:
  """Compiled functions over the states of one or more trials.

  Attributes:
    init: `(keys, hparams) -> state`, both lists with one entry per trial.
    step: `(state, windows) -> (state, metrics)`.
    evaluate: `(step.scored(state), windows) -> sums`.
    put: host batches, one per trial -> device windows.
    put_evaluation: one host batch, shared by all trials -> device windows.
    split: state, metrics or sums -> a list with one entry per trial.
    join: list of states -> state.
    over: maps a function of one trial's trees over all of them.
    aot: whether `compiled` can compile ahead of the first call.
    targets: the shape, dtype and sharding of one trial's state.
  """

  init: Callable[..., Any]
  step: Callable[..., Any]
  evaluate: Callable[..., Any]
  put: Callable[..., Any]
  put_evaluation: Callable[..., Any]
  split: Callable[..., Any]
  join: Callable[..., Any]
  over: Callable[..., Any]
  targets: Any
  aot: bool = True

  def compiled(self, state, windows, held_out):
    """The program with step and evaluation compiled for these arrays."""
    if not self.aot:
      return self
    return dataclasses.replace(
        self, step=self.step.lower(state, windows).compile(),
        evaluate=self.evaluate.lower(scored(state), held_out).compile())


def compile_program(experiment, objective, num_trials=1, devices=None,
                    mapped=None):
  """Builds the `Program` of one experiment.

  Args:
    experiment: `config.Experiment`; all trials share its static settings.
    objective: the bound objective.
    num_trials: states that are trained side by side.
    devices: all by default, those of other processes too; several trials use
      the first only.
    mapped: whether several trials run one after the other in their program,
      not as one batch; None does on a CPU.

  Raises:
    ConfigError: the devices do not divide the batch, or several processes
      were to share what is for one.
  """
  devices = devices or jax.devices()
  arguments = objective, experiment.optimizer, experiment.num_steps
  micro_batches = experiment.compute.micro_batches
  init = make_init(*arguments)
  evaluate = make_evaluation_step(objective)
  shapes = jax.eval_shape(init, jax.random.key(0), make_hparams(
      objective, experiment.optimizer))
  if num_trials > 1:
    if processes.count() > 1:
      raise ConfigError('several trials in one program run in one process: '
                        'train one seed at a time, or start a sweep')
    step = make_train_step(*arguments, micro_batches)
    if mapped is None:
      mapped = devices[0].platform == 'cpu'
    return _trials(init, step, evaluate, shapes, num_trials, devices[0],
                   mapped)
  _check_devices(experiment, len(devices))
  mesh = sharding.make_mesh(devices, experiment.compute.fsdp)
  if experiment.compute.mode == 'pmap':
    step = make_train_step(*arguments, micro_batches, axis_name='devices')
    return _pmap(init, step, evaluate, shapes, mesh)
  step = make_train_step(*arguments, micro_batches)
  boxed = jax.eval_shape(objective.init, jax.random.key(0))
  specs = sharding.parameter_specs(boxed, mesh)
  return _jit(init, step, evaluate, shapes, specs, mesh)


def _key_data(key):
  """A key as numpy, which every process may give to a common program."""
  return np.asarray(jax.random.key_data(key))


def _check_devices(experiment, num_devices):
  batch, compute = experiment.data.batch_size, experiment.compute
  if num_devices % compute.fsdp:
    raise ConfigError(f'compute.fsdp={compute.fsdp} does not divide the '
                      f'{num_devices} devices')
  if compute.mode == 'pmap' and compute.fsdp > 1:
    raise ConfigError('compute.mode=pmap copies the parameters to every '
                      'device: set compute.fsdp=1, or compute.mode=jit')
  if compute.mode == 'pmap' and processes.count() > 1:
    raise ConfigError('compute.mode=pmap is for one process: use '
                      'compute.mode=jit')
  if (batch // compute.micro_batches) % num_devices:
    raise ConfigError(
        f'data.batch_size={batch} in {compute.micro_batches} micro-batches '
        f'cannot be split evenly over {num_devices} devices')


def _only(items):
  (item,) = items
  return item


def _targets(shapes, shardings):
  return jax.tree.map(
      lambda leaf, where: jax.ShapeDtypeStruct(
          leaf.shape, leaf.dtype, sharding=where), shapes, shardings)


def _jit(init, step, evaluate, shapes, specs, mesh):
  """One trial; its batch, and with fsdp its parameters, split over a mesh."""
  batched = NamedSharding(mesh, sharding.BATCH)
  copied = NamedSharding(mesh, PartitionSpec())
  state = sharding.state_shardings(shapes, specs, mesh)
  from_data = jax.jit(
      lambda data, hparams: init(jax.random.wrap_key_data(data), hparams),
      out_shardings=state)
  return Program(
      init=lambda keys, hparams: from_data(
          _key_data(_only(keys)), _only(hparams)),
      step=jax.jit(step, in_shardings=(state, batched),
                   out_shardings=(state, copied), donate_argnums=0),
      evaluate=jax.jit(evaluate, in_shardings=(scored(state), batched),
                       out_shardings=copied),
      put=lambda batches: processes.place_rows(_only(batches), batched),
      put_evaluation=lambda batch: processes.place(batch, batched),
      split=lambda tree: [tree],
      join=_only,
      over=lambda function: function,
      targets=_targets(shapes, state))


def _pmap(init, step, evaluate, shapes, mesh):
  """One trial; its batch split over devices that each hold the whole state."""
  devices = list(mesh.devices.flat)
  copied = NamedSharding(mesh, PartitionSpec())
  everywhere = jax.tree.map(lambda _: copied, shapes)
  mapped = jax.pmap(step, 'devices', in_axes=(None, 0), out_axes=None,
                    devices=devices)

  def put(batches):
    return {name: value.reshape((len(devices), -1) + value.shape[1:])
            for name, value in _only(batches).items()}

  init = jax.jit(init, out_shardings=everywhere)
  return Program(
      init=lambda keys, hparams: init(_only(keys), _only(hparams)),
      step=mapped,
      evaluate=jax.jit(evaluate, out_shardings=copied),
      put=put,
      put_evaluation=lambda batch: jax.device_put(batch, copied),
      split=lambda tree: [tree],
      join=_only,
      over=lambda function: function,
      targets=_targets(shapes, everywhere),
      aot=False)


def _trials(init, step, evaluate, shapes, num_trials, device, mapped):
  """Several trials in one program, on one device."""
  where = jax.sharding.SingleDeviceSharding(device)
  if mapped:
    def over(function):
      return lambda *args: jax.lax.map(lambda arg: function(*arg), args)
  else:
    over = jax.vmap

  def join(items):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *items)

  def pick(tree, trial):
    return jax.tree.map(lambda leaf: leaf[trial], tree)

  jitted = jax.jit(pick)

  def split(tree):
    # On the device by one program, not by one for each leaf and trial.
    on_device = any(isinstance(leaf, jax.Array)
                    for leaf in jax.tree.leaves(tree))
    return [(jitted if on_device else pick)(tree, trial)
            for trial in range(num_trials)]

  def stack(batches):
    return jax.device_put(jax.tree.map(
        lambda *leaves: np.stack(leaves), *batches), where)

  # The same program however the steps are run.
  init_all = jax.jit(lambda keys, hparams: jax.lax.map(
      lambda one: init(*one), (keys, hparams)))
  evaluate_all = jax.jit(lambda states, windows: over(
      lambda one: evaluate(one, windows))(states))
  return Program(
      init=lambda keys, hparams: init_all(jnp.stack(keys), stack(hparams)),
      step=jax.jit(over(step), donate_argnums=0),
      evaluate=evaluate_all,
      put=stack,
      put_evaluation=lambda batch: jax.device_put(batch, where),
      split=split,
      join=join,
      over=over,
      targets=_targets(shapes, jax.tree.map(lambda _: where, shapes)))
