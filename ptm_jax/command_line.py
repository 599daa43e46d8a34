"""Flags of the verbs: an experiment's settings, typed, and a verb's own.

absl and ml_collections do the parsing; what they report as tracebacks or as
exit code 1 becomes one line and exit code 2 here.
"""

import contextlib
import dataclasses
import difflib
import importlib.util
import pathlib
import re
import sys
import traceback
import types
import typing

from absl import flags
from ml_collections import config_flags

from ptm_jax import config, hyper, serialize
from ptm_jax.errors import ConfigError, PtmError


class Help(Exception):
  """`--help` was asked for; its text is the message."""


def parse(verb, argv, config_file=''):
  """Parses a verb's command line.

  Args:
    verb: a `Verb` class: its docstring is the help, `flags` its own flags
      `{name: (default, help)}`, `takes_config` whether it reads `--config`,
      `argument` the flag that a word without a name is for, if it has one,
      `config_is_optional` whether `--config` may be missing.
    argv: arguments behind the verb.
    config_file: default of `--config`: the experiment file that is run.

  Returns:
    an object with the flags as attributes, and, if the verb reads one, the
    experiment's `config` and `experiment`, its FILE:ARGUMENT.

  Raises:
    ConfigError: a flag, a setting or the experiment file cannot be used.
    Help: `--help` was given.
  """
  values = flags.FlagValues()
  for name, (default, text) in verb.flags.items():
    define = (flags.DEFINE_boolean if isinstance(default, bool)
              else flags.DEFINE_integer if isinstance(default, int)
              else flags.DEFINE_float if isinstance(default, float)
              else flags.DEFINE_string)
    define(name, default, text, flag_values=values)
  wants_help = any(arg in ('--help', '-help', '-h', '--helpfull')
                   for arg in argv)
  spec, argv = _take_config(argv, config_file)
  config = None
  if verb.takes_config and spec:
    config = load_config(spec)
  if wants_help:
    raise Help(_help(verb, spec, config))
  if verb.takes_config:
    if not spec and not getattr(verb, 'config_is_optional', False):
      raise ConfigError('--config is missing: name an experiment file, such '
                        'as --config=experiments/bert.py:tiny')
  elif spec:
    raise ConfigError(f'--config={spec}: this verb takes no experiment')
  try:
    if config is not None:
      config_flags.DEFINE_config_dataclass(
          'config', config, flag_values=values, sys_argv=['', *argv])
    rest = values(['', *argv])
  except (flags.Error, KeyError, AttributeError, ValueError,
          TypeError) as error:
    raise ConfigError(_explain(error, argv, verb, config)) from error
  words, takes = rest[1:], getattr(verb, 'argument', None)
  if takes and words and not values[takes].present:
    setattr(values, takes, words.pop(0))
  if words:
    raise ConfigError(f'unexpected argument {words[0]!r}: flags are written '
                      '--name=value')
  found = {name: values[name].value for name in verb.flags}
  if config is not None:
    config = values.config
    _settle_tuples(config)
  return types.SimpleNamespace(**found, config=config, experiment=spec)


def load_plan(spec):
  """The plan that `get_hyper` of an experiment file gives, or None."""
  if pathlib.Path(spec.partition(':')[0]).suffix == '.json':
    return None
  module = _load(spec)
  if not hasattr(module, 'get_hyper'):
    return None
  with _running(spec):
    return hyper.as_plan(module.get_hyper(hyper))


def load_config(spec):
  """Calls `get_config` of `FILE` or `FILE:ARGUMENT`; or reads the settings in
  a run's `config.json`.

  Raises:
    ConfigError: there is no such file, or it has no `get_config`.
  """
  path, _, argument = spec.partition(':')
  if pathlib.Path(path).suffix == '.json' and pathlib.Path(path).is_file():
    return serialize.read(pathlib.Path(path))
  module = _load(spec)
  if not hasattr(module, 'get_config'):
    raise ConfigError(f'--config={spec}: {path} defines no get_config(arg)')
  with _running(spec):
    found = module.get_config(argument)
  if not isinstance(found, (config.Experiment, config.Comparison)):
    raise ConfigError(f'--config={spec}: get_config gives a '
                      f'{type(found).__name__}, not a config.Experiment or '
                      'config.Comparison')
  return found


def _load(spec):
  """The module of an experiment file."""
  path = spec.partition(':')[0]
  file = pathlib.Path(path)
  if not path:
    raise ConfigError(f'--config={spec}: name the experiment file before the '
                      f'colon, such as experiments/bert.py{spec}')
  if not file.is_file():
    raise ConfigError(f'--config={spec}: there is no file {path}')
  module_spec = importlib.util.spec_from_file_location(
      f'ptm_jax_experiment_{file.stem}', file)
  if module_spec is None:
    raise ConfigError(f'--config={spec}: {path} is not a Python file')
  module = importlib.util.module_from_spec(module_spec)
  # Dataclasses of the file look their module up by name.
  sys.modules[module_spec.name] = module
  with _running(spec):
    module_spec.loader.exec_module(module)
  return module


@contextlib.contextmanager
def _running(spec):
  """What the user's own file raises becomes one line that names its place."""
  try:
    yield
  except PtmError:
    raise
  except Exception as error:
    path = spec.partition(':')[0]
    places = [frame.lineno for frame in traceback.extract_tb(
        error.__traceback__) if frame.filename.endswith(path)]
    line = getattr(error, 'lineno', None) or (places or [0])[-1]
    raise ConfigError(f'--config={spec}: {path} line {line}: '
                      f'{type(error).__name__}: {error}') from error


def _take_config(argv, default):
  """The value of `--config`, completed by the running file, and the rest."""
  spec, rest = default, []
  argv = iter(argv)
  for arg in argv:
    name, equals, value = arg.partition('=')
    if name in ('--config', '-config'):
      spec = value if equals else next(argv, '')
      if spec.startswith(':'):
        spec = default + spec
    else:
      rest.append(arg)
  return spec, rest


def _settle_tuples(config, prefix='config'):
  """Gives tuples the elements that their fields are declared with.

  ml_collections reads 'a,b' as one string and any literal as an element.
  """
  if isinstance(config, dict):
    for name, value in config.items():
      _settle_tuples(value, f'{prefix}.{name}')
  if not dataclasses.is_dataclass(config):
    return
  for field in dataclasses.fields(config):
    value, name = getattr(config, field.name), f'{prefix}.{field.name}'
    if typing.get_origin(field.type) is not tuple:
      _settle_tuples(value, name)
      continue
    kind = typing.get_args(field.type)[0]
    words = [word.strip() for element in value
             for word in str(element).split(',')]
    try:
      value = tuple(kind(word) for word in words if word)
    except ValueError as error:
      raise ConfigError(f'--{name}={",".join(words)}: each must be '
                        f'{kind.__name__}') from error
    setattr(config, field.name, value)


def settings(config, prefix='config'):
  """Yields `(dotted flag name, value)` of every setting."""
  if dataclasses.is_dataclass(config):
    for field in dataclasses.fields(config):
      yield from settings(getattr(config, field.name),
                          f'{prefix}.{field.name}')
  elif isinstance(config, dict) and config:
    for name, value in config.items():
      yield from settings(value, f'{prefix}.{name}')
  else:
    yield prefix, config


def _unknown(name, known):
  near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
  return f'there is no --{name}' + (
      f'; nearest: {", ".join("--" + one for one in near)}' if near
      else '; see --help')


def _explain(error, argv, verb, config):
  """One line for what ml_collections and absl raise."""
  known = dict(settings(config)) if config else {}
  if isinstance(error, flags.UnrecognizedFlagError):
    return _unknown(error.flagname, [*verb.flags, 'config', 'help', *known])
  for arg in argv:
    name, equals, _ = arg.lstrip('-').partition('=')
    inside = [one for one in known if one.startswith(f'{name}.')]
    if inside:
      return (f'--{name} is a group: set its fields, such as --{inside[0]}; a '
              'kind is chosen behind the file, as in '
              '--config=FILE:tiny,objective=masked')
    if name.startswith('config.') and name not in known:
      return _unknown(name, known)
    if name in known and not equals:
      return f'--{name} needs a value: --{name}=VALUE'
  message = ' '.join(str(error).split())
  boolean = re.search(r"flag (--\S+): \('Non-boolean", message)
  if boolean:
    return f'{boolean[1]}: expected true or false'
  return message if len(message) < 300 else message[:300] + ' ...'


def _help(verb, spec, config):
  lines = [verb.__doc__.strip(), '', 'Flags:']
  for name, (default, text) in verb.flags.items():
    shown = str(default).lower() if isinstance(default, bool) else (
        repr(default))
    lines.append(f'  --{name}={shown}  {text}')
  if verb.takes_config:
    lines.append('  --config=FILE[:ARGUMENT]  experiment file, and a size '
                 '(tiny, small, base) or kinds (corpus=text); or a run\'s '
                 'config.json')
    if config is None:
      lines += ['', 'With --config=FILE, --help lists its settings too.']
    else:
      lines += ['', f'Settings of {spec} and their defaults:']
      lines += [f'  --{name}={value!r}' for name, value in settings(config)]
  return '\n'.join(lines)
