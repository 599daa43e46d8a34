"""Checks of settings, each one line to the user."""

import dataclasses
import difflib
import math
import types
import typing

from ptm_jax.errors import ConfigError

# Steps, sizes and seeds are int32 on the device.
LARGEST = 2**31 - 1


def declared(settings, prefix=''):
  """Raises ConfigError unless every field, at any depth, is of the type that
  it is declared with, a float finite and an int within 32 bits.

  Flags are typed when they are parsed, a `config.json` that was edited is
  not; neither refuses nan, inf or 10**30.
  """
  for field in dataclasses.fields(settings):
    _declared(getattr(settings, field.name), field.type,
              f'{prefix}{field.name}')


def _declared(value, kind, name):
  kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (
      (kind,))
  origins = tuple(typing.get_origin(one) or one for one in kinds)
  number = float in origins and type(value) is int
  if not (number or isinstance(value, origins)) or (
      isinstance(value, bool) and bool not in origins):
    expected = ' or '.join(one.__name__ for one in origins)
    raise ConfigError(f'{name}={value!r:.80} is not of type {expected}')
  if isinstance(value, float) and not math.isfinite(value):
    raise ConfigError(f'{name}={value} is not a finite number')
  if isinstance(value, int) and abs(value) > LARGEST:
    raise ConfigError(f'{name}={value:.3g} is too large: the limit is '
                      f'{LARGEST:,}')
  if isinstance(value, tuple):
    for number, one in enumerate(value):
      _declared(one, typing.get_args(kind)[0], f'{name}[{number}]')
  elif isinstance(value, dict):
    for key, one in value.items():
      _declared(one, typing.get_args(kind)[1], f'{name}.{key}')
  elif dataclasses.is_dataclass(value):
    declared(value, f'{name}.')


def choices(config, group, choices):
  """Raises ConfigError unless each named field has one of its values."""
  for name, allowed in choices.items():
    value = getattr(config, name)
    if value not in allowed:
      raise ConfigError(f'{group}.{name}={value!r} is not one of '
                        f'{", ".join(allowed)}{nearest(value, allowed)}')


def nearest(value, allowed):
  """`; did you mean NAME?` of the allowed name nearest to a value, or ''."""
  near = difflib.get_close_matches(str(value), allowed, n=1)
  return f'; did you mean {near[0]}?' if near else ''


def positive(config, group, *names):
  """Raises ConfigError unless each named field is above 0."""
  for name in names:
    value = getattr(config, name)
    if not value > 0:
      dotted = f'{group}.{name}' if group else name
      raise ConfigError(f'{dotted}={value} must be above 0')


def at_least(config, group, least, *names):
  """Raises ConfigError unless each named field is `least` or more."""
  for name in names:
    if getattr(config, name) < least:
      raise ConfigError(f'{group}.{name}={getattr(config, name)} must be at '
                        f'least {least}')


def fraction(config, group, *names, low=0.0, high=1.0, open_low=False):
  """Raises ConfigError unless each field lies in [low, high)."""
  for name in names:
    value = getattr(config, name)
    if not (low < value if open_low else low <= value) or not value < high:
      dotted = f'{group}.{name}' if group else name
      left = '(' if open_low else '['
      raise ConfigError(f'{dotted}={value} must lie in {left}{low:g}, '
                        f'{high:g})')


def largest_divisor(number, at_most):
  """The largest divisor of `number` that is not above `at_most`."""
  return max(d for d in range(1, max(min(at_most, number), 1) + 1)
             if number % d == 0)
