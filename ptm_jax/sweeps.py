"""Sweeps: many trials of one experiment, as few programs as may be.

Trials that differ in traced numbers run in one compiled program. Every trial
is a work directory of its own below `trials/`; which trials share a program
is decided once and kept in `sweep.json`, since bits are promised for the same
grouping. Any number of processes may work on a sweep: each claims a group by
its lock, and one that was killed leaves its group to the next, which goes on
from the trials' own checkpoints.
"""

import dataclasses
import math
import pathlib
import time

from ptm_jax import (grouping, hyper, lock, report, search, serialize,
                     trial_entry, workdir)
from ptm_jax.assemble import first_error
from ptm_jax.compile import compile_program
from ptm_jax.compare import corpus_facts, run_and_score
from ptm_jax.config import Experiment
from ptm_jax.errors import ConfigError, DivergedError
from ptm_jax.find import name_of
from ptm_jax.measure import faster_program
from ptm_jax.train import train

_POLL = 2.0  # seconds between two looks at other processes' groups


class Sweep:
  """A sweep in its directory.

  Args:
    base: `config.Experiment` that every trial starts from.
    plan: `hyper.Plan`.
    path: work directory.
    tasks: processes that are meant to share the work; a group is then never
      larger than its share of the trials.
    say: takes one line for the user.
  """

  def __init__(self, base, plan, path, tasks=1, say=print):
    self.base, self.plan, self.say = base, plan, say
    self.path, self.tasks = pathlib.Path(path), tasks
    self.shares = (*plan.rungs, 1.0)
    self.start = time.time()
    self.facts = {}

  def run(self):
    """Runs what is left of it and writes the report; returns `results.json`'s
    content.

    Raises:
      ConfigError: the directory holds another sweep, or a setting cannot
        work.
    """
    experiments = grouping.experiments(self.base, self.plan.trials)
    first_error(experiments or [self.base])
    self.claim_directory()
    while True:
      with self._planning():
        state = self._read()
        self._extend(state)
        workdir.write_json(self.path / 'sweep.json', state)
      left = [number for number in range(len(state['groups']))
              if not self._done(number)]
      if not left:
        break
      if not any([self._try(number, state) for number in left]):
        time.sleep(_POLL)
    with self._planning():
      return self._finish(state)

  # --- the plan, kept in sweep.json ---------------------------------------

  def claim_directory(self):
    """Writes what the directory is for, or checks that it is for this."""
    recorded = self.path / 'config.json'
    with self._planning():
      changed = {}
      if recorded.exists():
        base, plan, self.tasks = read(self.path)
        changed = serialize.differences(base, self.base)
        # What ranks the trials may change: it alters none of them.
        if dataclasses.replace(
            plan, rank_by=self.plan.rank_by,
            higher_is_better=self.plan.higher_is_better) != self.plan:
          changed['get_hyper'] = 'another', 'this one'
      if not changed:
        workdir.write_json(recorded, workdir.record(
            self.base, plan=hyper.to_json(self.plan), tasks=self.tasks))
    if changed:
      listed = '; '.join(f'{name} was {was!r}, is {now!r}'
                         for name, (was, now) in changed.items())
      raise ConfigError(f'{self.path} holds another sweep: {listed}. Use '
                        'another --workdir')

  def _planning(self):
    """Held for moments only, so that a second process waits its turn."""
    return lock.hold(self.path / 'groups', patient=True)

  def _read(self):
    if not (self.path / 'sweep.json').exists():
      return {'trials': {}, 'groups': [], 'mapped': None}
    state = serialize.read_json(self.path / 'sweep.json')
    try:
      # A trial's name is its folder's.
      known = state['mapped'] in (None, True, False) and all(
          pathlib.PurePath(name).name == name and one['settings'] is not None
          for name, one in state['trials'].items()) and all(
              set(group['trials']) <= set(state['trials'])
              for group in state['groups'])
    except (AttributeError, KeyError, TypeError):
      known = False
    if not known:
      raise ConfigError(f'{self.path / "sweep.json"} is damaged: use another '
                        '--workdir')
    return state

  def _extend(self, state):
    """Adds the groups that can be known now: the first trials, the survivors
    of a rung, the next trials of a search."""
    if any(not self._done(number) for number in range(len(state['groups']))):
      return
    if state['groups']:
      last = state['groups'][-1]
      cohort = [number for number, group in enumerate(state['groups'])
                if group['cohort'] == last['cohort']
                and group['rung'] == last['rung']]
      entries = [entry for number in cohort for entry in self._entries(number)]
      rung = last['rung'] + 1
      if rung < len(self.shares):
        survivors = self._survivors(entries)
        if survivors:
          self._add(state, survivors, last['cohort'], rung)
          return
      if self.plan.space:
        search.tell(self.path, self.plan, state['trials'], [
            entry for number, group in enumerate(state['groups'])
            if group['cohort'] == last['cohort']
            for entry in self._entries(number)], self._value)
    elif self.plan.trials:
      trials = self.plan.trials
      named = dict(zip(grouping.names(trials), trials, strict=True))
      if len(named) < len(trials):
        raise ConfigError('two trials of the sweep have the same settings')
      state['trials'] = {name: {'settings': one}
                         for name, one in named.items()}
      self._add(state, list(named), 0, 0)
      return
    if self.plan.space:
      asked = search.ask(self.path, self.plan, state['trials'])
      state['trials'].update(asked)
      if asked:
        cohort = 1 + max((one['cohort'] for one in state['groups']),
                         default=-1)
        self._add(state, list(asked), cohort, 0)

  def _add(self, state, trials, cohort, rung):
    size = min(grouping.MOST, math.ceil(len(trials) / self.tasks))
    found = grouping.groups(self._experiments(state, trials), size)
    state['groups'] += [
        {'cohort': cohort, 'rung': rung,
         'trials': [trials[number] for number in numbers]}
        for numbers in found]

  def _experiments(self, state, trials):
    return grouping.experiments(
        self.base, [state['trials'][name]['settings'] for name in trials])

  def _survivors(self, entries):
    """The best of a rung, in the order they had."""
    fit = [entry for entry in entries if not entry['diverged']]
    keep = math.ceil(self.plan.keep * len(entries))
    best = sorted(fit, key=lambda entry: entry['loss'])[:keep]
    return [entry['trial'] for entry in entries if entry in best]

  # --- groups -----------------------------------------------------------------

  def _folder(self, number):
    return self.path / 'groups' / f'{number:04}'

  def _done(self, number):
    return (self._folder(number) / 'done.json').exists()

  def _entries(self, number):
    path = self._folder(number) / 'done.json'
    found = serialize.read_json(path)
    if not {'facts', 'entries'} <= set(found):
      raise ConfigError(f'{path} is damaged: delete it, and the same command '
                        'writes it again')
    self.facts = found['facts']
    return found['entries']

  def _try(self, number, state):
    """Runs a group unless another process does; returns whether it did."""
    try:
      with lock.hold(self._folder(number)):
        if not self._done(number):
          entries, facts = self._run(number, state)
          workdir.write_json(self._folder(number) / 'done.json',
                             {'entries': entries, 'facts': facts})
      return True
    except lock.Held:
      return False

  def _run(self, number, state):
    """Trains one group up to its rung; returns its entries."""
    group = state['groups'][number]
    trials = group['trials']
    experiments = self._experiments(state, trials)
    places = [self.path / 'trials' / name for name in trials]
    share = self.shares[group['rung']]
    self.say(f'group {number + 1} of {len(state["groups"])}: '
             f'{len(trials)} trial{"s" * (len(trials) > 1)}'
             + (f' to {share:.0%} of the updates' if share < 1 else ''))
    make = self._program if len(trials) > 1 else None
    label = name_of(self.base.objective)[1]
    try:
      if share < 1:
        trained = train(experiments, places, label=label, say=self.say,
                        until=share, make_program=make)
        entries = trained.results
        facts = {'corpus': corpus_facts(trained.setup)}
      else:
        entries, facts = run_and_score(experiments, places, label, self.say,
                                       make_program=make)
    except DivergedError as error:
      self.say(f'diverged: {", ".join(trials)} ({error})')
      entries = [trial_entry.halted(place, one)
                 for place, one in zip(places, experiments, strict=True)]
      facts = self.facts
    for name, entry, experiment in zip(trials, entries, experiments,
                                       strict=True):
      entry.update(trial=name, name=name, workdir=f'trials/{name}',
                   settings=state['trials'][name]['settings'], share=share,
                   loss=trial_entry.loss(entry, experiment))
      entry['diverged'] = entry['diverged'] or entry['loss'] is None
    return entries, facts

  def _program(self, setup):
    """How trials share a program: measured once in a sweep and kept."""
    with self._planning():
      state = self._read()
      if state['mapped'] is None:
        program, state['mapped'] = faster_program(setup, self.say)
        workdir.write_json(self.path / 'sweep.json', state)
        return program
    return compile_program(setup.experiments[0], setup.objective,
                           len(setup.experiments), mapped=state['mapped'])

  # --- the end --------------------------------------------------------------

  def _value(self, entry, rank_by=''):
    """What ranks a trial, lower is better; None if it has none."""
    if entry['diverged'] or not rank_by:
      return None if entry['diverged'] else entry['loss']
    value = entry['metrics'].get(rank_by)
    if value is None:
      return None
    return -value if self.plan.higher_is_better else value

  def _rank_by(self, runs):
    """The metric asked for, or '' where no trial has it: their loss."""
    metric = self.plan.rank_by
    found = {name for run in runs for name in run['metrics']}
    if metric and metric not in found:
      self.say(f'no trial has the metric {metric!r}: they are ranked by their '
               f'loss. There are {", ".join(sorted(found))}')
      return ''
    return metric

  def _finish(self, state):
    last = {}  # of each trial, what its last rung gave
    for number in range(len(state['groups'])):
      for entry in self._entries(number):
        last[entry['trial']] = dict(
            entry, pruned=entry['share'] < 1 and not entry['diverged'])
    runs = list(last.values())
    rank_by = self._rank_by(runs)
    for run in runs:
      run['value'] = self._value(run, rank_by)
    results = {
        'kind': 'sweep', 'source_revision': workdir.revision(), **self.facts,
        'seconds_total': time.time() - self.start,
        'rank_by': rank_by or 'loss',
        'higher_is_better': bool(rank_by) and self.plan.higher_is_better,
        'mapped': state['mapped'], 'groups': state['groups'], 'runs': runs}
    workdir.write_json(self.path / 'results.json', results)
    report.build(self.path)
    self.say(f'report: {self.path / "report.html"}')
    return results


def read(path):
  """Base, plan and number of tasks of the sweep in a directory.

  Raises:
    ConfigError: there is none, or it is damaged.
  """
  path = pathlib.Path(path) / 'config.json'
  base = serialize.read(path, Experiment)
  facts = serialize.read_json(path)
  if 'plan' not in facts:
    raise ConfigError(f'{path} is not the config of a sweep')
  return base, hyper.from_json(facts['plan']), int(facts.get('tasks', 1))
