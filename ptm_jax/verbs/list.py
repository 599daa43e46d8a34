"""`list`: what there is."""

import ast
import json
import pathlib
import re

from ptm_jax import config, find, presets
from ptm_jax.command_line import load_config, load_plan
from ptm_jax.data.vocabulary import Vocabulary
from ptm_jax.errors import ConfigError

_KINDS = ('objectives', 'models', 'corpora', 'sources', 'tasks',
          'experiments')
_PACKAGE = pathlib.Path(find.__file__).parent


class Verb:
  """Lists what there is: `list`, or `list objectives` for one kind; `list
  models` counts the parameters of each named model at each size.
  """

  takes_config = False
  argument = 'kind'
  flags = {'kind': ('', f'one of {", ".join(_KINDS)}; all by default'),
           'json': (False, 'print JSON; of objectives alone also their forms '
                    'and what they may be in a sum'),
           'markdown': (False, 'print the objectives as the README has them'),
           'folder': ('experiments', 'of the experiment files')}

  @staticmethod
  def run(flags):
    if flags.kind and flags.kind not in _KINDS:
      raise ConfigError(f'no {flags.kind!r} to list'
                        f'{find.instead(flags.kind, _KINDS)}')
    if flags.markdown and flags.kind != 'objectives':
      raise ConfigError('--markdown is of `list objectives`')
    # All kinds but models, which are experiments and need jax to be counted.
    kinds = [flags.kind] if flags.kind else [
        kind for kind in _KINDS if kind != 'models']
    table = {kind: _rows(kind, flags.folder) for kind in kinds}
    if flags.kind == 'models':
      table = {'models': {
          name: {'summary': summary, **parameters(
              pathlib.Path(flags.folder) / f'{name}.py')}
          for name, summary in table['models'].items()}}
    if flags.kind == 'objectives' and (flags.json or flags.markdown):
      table['objectives'] = {
          name: described(name, summary)
          for name, summary in table['objectives'].items()}
    if flags.markdown:
      print(markdown(table['objectives'], flags.folder))
      return
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


def described(name, summary):
  """What an objective is and where it composes, as JSON values."""
  from ptm_jax.objectives import base, mixture  # imports jax
  from ptm_jax.objectives import sum as sums
  kind = find.find('objectives', name)
  found = {'summary': summary, 'forms': list(kind.forms),
           'floor': (None if kind.floor is base.BaseObjective.floor
                     else kind.floor_is)}
  if sums.composes(kind):
    found['sum'] = [role for role in ('arranges', 'changes')
                    if getattr(kind, role)] or ['reads']
  if mixture.composes(kind):
    found['mixture'] = [form for form in kind.forms if form in mixture.FORMS]
  return found


def markdown(rows, folder):
  """The README's table: each objective, its forms, papers and experiments."""
  used = {}
  for path in sorted(pathlib.Path(folder).glob('*.py')):
    if _is_model(path):
      objective = load_config(str(path)).objective
      used.setdefault(find.name_of(objective)[1], []).append(path.stem)
  lines = ['| objective | model | papers (arXiv) | experiments | floor |',
           '|---|---|---|---|---|']
  for name, row in rows.items():
    text = ast.get_docstring(ast.parse(
        (_PACKAGE / 'objectives' / f'{name}.py').read_text(encoding='utf8')))
    papers = dict.fromkeys(re.findall(r'arXiv:(\d+\.\d+)', text))
    lines.append(f'| `{name}` | {", ".join(row["forms"])} | '
                 f'{", ".join(papers)} | {", ".join(used.get(name, []))} | '
                 f'{row["floor"] or ""} |')
  return '\n'.join(lines)


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
