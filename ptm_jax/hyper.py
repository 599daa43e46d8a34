"""What an experiment's `get_hyper(hyper)` says to sweep.

A trial is a dict of dotted settings, `{'optimizer.learning_rate': 1e-3}`; a
sweep is a list of them, and the combinators below make longer lists from
short ones. `halving` and `search` say more than a list does.

    def get_hyper(hyper):
      return hyper.product([
          hyper.sweep('optimizer.learning_rate', [1e-3, 2e-3, 4e-3]),
          hyper.sweep('seed', range(3))])
"""

import dataclasses
import itertools
import math
import random
import types
import typing

from ptm_jax import checks
from ptm_jax.errors import ConfigError


def sweep(name, values):
  """One trial for each value of one setting."""
  return [{name: value} for value in values]


def product(sweeps):
  """Every combination of one trial from each sweep, the last varies first."""
  return [_joined(parts) for parts in itertools.product(*sweeps)]


def zipit(sweeps):
  """The first trials of all sweeps together, then the second ones ...

  Raises:
    ConfigError: the sweeps are not equally long.
  """
  sweeps = [list(one) for one in sweeps]
  if len({len(one) for one in sweeps}) > 1:
    raise ConfigError('zipit needs sweeps of equal length, found '
                      f'{[len(one) for one in sweeps]}')
  return [_joined(parts) for parts in zip(*sweeps)]


def chainit(sweeps):
  """All trials of the first sweep, then those of the second ..."""
  return [trial for one in sweeps for trial in one]


def _joined(parts):
  trial = {}
  for part in parts:
    for name, value in part.items():
      if name in trial:
        raise ConfigError(f'{name} is swept twice: {trial[name]!r} and '
                          f'{value!r}')
      trial[name] = value
  return trial


@dataclasses.dataclass(frozen=True)
class Range:
  """Values between two bounds, both included.

  Attributes:
    low, high: the bounds; whole numbers if both are ints.
    log: whether orders of magnitude are drawn alike.
  """

  low: float
  high: float
  log: bool = False

  def draw(self, rng):
    if self.log:
      value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
    else:
      value = rng.uniform(self.low, self.high)
    return round(value) if self.whole else value

  @property
  def whole(self):
    return isinstance(self.low, int) and isinstance(self.high, int)


@dataclasses.dataclass(frozen=True)
class Choice:
  """One of some values."""

  values: tuple

  def draw(self, rng):
    return rng.choice(self.values)


def uniform(low, high):
  """A `Range` from low to high."""
  return _range(low, high, False)


def loguniform(low, high):
  """A `Range` from low to high, in orders of magnitude."""
  return _range(low, high, True)


def _range(low, high, log):
  if not low < high or (log and low <= 0):
    raise ConfigError(f'no values lie between {low} and {high}'
                      + (' in orders of magnitude' if log else ''))
  return Range(low, high, log)


def choice(values):
  """A `Choice` of some values."""
  return Choice(tuple(values))


def sample(space, count, seed=0):
  """`count` trials drawn at random, the same for the same seed.

  Args:
    space: `{name: uniform(...), loguniform(...) or choice(...)}`.
    count: trials.
    seed: of the draws.
  """
  rng = random.Random(seed)
  return [{name: one.draw(rng) for name, one in space.items()}
          for _ in range(count)]


@dataclasses.dataclass(frozen=True)
class Plan:
  """What is to be run.

  Attributes:
    trials: dicts of settings; of a search, those that it starts with.
    rungs: shares of the run after which the worst trials leave.
    keep: fraction of the trials that stay at a rung.
    rank_by: metric of `results.json` that ranks trials; '' is the training
      objective on the validation split.
    higher_is_better: of that metric.
    space: of a search, as for `sample`; {} for a fixed list.
    num_trials: of a search.
    at_once: of a search, trials asked for together, which share programs.
    seed: of a search's sampler.
  """

  trials: tuple = ()
  rungs: tuple = ()
  keep: float = 0.5
  rank_by: str = ''
  higher_is_better: bool = False
  space: dict = dataclasses.field(default_factory=dict)
  num_trials: int = 0
  at_once: int = 8
  seed: int = 0

  def validate(self):
    """Raises ConfigError if there is nothing to run or a rung is no share."""
    if not self.trials and not self.space:
      raise ConfigError('get_hyper gave no trials')
    if self.space and (self.num_trials < 1 or self.at_once < 1):
      raise ConfigError(f'a search needs trials: found num_trials='
                        f'{self.num_trials}, at_once={self.at_once}')
    if list(self.rungs) != sorted(set(self.rungs)) or not all(
        0 < rung < 1 for rung in self.rungs):
      raise ConfigError(f'rungs={self.rungs} must rise and lie in (0, 1)')
    if not 0 < self.keep < 1:
      raise ConfigError(f'keep={self.keep} must lie in (0, 1)')


def plan(trials, rank_by='', higher_is_better=False):
  """A list of trials, ranked by another metric than their own loss."""
  return Plan(tuple(trials), rank_by=rank_by,
              higher_is_better=higher_is_better)


def halving(trials, rungs=(0.25, 0.5), keep=0.5):
  """Successive halving: at each rung the best `keep` of the trials go on.

  Reference: Jamieson & Talwalkar 2016, arXiv:1502.07943.
  """
  return Plan(tuple(trials), rungs=tuple(rungs), keep=keep)


def search(space, num_trials, at_once=8, rungs=(), keep=0.5, seed=0):
  """Adaptive search by TPE, with halving of each batch where `rungs` say so;
  needs the extra `search`.

  Reference: Bergstra et al. 2011, Algorithms for Hyper-Parameter
  Optimization, section 4.
  """
  return Plan(space=dict(space), num_trials=num_trials, at_once=at_once,
              rungs=tuple(rungs), keep=keep, seed=seed)


def as_plan(found):
  """What `get_hyper` returned as a valid `Plan`."""
  if not isinstance(found, Plan):
    found = Plan(tuple(found))
  found.validate()
  return found


def override(settings, trial):
  """Assigns a trial's settings, each as the type of its field.

  Args:
    settings: a `config.Experiment`; changed in place.
    trial: `{dotted name: value}`.

  Raises:
    ConfigError: there is no such setting, or a value is of another type.
  """
  for name, value in trial.items():
    *groups, last = name.split('.')
    owner = settings
    for group in groups:
      owner = _member(owner, group, name)
    before = _member(owner, last, name)
    if isinstance(owner, dict):
      owner[last] = _as((type(before),), name, value)
    else:
      setattr(owner, last, _typed(owner, last, name, value))
  return settings


def _member(owner, part, name):
  known = list(owner) if isinstance(owner, dict) else []
  if dataclasses.is_dataclass(owner):
    known = [field.name for field in dataclasses.fields(owner)]
  if part not in known:
    raise ConfigError(f'the sweep names {name}, but there is no {part!r}'
                      f'{checks.nearest(part, known)}')
  return owner[part] if isinstance(owner, dict) else getattr(owner, part)


def _typed(owner, field, name, value):
  kind = {one.name: one.type for one in dataclasses.fields(owner)}[field]
  allowed = typing.get_args(kind) if isinstance(kind, types.UnionType) else (
      typing.get_origin(kind) or kind,)
  return _as(allowed, name, value)


def _as(allowed, name, value):
  """The value as one of the types that are allowed."""
  if type(value) in allowed or (value is None and type(None) in allowed):
    return value
  if type(value) is int and float in allowed:
    return float(value)
  if isinstance(value, list) and tuple in allowed:
    return tuple(value)
  raise ConfigError(f'the sweep gives {name} the value {value!r}, which is no '
                    f'{" or ".join(one.__name__ for one in allowed)}')


def to_json(plan_):
  """A plan as plain JSON values, which `from_json` reads."""
  return dataclasses.asdict(plan_)


def from_json(values):
  """The plan that `to_json` wrote; raises ConfigError on anything else."""
  try:
    space = {name: Range(**one) if 'low' in one else choice(one['values'])
             for name, one in values['space'].items()}
    found = Plan(**dict(values, trials=tuple(values['trials']), space=space,
                        rungs=tuple(values['rungs'])))
  except (KeyError, TypeError) as error:
    raise ConfigError(f'the plan of a sweep is damaged: {error!r}') from error
  found.validate()
  return found
