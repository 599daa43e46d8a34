"""What a report is made of, read from a work directory's files."""

import dataclasses
import functools
import pathlib

from ptm_jax import metrics, serialize
from ptm_jax.config import Experiment
from ptm_jax.errors import DataError
from ptm_jax.statistics import estimate

# What every entry of `runs` must have, and what it has besides: one that was
# pre-trained, one of a sweep.
_ENTRY = ('metrics', 'seed', 'flops', 'seconds', 'tokens_seen', 'num_steps',
          'parameters')
_PRETRAINED = ('tokens_with_loss',)
_TRIAL = ('trial', 'settings', 'value', 'diverged', 'pruned')
_json = functools.partial(serialize.read_json, error=DataError)


@dataclasses.dataclass
class Data:
  """A work directory, read.

  Attributes:
    path: the directory.
    results: what `results.json` holds.
    config: what `config.json` holds, as JSON values.
    groups: `{name: entries}`, an entry of `results['runs']` per seed.
    curves: `{workdir of a run: lines of its metrics.jsonl}`.
    attention: `{name: attention.json of its first run}`, where there is one.
    posteriors: the same of posterior.json.
    evaluations: `{workdir of a run: its evaluation.json}`, where there is one.
    settings: `{name: config of its first run}`, where it is readable.
  """

  path: pathlib.Path
  results: dict
  config: dict
  groups: dict
  curves: dict
  attention: dict
  posteriors: dict
  evaluations: dict
  settings: dict


def read(path):
  """Reads a work directory.

  Raises:
    DataError: a file is missing or damaged; the message names it.
  """
  path = pathlib.Path(path)
  results = _json(path / 'results.json')
  groups, curves, settings, evaluations = {}, {}, {}, {}
  shown = {'attention': {}, 'posterior': {}}
  try:
    wanted = _ENTRY + {'finetune': (), 'sweep': _PRETRAINED + _TRIAL}.get(
        results.get('kind'), _PRETRAINED)
    for entry in results['runs']:
      place = _inside(path, entry['workdir'])
      name = entry['name']
      groups.setdefault(name, []).append(entry)
      curves[entry['workdir']] = metrics.read(place)
      if (place / 'evaluation.json').exists():
        evaluations[entry['workdir']] = _json(place / 'evaluation.json')
      for kind, found in shown.items():
        if name not in found and (place / f'{kind}.json').exists():
          found[name] = _json(place / f'{kind}.json')
      if name not in settings and (place / 'config.json').exists():
        settings[name] = serialize.read(place / 'config.json', Experiment)
      for key in wanted:
        entry[key]
    if not groups:
      raise ValueError('it names no run')
  except (KeyError, TypeError, AttributeError, ValueError) as error:
    raise DataError(f'{path / "results.json"} is damaged: {error!r}; run the '
                    'same command again') from error
  return Data(path, results, _json(path / 'config.json'), groups, curves,
              shown['attention'], shown['posterior'], evaluations, settings)


def _inside(path, relative):
  """A run's directory, which must lie inside the comparison's."""
  try:
    place = (path / relative).resolve()
    inside = place.is_relative_to(path.resolve())
  except (OSError, RuntimeError) as error:  # a loop of links
    raise DataError(f'{path / "results.json"} names {relative!r:.80}: '
                    f'{error}') from error
  if not inside:
    raise DataError(f'{path / "results.json"} names {relative!r}, which lies '
                    'outside its folder')
  return place


def terms(entries):
  """Names of the terms that a group was scored on."""
  return [name.split('/')[1] for name in entries[0]['metrics']
          if name.startswith('validation/') and name.endswith('/nll')]


def tasks(data):
  """Names of the downstream tasks that any run was scored on."""
  found = {}
  for entries in data.groups.values():
    for name in entries[0]['metrics']:
      if name.endswith('/chance'):
        found[name.removesuffix('/chance')] = True
  return list(found)


def values(entries, name):
  """One metric of every seed that has it."""
  return [entry['metrics'][name] for entry in entries
          if entry['metrics'].get(name) is not None]


def show(numbers, digits=3):
  """'4.352 ± 0.021' from one number per seed; '–' where there is none."""
  if not numbers:
    return '–'
  one = estimate(numbers)
  text = f'{one.mean:.{digits}f}'
  return text if one.half_width is None else (
      f'{text} ± {one.half_width:.{digits}f}')
