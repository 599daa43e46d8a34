"""`list`: what there is."""

import ast
import json
import pathlib

from ptm_jax import config, find, presets
from ptm_jax.command_line import load_config, load_plan
from ptm_jax.data.vocabulary import Vocabulary
from ptm_jax.errors import ConfigError

_KINDS = ('objectives', 'models', 'corpora', 'tasks', 'experiments')
_PACKAGE = pathlib.Path(find.__file__).parent


class Verb:
  """Lists what there is: `list`, or `list objectives` for one kind; `list
  models` counts the parameters of each named model at each size.
  """

  takes_config = False
  argument = 'kind'
  flags = {'kind': ('', f'one of {", ".join(_KINDS)}; all by default'),
           'json': (False, 'print JSON'),
           'folder': ('experiments', 'of the experiment files')}

  @staticmethod
  def run(flags):
    if flags.kind and flags.kind not in _KINDS:
      raise ConfigError(f'there are no {flags.kind!r} to list: choose one of '
                        f'{", ".join(_KINDS)}')
    # All kinds but models, which are experiments and need jax to be counted.
    kinds = [flags.kind] if flags.kind else [
        kind for kind in _KINDS if kind != 'models']
    table = {kind: _rows(kind, flags.folder) for kind in kinds}
    if flags.kind == 'models':
      table = {'models': {
          name: {'summary': summary, **parameters(
              pathlib.Path(flags.folder) / f'{name}.py')}
          for name, summary in table['models'].items()}}
    if flags.json:
      print(json.dumps(table, indent=1))
      return
    for kind, rows in table.items():
      print(f'{kind}:')
      for name, summary in rows.items():
        print(f'  {name:20} {_line(summary)}')


def _line(row):
  """A row as text: a sentence, or a model's sizes."""
  if isinstance(row, str):
    return row
  return '  '.join([*(f'{size} {row[size] / 1e6:.1f}M'
                      for size in presets.SIZES), row['summary']])


def parameters(path):
  """Parameters of what an experiment pre-trains, its trunk, by size.

  Heads and a generator are left out, as in the papers' counts. Nothing is
  computed but shapes.
  """
  from ptm_jax import budget  # imports jax
  found = {}
  for size in presets.SIZES:
    experiment = load_config(f'{path}:{size}')
    objective = experiment.objective.bind(
        experiment.model, Vocabulary(experiment.tokenizer.vocab_size),
        experiment.data.raw_length)
    found[size] = budget.num_parameters(objective)[1]
  return found


def _is_model(path):
  """Whether an experiment file describes one model, and no study of some."""
  return not load_plan(str(path)) and isinstance(
      load_config(str(path)), config.Experiment)


def _rows(kind, folder):
  """`{name: first sentence of the docstring}`."""
  if kind in ('experiments', 'models'):
    paths = sorted(pathlib.Path(folder).glob('*.py'))
    if kind == 'models':
      paths = [path for path in paths if _is_model(path)]
  else:
    below = find.FOLDERS[kind][0]
    paths = [_PACKAGE / below / f'{name}.py' for name in find.names(kind)]
  rows = {}
  for path in paths:
    try:
      tree = ast.parse(path.read_text(encoding='utf8'))
    except (OSError, SyntaxError, ValueError) as error:
      raise ConfigError(f'{path} is no Python file: {error}') from error
    text = ast.get_docstring(tree) or ''
    rows[path.stem] = ' '.join(text.split('\n\n')[0].split())
  return rows
