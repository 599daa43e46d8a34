"""Training: from settings and work directories to trained runs.

Several trials that share their static settings run side by side in one
program; one trial is the ordinary case. `loop.py` holds the loop itself.
"""

import contextlib
import dataclasses
import math
import pathlib
from typing import Any

import jax

from ptm_jax import lock, processes, serialize, signals, workdir
from ptm_jax.assemble import Setup, set_up
from ptm_jax.checkpoint import Checkpoints
from ptm_jax.compile import compile_program
from ptm_jax.config import Compute, Experiment
from ptm_jax.errors import ConfigError, PtmError
from ptm_jax.find import name_of
from ptm_jax.loop import Loop
from ptm_jax.step import read_clock


@dataclasses.dataclass
class Trained:
  """What a finished group of trials leaves in memory.

  Attributes:
    setup: as `set_up` gave it.
    program: the compiled program.
    state: the trials' final states, joined.
    results: one dict per trial, an entry of `results.json`'s `runs`.
  """

  setup: Setup
  program: Any
  state: Any
  results: list[dict]

  def on_one_device(self):
    """The same, its parameters on this process's first device alone; of
    several processes all must ask."""
    devices = jax.local_devices()[:1]
    alone = dataclasses.replace(self.setup.experiments[0], compute=Compute())
    program = compile_program(alone, self.setup.objective, devices=devices)
    params = jax.device_put(processes.on_host(self.state['params']),
                            devices[0])
    return dataclasses.replace(self, program=program,
                               state={'params': params})


def train(experiments, workdirs, init_from=None, label='', say=print,
          until=1.0, make_program=None):
  """Trains trials side by side; resumes what their directories hold.

  Args:
    experiments: `config.Experiment`s that differ in traced numbers only.
    workdirs: one directory per trial.
    init_from: a work directory whose networks the new runs start from.
    label: shown on the progress line.
    say: takes one line for the user.
    until: share of the run to train now; the same call without it goes on.
    make_program: for several trials, `Setup -> compile.Program`; None
      compiles one as suits the kind of device.

  Returns:
    `Trained`.

  Raises:
    PtmError: with its exit code; see `errors`.
  """
  workdirs = [pathlib.Path(path) for path in workdirs]
  if not processes.is_first():
    say = _silent
  with contextlib.ExitStack() as stack:
    watched = stack.enter_context(signals.watch())
    _hold(stack, workdirs)
    setup = set_up(experiments, _measured_before(experiments[0], workdirs[0]))
    program = (make_program or _make_program)(setup)
    keepers = [stack.enter_context(contextlib.closing(Checkpoints(
        path / 'checkpoints', setup.experiments[0].checkpoints.keep, say=say)))
               for path in workdirs]
    start, state = _start(setup, program, keepers, workdirs, init_from, say)
    loop = Loop(setup, program, keepers, workdirs, start, label, watched,
                until)
    stack.callback(loop.close)
    state = loop.run(state)
    return Trained(setup, loop.program, state, _results(loop, state))


def _make_program(setup):
  return compile_program(setup.experiments[0], setup.objective,
                         len(setup.experiments))


def _silent(line):
  del line


def _hold(stack, workdirs):
  """The first process holds every directory; where it cannot, all stop."""
  error = None
  if processes.is_first():
    try:
      for path in workdirs:
        stack.enter_context(lock.hold(path))
    except PtmError as found:
      error = found
  fine = processes.all_agree(error is None)
  if error:
    raise error
  if not fine:
    raise ConfigError(f'the first process cannot hold {workdirs[0]}')


def _measured_before(experiment, path):
  """The updates that an earlier start found a budget of seconds to be."""
  if experiment.budget.clock != 'seconds':
    return None
  if not (path / 'config.json').exists():
    return None
  before = serialize.read(path / 'config.json', Experiment)
  return before.num_steps if before.budget == experiment.budget else None


def _start(setup, program, keepers, workdirs, init_from, say):
  """The step to go on from and the joined state there."""
  steps = [keeper.steps() for keeper in keepers]
  common = set(steps[0]).intersection(*steps[1:])
  facts = {'corpus_hash': setup.prepared.corpus_hash,
           'tokenizer_hash': setup.prepared.tokenizer.hash}
  for experiment, path in zip(setup.experiments, workdirs, strict=True):
    if (path / 'config.json').exists():
      workdir.refuse_changes(path / 'config.json', experiment, **facts,
                             step=max(common, default=0))
  processes.wait('directories are read')
  for step in sorted(common, reverse=True):
    restored = [keeper.restore(program.targets, step) for keeper in keepers]
    if all(one is not None for one in restored):
      _record(setup, workdirs, facts)
      say(f'resuming {workdirs[0]} at step {step}')
      return step, program.join([state for _, state in restored])
  keys = [jax.random.key(e.seed) for e in setup.experiments]
  state = program.init(keys, setup.hparams)
  if init_from:
    from ptm_jax.inherit import take_networks
    state = program.join([
        dict(one, params=take_networks(init_from, one['params'], setup, say))
        for one in program.split(state)])
  _record(setup, workdirs, facts)
  return 0, state


def _record(setup, workdirs, facts):
  """Writes what makes each directory that of its run."""
  if processes.is_first():
    for experiment, path in zip(setup.experiments, workdirs, strict=True):
      workdir.write_json(path / 'config.json', workdir.record(
          experiment, num_parameters=setup.num_parameters,
          corpus_report=setup.prepared.report, **facts))
      setup.prepared.tokenizer.save(path / 'tokenizer')


def _results(loop, state):
  """One entry of `results.json` per trial."""
  entries = []
  trials = loop.program.split(
      jax.device_get({'counts': state['counts'], 'step': state['step']}))
  setup = loop.setup
  for i, (experiment, trial) in enumerate(
      zip(setup.experiments, trials, strict=True)):
    counts = trial['counts']
    entries.append({
        'objective': name_of(experiment.objective)[1],
        'seed': experiment.seed,
        'num_steps': int(trial['step']),
        'skipped': int(counts['skipped']),
        'diverged': int(counts['skipped']) > experiment.max_skipped,
        'tokens_seen': read_clock(counts['tokens_seen']),
        'tokens_with_loss': read_clock(counts['tokens_with_loss']),
        'flops': int(trial['step']) * setup.flops,
        'seconds': loop.seconds / len(trials),
        'parameters': setup.num_parameters,
        'metrics': {f'{split}/{name}': value if math.isfinite(value) else None
                    for split, scores in loop.scores.items()
                    for name, value in scores[i].items()}})
  return entries
