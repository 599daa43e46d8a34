"""`list`: what there is."""

import ast
import json
import pathlib

from ptm_jax import find
from ptm_jax.errors import ConfigError

_KINDS = ('objectives', 'models', 'corpora', 'tasks', 'experiments')
_PACKAGE = pathlib.Path(find.__file__).parent


class Verb:
  """Lists what there is: `list`, or `list objectives` for one kind."""

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
    kinds = [flags.kind] if flags.kind else _KINDS
    table = {kind: _rows(kind, flags.folder) for kind in kinds}
    if flags.json:
      print(json.dumps(table, indent=1))
      return
    for kind, rows in table.items():
      print(f'{kind}:')
      for name, summary in rows.items():
        print(f'  {name:20} {summary}')


def _rows(kind, folder):
  """`{name: first sentence of the docstring}`; nothing is imported."""
  if kind == 'experiments':
    paths = sorted(pathlib.Path(folder).glob('*.py'))
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
