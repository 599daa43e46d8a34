"""Checks of settings, each one line to the user."""

import difflib

from ptm_jax.errors import ConfigError


def choices(config, group, choices):
  """Raises ConfigError unless each named field has one of its values."""
  for name, allowed in choices.items():
    value = getattr(config, name)
    if value not in allowed:
      near = difflib.get_close_matches(str(value), allowed, n=1)
      hint = f'; did you mean {near[0]}?' if near else ''
      raise ConfigError(f'{group}.{name}={value!r} is not one of '
                        f'{", ".join(allowed)}{hint}')


def positive(config, group, *names):
  """Raises ConfigError unless each named field is above 0."""
  for name in names:
    value = getattr(config, name)
    if not value > 0:
      dotted = f'{group}.{name}' if group else name
      raise ConfigError(f'{dotted}={value} must be above 0')


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
  return max(d for d in range(1, max(at_most, 1) + 1) if number % d == 0)
