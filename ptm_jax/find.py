"""Components by module name: one new file, no registry to edit.

A component is a module that defines the class its folder is named for:
`objectives/masked.py` defines `Objective`, `data/corpora/text.py` defines
`Corpus`. A module without that class is machinery and is not listed.
"""

import ast
import difflib
import functools
import importlib
import pathlib

from ptm_jax.errors import ConfigError

# folder name -> (path below the package, class every component defines)
FOLDERS = {
    'objectives': ('objectives', 'Objective'),
    'corpora': ('data/corpora', 'Corpus'),
    'annotations': ('data/annotations', 'Annotator'),
    'models': ('models', 'Trunk'),
    'tasks': ('tasks', 'Task'),
    'sources': ('sources', 'Source'),
    'verbs': ('verbs', 'Verb'),
    'convert': ('convert', 'Family'),
}
_ROOT = pathlib.Path(__file__).parent


def _defines(path, class_name):
  tree = ast.parse(path.read_text(encoding='utf8'))
  return any(isinstance(node, ast.ClassDef) and node.name == class_name
             for node in tree.body)


@functools.cache
def names(folder):
  """Names of the components in `folder`, sorted; nothing is imported."""
  below, class_name = FOLDERS[folder]
  return tuple(sorted(path.stem for path in (_ROOT / below).glob('*.py')
                      if _defines(path, class_name)))


def find(folder, name):
  """Returns the class of one component.

  Args:
    folder: a key of `FOLDERS`, such as 'objectives'.
    name: the component's module name, such as 'masked'.

  Raises:
    ConfigError: there is no such component; the message lists what exists.
  """
  if name not in names(folder):
    raise ConfigError(f'no {name!r} among {folder}'
                      f'{instead(name, names(folder))}')
  below, class_name = FOLDERS[folder]
  module = f'ptm_jax.{below.replace("/", ".")}.{name}'
  return getattr(importlib.import_module(module), class_name)


def instead(name, known):
  """What is said behind a name that is none of those `known`: the nearest of
  them, and all."""
  near = difflib.get_close_matches(name, known, n=1)
  hint = f', did you mean {near[0]!r}?' if near else ':'
  return f'{hint} There are {", ".join(known) or "none"}'


def name_of(component):
  """`(folder, name)` of a component or its class, such as
  `('objectives', 'masked')`."""
  cls = component if isinstance(component, type) else type(component)
  for folder, (below, class_name) in FOLDERS.items():
    package, _, name = cls.__module__.rpartition('.')
    if (package == f'ptm_jax.{below.replace("/", ".")}'
        and cls.__name__ == class_name):
      return folder, name
  raise ConfigError(f'{cls.__module__}.{cls.__name__} is not a component of '
                    f'ptm_jax: it must be the class of one of {list(FOLDERS)}')
