"""The training loop of one group of trials.

Its order is part of its correctness: step, then evaluation, then the
checkpoint, and the metrics of a step are on disk before the checkpoint that
follows it. A run that was stopped between them takes up what is missing, so
that its record is that of a run which was left alone.
"""

import concurrent.futures
import math
import time

import jax
import numpy as np

from ptm_jax import budget, metrics, processes
from ptm_jax.data.windows import batches, evaluation_batches
from ptm_jax.errors import DivergedError, Stopped
from ptm_jax.evaluate import evaluate
from ptm_jax.progress import Progress
from ptm_jax.step import read_clock

_FINAL = ('validation', 'test')  # splits scored at the end


class Loop:
  """One group of trials in training.

  Args:
    setup: `assemble.Setup`.
    program: `compile.Program`.
    keepers: `Checkpoints` of each trial.
    workdirs: of each trial.
    start: the step that the state is at.
    label: shown on the progress line.
    signals: `signals.Signals`.
    until: share of the run to train; the rest may follow later.

  Attributes:
    program: compiled, once `run` has begun.
    scores: `{split: one dict per trial}` of the last evaluation.
    seconds: spent in training, over all trials.
  """

  def __init__(self, setup, program, keepers, workdirs, start, label, signals,
               until=1.0):
    self.setup, self.program, self.keepers = setup, program, keepers
    self.workdirs, self.start, self.signals = workdirs, start, signals
    first = self.first = setup.experiments[0]
    self.end = max(1, round(until * first.num_steps))
    # A step that was scored before has its scores on record.
    self.scores = _recorded_scores(workdirs, start, self._splits(start))
    self.seconds = _recorded_seconds(workdirs[0], start) * len(workdirs)
    self.metric = {}  # of each trial, while the last evaluation is fresh
    processes.wait('records are read')
    self.writers = []
    if processes.is_first():
      self.writers = [metrics.Writer(path, start, scored=bool(self.scores))
                      for path in workdirs]
    self.progress = Progress(first.num_steps, label, start=start,
                             silent=not processes.is_first())
    rows = processes.my_rows(first.data.batch_size)
    self.train_batches = [
        batches(setup.windows['train'], first.data.batch_size, e.seed, rows)
        for e in setup.experiments]
    self.held_out = {
        split: list(evaluation_batches(
            setup.windows[split], first.data.batch_size,
            first.evaluation.num_batches)) for split in _FINAL}
    self.peak = budget.matmul_peak() * (
        len(jax.devices()) if len(workdirs) == 1 else 1)
    self.votes = processes.Vote() if processes.count() > 1 else None
    self.stop = ''
    self.reader = concurrent.futures.ThreadPoolExecutor(1)

  def close(self):
    self.reader.shutdown(cancel_futures=True)
    self.progress.close()
    for writer in self.writers:
      writer.close()

  def run(self, state):
    """Trains to the end and scores the result."""
    step = self.start
    skipped = [int(trial['skipped']) for trial in self.program.split(
        jax.device_get(state['counts']))]
    self._halt_if_diverged(step, skipped)
    following = self.reader.submit(self._windows, step)
    unscored = bool(step) and not self.scores and 'evaluate' in self._due(step)
    if step < self.end or unscored:
      self.progress.message('compiling')
      # Before signals wait for a step: nothing can be lost here.
      self.program = self.program.compiled(
          state, self.program.put(following.result()),
          self.program.put_evaluation(self.held_out['validation'][0]))
    with self.signals.deferred():
      if unscored:
        self._pause(step, state, {'evaluate', 'save'})
      self._begin()
      pending = None
      while step < self.end:
        windows = self.program.put(following.result())
        following = self.reader.submit(self._windows, step + 1)
        state, measured = self.program.step(state, windows)
        # The step before is read while this one runs, so nothing stalls.
        if pending is not None:
          skipped = self._log(step, pending)
        pending = measured
        step += 1
        due = self._due(step)
        diverged = min(skipped) > self.first.max_skipped
        if self._stop_asked() or due or diverged:
          skipped = self._log(step, pending)
          pending = None
          self._pause(step, state, due | ({'save'} if diverged else set()))
          self._halt_if_diverged(step, skipped)
    return state

  def _begin(self):
    """The clocks start; what came before, as compilation, is not training."""
    self.progress.begin()
    self.tick = time.perf_counter()

  def _windows(self, step):
    return [dataset[step] for dataset in self.train_batches]

  def _due(self, step):
    last = step in (self.end, self.first.num_steps)
    return {name for name, every in (
        ('evaluate', self.first.evaluation.every_steps),
        ('save', self.first.checkpoints.every_steps))
            if last or step % every == 0}

  def _splits(self, step):
    return _FINAL if step == self.first.num_steps else _FINAL[:1]

  def _stop_asked(self):
    """The signal that asks for a stop, or ''; the same in every process."""
    if self.votes is None:
      self.stop = self.signals.received
    elif self.votes.ask(bool(self.signals.received)):
      self.stop = self.signals.received or 'a signal to another process'
    return self.stop

  def _pause(self, step, state, due):
    """Evaluation, then the checkpoint, then a stop if one was asked for."""
    self.metric = {}
    if 'evaluate' in due and not self.stop:
      self._score(step, state)
    new = step > self.start or self.metric  # a resumed step is on disk
    if new and ('save' in due or self.stop):
      for writer in self.writers:
        writer.flush()
      for trial, (keeper, one) in enumerate(
          zip(self.keepers, self.program.split(state), strict=True)):
        keeper.save(step, one, metric=self.metric.get(trial))
      if self.stop or step == self.end:
        for keeper in self.keepers:
          keeper.wait()
    if self.stop:
      raise Stopped(f'stopped by {self.stop} at step {step}, its state saved: '
                    'run the same command to go on')
    self.tick = time.perf_counter()

  def _log(self, step, measured):
    """Reads one step's metrics (which waits for it) and writes them.

    Returns:
      how many updates each trial has skipped so far.
    """
    trials = self.program.split(jax.device_get(measured))
    now = time.perf_counter()
    elapsed, self.tick = now - self.tick, now
    self.seconds += elapsed
    data = self.first.data
    speed = len(trials) * data.batch_size * data.raw_length / elapsed
    share = len(trials) * self.setup.flops / elapsed / self.peak
    losses = [float(trial['loss']) for trial in trials if trial['finite']]
    self.progress.update(step, loss=float(np.mean(losses or math.nan)),
                         tokens_per_second=speed, peak_share=share)
    logged = (step % self.first.log_every_steps == 0
              or step == self.first.num_steps)
    for number, (writer, trial) in enumerate(zip(self.writers, trials)):
      if not trial['finite']:
        writer.write(self._skipped(step, number, trial))
      if logged:
        writer.write({
            **_measured(step, trial), 'flops': step * self.setup.flops,
            'seconds': self.seconds / len(trials),
            'tokens_per_second': speed, 'peak_share': share})
    return [int(trial['counts']['skipped']) for trial in trials]

  def _skipped(self, step, number, trial):
    """The record of an update that was not finite: its batch by name."""
    batch = self.train_batches[number][step - 1]
    return {'kind': 'skipped', 'step': step, 'loss': float(trial['loss']),
            'grad_norm': float(trial['grad_norm']),
            'index': batch['index'].tolist(),
            'epoch': batch['epoch'].tolist()}

  def _halt_if_diverged(self, step, skipped):
    if min(skipped) > self.first.max_skipped:
      last = [line['step'] for line in metrics.read(self.workdirs[0])
              if line.get('kind') == 'skipped'][-1:]
      again = (f'; to see the last such batch again: python -m ptm_jax replay '
               f'--workdir={self.workdirs[0]} --step={last[0]}'
               if last else '')
      raise DivergedError(
          f'step {step}: {min(skipped)} updates were not finite, more than '
          f'max_skipped={self.first.max_skipped}; none of them changed the '
          f'weights, which are saved{again}. Start a new run with a lower '
          'optimizer.learning_rate, or go on with a higher max_skipped')

  def _score(self, step, state):
    """Held-out scores; at the end on the test split too. A signal breaks it
    off without a trace."""
    found = {}
    for split in self._splits(step):
      found[split] = evaluate(
          self.program, state, self.held_out[split],
          self.setup.objective, self.setup.prepared.tokenizer,
          stop=lambda: self.votes is None and self._stop_asked())
      if found[split] is None:
        return
    for split, scores in found.items():
      for writer, one in zip(self.writers, scores):
        writer.write({'kind': split, 'step': step, **one})
    coefficients = self.setup.objective.coefficients()
    self.metric = {
        trial: sum(factor * one.get(f'{term}/nll', math.nan)
                   for term, factor in coefficients.items())
        for trial, one in enumerate(found['validation'])}
    self.scores = found


def _measured(step, trial):
  """What one trial's step gave, as a line of `metrics.jsonl`."""
  counts = trial['counts']
  return {
      'kind': 'train', 'step': step, 'loss': float(trial['loss']),
      **{f'loss/{term}': float(trial['sums'][term]) / max(float(weight), 1.0)
         for term, weight in trial['weights'].items() if weight > 0},
      'learning_rate': float(trial['learning_rate']),
      'grad_norm': float(trial['grad_norm']),
      'param_norm': float(trial['param_norm']),
      'skipped': int(counts['skipped']),
      'tokens_seen': read_clock(counts['tokens_seen']),
      'tokens_with_loss': read_clock(counts['tokens_with_loss'])}


def _recorded_scores(paths, step, splits):
  """Every trial's scores at `step` by split; {} unless all are on record."""
  logs = [{line['kind']: line for line in metrics.read(path)
           if line['step'] == step and 'kind' in line} for path in paths]
  if not all(split in log for log in logs for split in splits):
    return {}
  # What was not finite is on record as null.
  return {split: [{name: math.nan if value is None else value
                   for name, value in log[split].items()
                   if name not in ('kind', 'step')} for log in logs]
          for split in splits}


def _recorded_seconds(path, step):
  """Seconds of training that a run's record holds up to `step`."""
  lines = [line for line in metrics.read(path)
           if line.get('kind') == 'train' and line['step'] <= step]
  return (lines[-1].get('seconds') or 0.0) if lines else 0.0
