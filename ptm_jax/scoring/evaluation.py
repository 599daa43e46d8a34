"""Scores a trained run on zero-shot tasks and writes what it found."""

import json
import pathlib
import sys
import time

import numpy as np

from ptm_jax import workdir
from ptm_jax.errors import ConfigError, DataError
from ptm_jax.find import find, name_of
from ptm_jax.report.evaluation import number
from ptm_jax.scoring.trunk import Trunk
from ptm_jax.tasks import overlap, zero_shot

_EVERY = 10.0  # seconds between two lines of progress


def tasks_of(names, data_dirs, prompted=None):
  """`{name: (task, folder)}`, with a word on how it is asked behind a name.

  Args:
    names: list of names of zero-shot tasks.
    data_dirs: folders of those that do not make their own data, or one that
      holds a folder for each, or one task's files; [''] where none is needed.
    prompted: makes of a task that is else fine-tuned one of
      `prompting.Prompted`; None where there is no prompt.

  Raises:
    ConfigError, DataError: a task is not of this kind, or has no folder.
  """
  tasks = {name: find('tasks', name)() for name in names}
  folders = _folders(tasks, data_dirs)
  found = {}
  for name, task in tasks.items():
    plain = isinstance(task, zero_shot.ZeroShot)
    if not plain and not prompted:
      raise ConfigError(f'--tasks={name} is not scored without training: use '
                        'the verb finetune, or give a --prompt')
    if plain and prompted:
      raise ConfigError(f'--tasks={name} needs no --prompt: leave it out')
    task = prompted(task) if prompted else task
    found[f'{name}{task.how}'] = task, folders[name]
  return found


def _folders(tasks, data_dirs):
  """The folder of each task, '' for one that makes its own data."""
  reading = [name for name, task in tasks.items()
             if not task.embedded]
  if bool(reading) != any(data_dirs):
    raise ConfigError(
        f'--data_dir is missing: {reading[0]} reads published files' if reading
        else f'--data_dir={",".join(data_dirs)}: {", ".join(tasks)} needs none')
  if reading and len(data_dirs) not in (1, len(reading)):
    raise ConfigError(f'--data_dir names {len(data_dirs)} folders for '
                      f'{len(reading)} tasks: give one, or one for each')
  found = dict.fromkeys(tasks, '')
  for name, folder in zip(
      reading, data_dirs * (len(reading) // len(data_dirs))):
    folder = pathlib.Path(folder)
    inner = folder / name
    if len(data_dirs) == 1 and inner.is_dir():
      folder = inner
    if not folder.is_dir():
      raise DataError(f'--data_dir={folder} is no folder')
    found[name] = folder
  return found


def evaluate(run, checkpoint, tasks, way='', max_examples=0, output=None,
             say=print):
  """Scores a run on tasks; a task that `output` has already, with the same
  settings, is not scored again.

  Args:
    run: `load.Loaded`.
    checkpoint: its folder.
    tasks: of `tasks_of`.
    way: name of a way to score; '' leaves it to task and objective.
    max_examples: of each task, spread evenly over its data; 0 for all. Of
      language modelling, the first lines.
    output: path of the JSON file, written whenever a task is done, or None.
    say: takes the lines for the user.

  Returns:
    what the file holds, `tasks` by name.
  """
  trunks = {name: Trunk(run, task, way, _Progress(name))
            for name, (task, _) in tasks.items()}
  data = {name: _some(task, folder, max_examples)
          for name, (task, folder) in tasks.items()}
  results = {'kind': 'evaluation', 'checkpoint': str(checkpoint),
             'step': run.step, 'objective': name_of(run.objective)[1],
             'source_revision': workdir.revision(), 'tasks': {}}
  before = _before(output, results)
  for name, (task, folder) in tasks.items():
    trunk, examples = trunks[name], data[name]
    settings = {'data_dir': str(folder), 'max_examples': max_examples,
                'scorer': trunk.scorer and trunk.scorer.name,
                **task.settings()}
    old = before.get(name, {})
    if {key: old.get(key) for key in settings} == settings:
      say(f'{name}: taken from {output}')
      results['tasks'][name] = old
      continue
    start = time.monotonic()
    metrics = task.measure(trunk, examples)
    results['tasks'][name] = {
        **settings, 'says': trunk.scorer and trunk.scorer.way.says,
        'kind': trunk.scorer and trunk.scorer.way.kind,
        'examples': len(examples), 'cut': trunk.cut,
        'seconds': time.monotonic() - start,
        **overlap.with_pretraining(
            run, checkpoint, examples, lambda line: say(f'{name}: {line}')),
        'metrics': metrics}
    if output:
      workdir.write_json(output, {**results, 'tasks': {
          **before, **results['tasks']}})
  return results


def _some(task, folder, count):
  """A task's examples, all or so many."""
  examples = task.read(folder)
  if not examples:
    raise DataError(f'{folder} holds no example')
  if not count or count >= len(examples):
    return examples
  if task.in_order:
    return examples[:count]
  return [examples[one] for one in np.arange(count) * len(examples) // count]


def _before(output, results):
  """Tasks that a file of the same run has."""
  try:
    found = json.loads(pathlib.Path(output or '').read_text(encoding='utf8'))
    same = all(found[key] == results[key] for key in (
        'kind', 'checkpoint', 'step', 'source_revision'))
    return dict(found['tasks']) if same else {}
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    return {}


class _Progress:
  """Says now and then on stderr how many texts are done."""

  def __init__(self, name):
    self._name, self._last = name, time.monotonic()

  def __call__(self, count):
    if time.monotonic() - self._last > _EVERY:
      self._last = time.monotonic()
      print(f'{self._name}: {count:,} texts scored', file=sys.stderr)


def table(results):
  """Lines of a table, a metric each, and which scorer each number is from."""
  lines = []
  for name, one in results['tasks'].items():
    scorer = one['scorer'] or 'vectors'
    says = f': {one["says"]}' if one['says'] else ''
    lines.append(f'{name}  ({one["examples"]:,} examples, {scorer}{says})')
    if one['cut']:
      lines.append(f'  {one["cut"]:,} texts were too long and were cut')
    lines += [f'  {metric:40} {number(value)}'
              for metric, value in one['metrics'].items()
              if not metric.startswith('paradigm/')]
  return lines
