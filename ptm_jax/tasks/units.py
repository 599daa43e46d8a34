"""Texts in units that are encoded one by one, so that every token is known to
be of certain characters whatever the tokenizer does to them.

A unit is a word, a punctuation mark or a character that is written without
spaces, and the white space before it.
"""

import functools
import re

import numpy as np

_ALONE = '\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af'
_UNIT = re.compile(rf'\s*(?:[{_ALONE}]|[^\W{_ALONE}]+|[^\w\s])|\s+\Z')


def cut(text):
  """`[(unit, first character, end)]`; the characters are those of the unit
  without its white space. The units make up the text."""
  found = []
  for match in _UNIT.finditer(text):
    unit = match[0]
    first = match.start() + len(unit) - len(unit.lstrip())
    found.append((unit, min(first, match.end()), match.end()))
  return found


@functools.lru_cache(2**16)
def ids(tokenizer, unit):
  """A unit's ids, int32 `[n]`."""
  found = tokenizer.encode(unit)
  found.flags.writeable = False
  return found


def encode(tokenizer, units):
  """Ids of units one behind the other.

  Returns:
    int32 `[n]`, and int `[n]`, which unit each is of.
  """
  parts = [ids(tokenizer, unit) for unit in units]
  lengths = [len(part) for part in parts]
  return (np.concatenate([np.zeros(0, np.int32), *parts]),
          np.repeat(np.arange(len(parts)), lengths))
