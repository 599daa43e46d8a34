"""Settings as JSON: every resolved value, each component with its type.

A type is looked up among ptm_jax's own groups and components; nothing else
can be named by a file.
"""

import dataclasses
import difflib
import json

from ptm_jax import config
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


def read(path):
  """The config in a `config.json`; raises ConfigError if it is unreadable."""
  try:
    return from_json(json.loads(path.read_text(encoding='utf8'))['config'])
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise ConfigError(f'{path} is not a readable config: {error!r}') from error


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
