"""What a report of a sweep shows: the trials ranked, and how the rank depends
on each swept setting.
"""

import math

import numpy as np

from ptm_jax.report.data import show
from ptm_jax.report.figures import drawing
from ptm_jax.report.tables import facts

__all__ = ['all_tables', 'facts', 'pictures', 'title', 'verdict']


def title(data):
  """The page's heading: the objective and the settings swept."""
  objective = data.results['runs'][0]['objective']
  return f'Sweep of {objective}: {", ".join(_keys(data)) or "nothing"}'


def verdict(data):
  """Whether any trial can be ranked, and a sentence: the best one."""
  ranked = _ranked(data)
  runs = data.results['runs']
  diverged = sum(run['diverged'] for run in runs)
  pruned = sum(run['pruned'] for run in runs)
  count = (f'{len(runs)} trials' + (f', {pruned} pruned' if pruned else '')
           + (f', {diverged} diverged' if diverged else ''))
  if not ranked or ranked[0][1] is None:
    return False, f'No trial can be ranked: {count}.'
  settings, value, entries = ranked[0]
  return True, (f'Best of {count}: {_describe(settings)}, '
                f'{data.results["rank_by"]} {_value(data, entries, value)}.')


def all_tables(data):
  """Every table: `[(title, note, header, rows)]`."""
  keys = _keys(data)
  rows = []
  for number, (settings, value, entries) in enumerate(_ranked(data), 1):
    state = ('diverged' if all(entry['diverged'] for entry in entries)
             else 'pruned' if all(entry['pruned'] for entry in entries)
             else '')
    rows.append([
        str(number) if value is not None else '–',
        _value(data, entries, value),
        *(_show(settings.get(key)) for key in keys), str(len(entries)),
        f'{np.mean([entry["num_steps"] for entry in entries]):,.0f}', state])
  over = ('is the 95 % interval over seeds'
          if any(len(entries) > 1 for *_, entries in _ranked(data))
          else 'is 1.96 standard errors over held-out windows')
  found = [('Ranking', f'By {data.results["rank_by"]}'
            + ('' if data.results['rank_by'] != 'loss' else
               ', the training objective on the validation split (nats)')
            + f'; ± {over}. A pruned trial stands where it left.',
            ['rank', data.results['rank_by'], *keys, 'trials', 'updates',
             'state'], rows)]
  found.append(('Trials', '', ['trial', 'program', 'skipped updates',
                               'folder'], [
      [run['trial'], _programs(data, run['trial']), str(run['skipped']),
       run['workdir']] for run in data.results['runs']]))
  return found


def pictures(data, table):
  """Pictures behind a table: `[(title, [(caption, svg)], width)]`."""
  if table != 'Ranking' or not any(
      value is not None for _, value, _ in _ranked(data)):
    return []
  name = data.results['rank_by']
  found = [(f'{name} against each setting',
            [_against(data, key) for key in _keys(data)], '')]
  if len(_keys(data)) > 1:
    found.append(('All settings at once', [_parallel(data)], 'wide'))
  found.append(('Loss curves', [_curves(data)], 'wide'))
  return found


def _keys(data):
  """The swept settings, seeds apart."""
  return list(dict.fromkeys(
      key for run in data.results['runs'] for key in run['settings']
      if key != 'seed'))


def _ranked(data):
  """Settings (seeds apart), mean value and entries, the best first; trials
  that left early stand behind those that went on, diverged ones last."""
  found = {}
  for run in data.results['runs']:
    settings = {key: value for key, value in run['settings'].items()
                if key != 'seed'}
    found.setdefault(repr(settings), (settings, []))[1].append(run)
  rows = []
  for settings, entries in found.values():
    values = [run['value'] for run in entries if run['value'] is not None]
    # One seed that diverged takes its settings out of the ranking.
    value = (float(np.mean(values)) if len(values) == len(entries) else None)
    rows.append((settings, value, entries))
  def order(row):
    _, value, entries = row
    steps = max(run['num_steps'] for run in entries)
    return (value is None, -steps, math.inf if value is None else value)
  return sorted(rows, key=order)


def _value(data, entries, value):
  if value is None:
    return '–'
  sign = -1 if data.results['higher_is_better'] else 1
  values = [sign * run['value'] for run in entries]
  if len(values) > 1:
    return show(values, 4)
  error = _error(entries[0], data.results['rank_by'])
  return f'{values[0]:.4f}' + (f' ± {1.96 * error:.4f}' if error else '')


def _error(entry, rank_by):
  """Standard error of one trial's value over held-out examples, or None."""
  metrics = entry['metrics']
  if rank_by != 'loss':
    return metrics.get(f'{rank_by}_se')
  errors = [value for name, value in metrics.items()
            if name.startswith('validation/') and name.endswith('/nll_se')]
  return errors[0] if len(errors) == 1 else None


def _programs(data, trial):
  return ', '.join(str(number + 1) for number, group
                   in enumerate(data.results['groups'])
                   if trial in group['trials'])


def _describe(settings):
  return ', '.join(f'{key.rpartition(".")[2]}={_show(value)}'
                   for key, value in settings.items()) or 'the base'


def _show(value):
  return f'{value:.4g}' if isinstance(value, float) else str(value)


def _axis(values):
  """Places of values on an axis, and its labels where they are no numbers."""
  if all(isinstance(value, (int, float)) and not isinstance(value, bool)
         for value in values):
    return list(values), None
  labels = sorted({_show(value) for value in values})
  return [labels.index(_show(value)) for value in values], labels


def _logarithmic(places, labels):
  return labels is None and min(places) > 0 and max(places) >= 8 * min(places)


def _against(data, key):
  rows = [row for row in _ranked(data) if key in row[0]]
  places, labels = _axis([settings[key] for settings, *_ in rows])
  sign = -1 if data.results['higher_is_better'] else 1
  with drawing(f'against {key}', (4.2, 2.6)) as (figure, axes, done):
    for place, (_, value, entries) in zip(places, rows, strict=True):
      early = all(run['pruned'] for run in entries)
      for run in entries:
        if run['value'] is not None:
          axes.plot(place, sign * run['value'], 'o', markersize=4,
                    color='#8a8f95' if early else '#3b82c4', alpha=0.7)
      if value is None:
        axes.axvline(place, color='#c4552d', linewidth=1, linestyle=':')
    means = {}
    for place, (_, value, entries) in zip(places, rows, strict=True):
      if value is not None and not any(run['pruned'] for run in entries):
        means.setdefault(place, []).append(sign * value)
    line = sorted((place, np.mean(found)) for place, found in means.items())
    axes.plot(*zip(*line), color='#3b82c4', linewidth=1.2)
    if _logarithmic(places, labels):
      axes.set_xscale('log')
    if labels:
      axes.set_xticks(range(len(labels)), labels)
    axes.set_xlabel(key)
    axes.set_ylabel(data.results['rank_by'])
  caption = (f'{key}: a point is a trial, the line their mean'
             + ('; grey left at a rung' if any(
                 run['pruned'] for run in data.results['runs']) else '')
             + ('; dotted: diverged' if any(
                 value is None for _, value, _ in rows) else ''))
  return caption, done()


def _parallel(data):
  """Parallel coordinates: a line is a setting, its colour its rank."""
  keys = _keys(data)
  rows = [row for row in _ranked(data)
          if row[1] is not None and all(key in row[0] for key in keys)]
  sign = -1 if data.results['higher_is_better'] else 1
  columns = [_axis([row[0][key] for row in rows]) for key in keys]
  columns.append(_axis([sign * row[1] for row in rows]))
  names = [*(key.rpartition('.')[2] for key in keys),
           data.results['rank_by']]
  scaled = []
  with drawing('parallel', (7, 3)) as (figure, axes, done):
    for at, (places, labels) in enumerate(columns):
      places = np.asarray(places, float)
      if _logarithmic(places, labels):
        places = np.log(places)
      low, high = places.min(), places.max()
      heights = (places - low) / ((high - low) or 1.0)
      scaled.append(heights)
      axes.axvline(at, linewidth=0.6, color='#8a8f95')
      shown = {}
      for height, row in zip(heights, columns[at][0], strict=True):
        shown[round(float(height), 3)] = labels[row] if labels else (
            _show(row))
      for height in sorted(shown) if len(shown) <= 7 else (0.0, 1.0):
        axes.text(at + 0.02, height, shown.get(height, ''), fontsize=7,
                  va='bottom')
    hues = _viridis(len(rows))
    for number in reversed(range(len(rows))):
      axes.plot(range(len(columns)), [one[number] for one in scaled],
                color=hues[number], linewidth=2 if not number else 1,
                alpha=0.85)
    axes.set_xticks(range(len(columns)), names)
    axes.set_yticks([])
    axes.spines[['left', 'bottom']].set_visible(False)
  return 'A line is one setting; dark is best, the thick line the best', done()


def _viridis(count):
  import matplotlib
  return [matplotlib.colormaps['viridis'](0.9 * number / max(count - 1, 1))
          for number in range(count)]


def _curves(data):
  rows = _ranked(data)
  with drawing('sweep curves', (7, 3)) as (figure, axes, done):
    for hue, (_, _, entries) in zip(_viridis(len(rows)), rows, strict=True):
      for run in entries:
        lines = [line for line in data.curves[run['workdir']]
                 if line.get('kind') == 'train'
                 and line.get('loss') is not None]
        every = max(1, len(lines) // 200)
        axes.plot([line['step'] for line in lines[::every]],
                  [line['loss'] for line in lines[::every]],
                  color=hue, linewidth=0.8, alpha=0.8)
    axes.set_xlabel('updates')
    axes.set_ylabel('training loss (nats)')
  return 'Training loss of every trial; dark is best', done()
