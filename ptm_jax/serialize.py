"""Settings as JSON: every resolved value, each component with its type.

A type is looked up among ptm_jax's own groups and components; nothing else
can be named by a file.
"""

import dataclasses
import difflib
import json
import pathlib

from ptm_jax import checks, config
from ptm_jax.errors import ConfigError
from ptm_jax.find import FOLDERS, find, name_of

_GROUPS = {cls.__name__: cls for cls in (
    config.Model, config.Tokenizer, config.Data, config.Optimizer,
    config.Budget, config.Compute, config.Checkpoints, config.Evaluation,
    config.Experiment, config.Comparison)}


def to_json(settings):
  """A config as plain JSON values; every dataclass carries its `type`."""
  if isinstance(settings, config.Component):
    folder, name = name_of(settings)
    fields = {'type': f'{folder}/{name}'}
  elif dataclasses.is_dataclass(settings):
    fields = {'type': type(settings).__name__}
  elif isinstance(settings, dict):
    return {key: to_json(value) for key, value in settings.items()}
  elif isinstance(settings, (tuple, list)):
    return [to_json(value) for value in settings]
  else:
    return settings
  fields.update((field.name, to_json(getattr(settings, field.name)))
                for field in dataclasses.fields(settings))
  return fields


def from_json(values):
  """The config that `to_json` wrote; raises ConfigError on anything else."""
  if isinstance(values, list):
    return tuple(from_json(value) for value in values)
  if not isinstance(values, dict):
    return values
  if 'type' not in values:
    return {key: from_json(value) for key, value in values.items()}
  kind = values['type']
  folder, _, name = str(kind).partition('/')
  if folder in FOLDERS:
    cls = find(folder, name)
  elif folder in _GROUPS and not name:
    cls = _GROUPS[folder]
  else:
    raise ConfigError(f'no settings are of type {kind!r}')
  known = [field.name for field in dataclasses.fields(cls)]
  for name in values:
    if name != 'type' and name not in known:
      near = difflib.get_close_matches(name, known, n=1)
      raise ConfigError(f'{kind} has no setting {name!r}; '
                        f'nearest: {near[0] if near else ", ".join(known)}')
  return cls(**{name: from_json(value) for name, value in values.items()
                if name != 'type'})


def read_json(path, error=ConfigError):
  """The object, a dict, in a JSON file that may have been damaged or edited.

  Args:
    path: of the file.
    error: the class that is raised, in one line, if there is no such file or
      something else is in it.
  """
  try:
    values = json.loads(pathlib.Path(path).read_text(encoding='utf8'))
  except FileNotFoundError as found:
    raise error(f'there is no {path}: name a folder that has one') from found
  except OSError as found:
    raise error(f'{path} cannot be read ({found.strerror})') from found
  except (ValueError, RecursionError) as found:
    raise error(f'{path} is damaged: {found}') from found
  if not isinstance(values, dict):
    raise error(f'{path} is damaged: not a JSON object')
  return values


def read(path, kind=(config.Experiment, config.Comparison)):
  """The config in a `config.json`.

  Args:
    path: of the file.
    kind: what is expected, `config.Experiment` or `config.Comparison`, or
      both.

  Raises:
    ConfigError: it is unreadable, or of another kind.
  """
  values = read_json(path)
  try:
    found = from_json(values['config'])
    if dataclasses.is_dataclass(found):
      checks.declared(found)
  except (KeyError, TypeError, RecursionError) as error:
    raise ConfigError(f'{path} is not a readable config: {error!r}') from error
  except ConfigError as error:
    raise ConfigError(f'{path}: {error}') from error
  if not isinstance(found, kind):
    raise ConfigError(f'{path} is of {_article(type(found))}, where '
                      f'{_article(kind)} is expected: name another folder')
  return found


def _article(kinds):
  """'an Experiment', for messages."""
  kinds = kinds if isinstance(kinds, tuple) else (kinds,)
  return ' or '.join(('an ' if kind.__name__[0] in 'AEIOU' else 'a ')
                     + kind.__name__ for kind in kinds)


def differences(old, new, prefix=''):
  """Dotted names whose values differ, as `{name: (old, new)}`."""
  old, new = to_json(old), to_json(new)
  result = {}

  def walk(a, b, name):
    if isinstance(a, dict) and isinstance(b, dict):
      for key in dict.fromkeys([*a, *b]):
        walk(a.get(key), b.get(key), f'{name}.{key}' if name else key)
    elif a != b:
      result[name] = (a, b)

  walk(old, new, prefix)
  return result
