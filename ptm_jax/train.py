"""The training loop: from settings and a work directory to a trained run.

Several trials that share their static settings run side by side in one
program; one trial is the ordinary case. The order inside the loop is part of
its correctness: step, then evaluation, then the checkpoint, and the metrics
of a step are on disk before the checkpoint that follows it.
"""

import concurrent.futures
import contextlib
import dataclasses
import math
import pathlib
import time
from typing import Any

import jax
import numpy as np

from ptm_jax import budget, lock, metrics, workdir
from ptm_jax.assemble import Setup, set_up
from ptm_jax.checkpoint import Checkpoints
from ptm_jax.compile import compile_program
from ptm_jax.data.windows import batches, evaluation_batches
from ptm_jax.errors import DivergedError, Stopped
from ptm_jax.evaluate import evaluate
from ptm_jax.find import name_of
from ptm_jax.progress import Progress
from ptm_jax.signals import Signals
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


def train(experiments, workdirs, init_from=None, label='', say=print):
  """Trains trials side by side; resumes what their directories hold.

  Args:
    experiments: `config.Experiment`s that differ in traced numbers only.
    workdirs: one directory per trial.
    init_from: a work directory whose networks the new runs start from.
    label: shown on the progress line.
    say: takes one line for the user.

  Returns:
    `Trained`.

  Raises:
    PtmError: with its exit code; see `errors`.
  """
  workdirs = [pathlib.Path(path) for path in workdirs]
  with contextlib.ExitStack() as stack:
    signals = stack.enter_context(Signals())
    for path in workdirs:
      stack.enter_context(lock.hold(path))
    setup = set_up(experiments)
    program = compile_program(setup.experiments[0], setup.objective,
                              len(experiments))
    keepers = [stack.enter_context(contextlib.closing(Checkpoints(
        path / 'checkpoints', setup.experiments[0].checkpoints.keep, say=say)))
               for path in workdirs]
    start, state = _start(setup, program, keepers, workdirs, init_from, say)
    loop = _Loop(setup, program, keepers, workdirs, start, label, say, signals)
    stack.callback(loop.close)
    state = loop.run(state)
    return Trained(setup, program, state, loop.results(state))


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
    workdir.write_json(path / 'config.json', workdir.record(
        experiment, num_parameters=budget.num_parameters(setup.objective)[0],
        corpus_report=setup.prepared.report, **facts))
    setup.prepared.tokenizer.save(path / 'tokenizer')
  for step in sorted(common, reverse=True):
    restored = [keeper.restore(program.targets, step) for keeper in keepers]
    if all(one is not None for one in restored):
      say(f'resuming {workdirs[0]} at step {step}')
      return step, program.join([state for _, state in restored])
  keys = [jax.random.key(e.seed) for e in setup.experiments]
  state = program.init(keys, setup.hparams)
  if init_from:
    from ptm_jax.load import take_networks
    state = program.join([
        dict(one, params=take_networks(init_from, one['params'], say))
        for one in program.split(state)])
  return 0, state


class _Loop:
  """One group of trials in training."""

  def __init__(self, setup, program, keepers, workdirs, start, label, say,
               signals):
    self.setup, self.program, self.keepers = setup, program, keepers
    self.workdirs, self.start, self.say = workdirs, start, say
    self.signals = signals
    first = self.first = setup.experiments[0]
    self.seconds = _seconds_so_far(workdirs[0], start)
    self.writers = [metrics.Writer(path, resume_step=start)
                    for path in workdirs]
    self.progress = Progress(first.num_steps, label, start=start)
    self.train_batches = [
        batches(setup.windows['train'], first.data.batch_size, e.seed)
        for e in setup.experiments]
    self.held_out = {
        split: list(evaluation_batches(
            setup.windows[split], first.data.batch_size,
            first.evaluation.num_batches))
        for split in ('validation', 'test')}
    self.peak = budget.matmul_peak() * len(jax.local_devices())
    self.last_scores = {}
    # A run that is complete has its scores on record.
    self.scores = _recorded_scores(workdirs, start) if (
        start == first.num_steps) else {}
    self.reader = concurrent.futures.ThreadPoolExecutor(1)

  def close(self):
    self.reader.shutdown(cancel_futures=True)
    self.progress.close()
    for writer in self.writers:
      writer.close()

  def run(self, state):
    """Trains to `num_steps` and scores the result."""
    num_steps = self.first.num_steps
    following = self.reader.submit(self._windows, self.start)
    pending = None
    step = self.start
    self.signals.defer()
    self.tick = time.perf_counter()
    while step < num_steps:
      windows = self.program.put(following.result())
      following = self.reader.submit(self._windows, step + 1)
      if step == self.start:
        self.compiled = self.program.step.lower(state, windows).compile()
        self.progress.begin()
        self.tick = time.perf_counter()
      state, measured = self.compiled(state, windows)
      # The step before is read while this one runs, so nothing stalls.
      if pending is not None:
        self._log(step, pending)
      pending = measured
      step += 1
      due = self._due(step)
      if due or self.signals.received or step == num_steps:
        self._log(step, pending)
        pending = None
        self._pause(step, state, due)
    if not self.scores:
      self._score(step, state)
    return state

  def _windows(self, step):
    return [dataset[step] for dataset in self.train_batches]

  def _due(self, step):
    last = step == self.first.num_steps
    return {name for name, every in (
        ('evaluate', self.first.evaluation.every_steps),
        ('save', self.first.checkpoints.every_steps))
            if last or step % every == 0}

  def _pause(self, step, state, due):
    """Evaluation, then the checkpoint, then a stop if one was asked for."""
    if 'evaluate' in due:
      self._score(step, state)
    stop = self.signals.received
    if 'save' in due or stop:
      for trial, (keeper, one) in enumerate(
          zip(self.keepers, self.program.split(state), strict=True)):
        self.writers[trial].flush()
        keeper.save(step, one, metric=self.last_scores.get((step, trial)),
                    block=bool(stop) or step == self.first.num_steps)
    if stop:
      raise Stopped(f'stopped by {stop} at step {step}, its state saved: run '
                    'the same command to go on')
    self.tick = time.perf_counter()

  def _log(self, step, measured):
    """Reads one step's metrics (which waits for it) and writes them."""
    trials = self.program.split(jax.device_get(measured))
    now = time.perf_counter()
    elapsed, self.tick = now - self.tick, now
    self.seconds += elapsed
    self._halt_if_diverged(step, trials)
    data = self.first.data
    speed = len(trials) * data.batch_size * data.raw_length / elapsed
    share = len(trials) * self.setup.flops / elapsed / self.peak
    losses = [float(trial['loss']) for trial in trials]
    self.progress.update(step, loss=float(np.mean(losses)),
                         tokens_per_second=speed, peak_share=share)
    if step % self.first.log_every_steps and step != self.first.num_steps:
      return
    for writer, trial in zip(self.writers, trials, strict=True):
      terms = {f'loss/{term}': float(trial['sums'][term])
                               / max(float(trial['weights'][term]), 1.0)
               for term in trial['sums']}
      counts = trial['counts']
      writer.write({
          'kind': 'train', 'step': step, 'loss': float(trial['loss']), **terms,
          'learning_rate': float(trial['learning_rate']),
          'grad_norm': float(trial['grad_norm']),
          'param_norm': float(trial['param_norm']),
          'skipped': int(counts['skipped']),
          'tokens_seen': read_clock(counts['tokens_seen']),
          'tokens_with_loss': read_clock(counts['tokens_with_loss']),
          'flops': step * self.setup.flops,
          'seconds': self.seconds / len(trials),
          'tokens_per_second': speed, 'peak_share': share})

  def _halt_if_diverged(self, step, trials):
    skipped = [int(trial['counts']['skipped']) for trial in trials]
    if min(skipped) > self.first.max_skipped:
      raise DivergedError(
          f'step {step}: {min(skipped)} updates were not finite, more than '
          f'max_skipped={self.first.max_skipped}; the last checkpoint is '
          'good. Lower optimizer.learning_rate')

  def _score(self, step, state):
    """Held-out scores; at the end on the test split too."""
    splits = ('validation', 'test') if step == self.first.num_steps else (
        'validation',)
    self.scores = {}
    for split in splits:
      scores = evaluate(self.program, state['params'], self.held_out[split],
                        self.setup.objective, self.setup.prepared.tokenizer)
      for trial, (writer, one) in enumerate(
          zip(self.writers, scores, strict=True)):
        writer.write({'kind': split, 'step': step, **one})
        if split == 'validation':
          coefficients = self.setup.objective.coefficients()
          total = sum(factor * one.get(f'{term}/nll', math.nan)
                      for term, factor in coefficients.items())
          self.last_scores[step, trial] = total
      self.scores[split] = scores

  def results(self, state):
    """One entry of `results.json` per trial."""
    entries = []
    trials = self.program.split(
        jax.device_get({'counts': state['counts'], 'step': state['step']}))
    for i, (experiment, trial) in enumerate(
        zip(self.setup.experiments, trials, strict=True)):
      counts = trial['counts']
      entries.append({
          'objective': name_of(experiment.objective)[1],
          'seed': experiment.seed,
          'num_steps': int(trial['step']),
          'skipped': int(counts['skipped']),
          'tokens_seen': read_clock(counts['tokens_seen']),
          'tokens_with_loss': read_clock(counts['tokens_with_loss']),
          'flops': int(trial['step']) * self.setup.flops,
          'seconds': self.seconds / len(trials),
          'parameters': budget.num_parameters(self.setup.objective)[0],
          'metrics': {f'{split}/{name}': value
                      for split, scores in self.scores.items()
                      for name, value in scores[i].items()}})
    return entries


def _recorded_scores(paths, step):
  """Every trial's scores at `step` by split; {} unless all are on record."""
  logs = [{line['kind']: line for line in metrics.read(path)
           if line['step'] == step} for path in paths]
  splits = ('validation', 'test')
  if not all(split in log for log in logs for split in splits):
    return {}
  return {split: [{name: value for name, value in log[split].items()
                   if name not in ('kind', 'step')} for log in logs]
          for split in splits}


def _seconds_so_far(path, step):
  """Device seconds that the directory's log records up to `step`, summed
  over the group's trials by the caller's division."""
  lines = [line for line in metrics.read(path)
           if line.get('kind') == 'train' and line['step'] <= step]
  return lines[-1]['seconds'] if lines else 0.0
