"""Rows of a task in batches of few lengths.

Rows are padded to the end of their bucket and not to the longest of all; a
bucket is one compiled program, so there are few.
"""

import numpy as np

_SMALLEST = 16
_LEAST_SHARE = 0.05  # of the rows, that pays for a program


def length_of(row):
  """Tokens of a row, of its longest alternative."""
  return max(1, *(len(tokens) for tokens in row.tokens))


def num_tokens(rows):
  """Tokens of rows together, of all their alternatives."""
  return sum(len(tokens) for row in rows for tokens in row.tokens)


def buckets(lengths, size):
  """Lengths to pad to, ascending: 16, 32, 64 ... and the longest, rounded up
  to 8; where few rows would be in one, they go into the next.

  Args:
    lengths: ints, of the rows.
    size: rows in a batch.
  """
  lengths = np.asarray(lengths)
  longest = -(-int(lengths.max()) // 8) * 8
  ends, before, end = [], 0, _SMALLEST
  while end < longest:
    inside = int(np.sum(lengths <= end)) - before
    if inside >= max(size, _LEAST_SHARE * len(lengths)):
      ends.append(end)
      before += inside
    end *= 2
  return [*ends, longest]


def epoch(lengths, ends, size, draw, order):
  """The batches of one pass over the rows.

  How many batches each bucket has depends on the lengths alone, so trials
  whose rows are drawn differently share their programs. What fills no batch
  of a bucket goes into the next longer.

  Args:
    lengths: ints, of the rows.
    ends: of `buckets`.
    size: rows in a batch.
    draw: numpy Generator that orders the rows.
    order: numpy Generator that orders the batches; the same for all trials.

  Returns:
    `[(length, int rows [size])]`, -1 for no row.
  """
  lengths = np.asarray(lengths)
  shuffled = draw.permutation(len(lengths))
  found, rest, start = [], shuffled[:0], 0
  for end in ends:
    own = (lengths[shuffled] > start) & (lengths[shuffled] <= end)
    members, start = np.concatenate([rest, shuffled[own]]), end
    full = len(members) // size * size
    found += [(end, one) for one in members[:full].reshape(-1, size)]
    rest = members[full:]
  if len(rest):
    found.append((ends[-1], np.pad(rest, (0, size - len(rest)),
                                   constant_values=-1)))
  return [found[number] for number in order.permutation(len(found))]


def in_order(lengths, ends, size):
  """As `epoch`, without any draw: the batches of an evaluation."""
  lengths = np.asarray(lengths)
  found, start = [], 0
  for end in ends:
    members = np.flatnonzero((lengths > start) & (lengths <= end))
    start = end
    for first in range(0, len(members), size):
      one = members[first:first + size]
      found.append((end, np.pad(one, (0, size - len(one)),
                                constant_values=-1)))
  return found


def collate(rows, picked, length, alternatives):
  """Arrays of some rows.

  Args:
    rows: list of `base.Row`.
    picked: int `[size]`, -1 for no row.
    length: to pad to.
    alternatives: most that a row has.

  Returns:
    dict: `tokens` int32 and `real` bool, `[size, alternatives, length]`;
    `weights` float32 `[size]`, 0 for no row; `targets`, stacked, those per
    token padded with -1; of prompts also `asked`, bool as `real`.
  """
  size = len(picked)
  tokens = np.zeros((size, alternatives, length), np.int32)
  real = np.zeros(tokens.shape, bool)
  targets = []
  for place, number in enumerate(picked):
    row = rows[max(number, 0)]
    targets.append(_padded(row.target, length))
    for which, ids in enumerate(row.tokens if number >= 0 else ()):
      tokens[place, which, :len(ids)] = ids
      real[place, which, :len(ids)] = True
  found = {'tokens': tokens, 'real': real, 'targets': np.stack(targets),
           'weights': (np.asarray(picked) >= 0).astype(np.float32)}
  if rows[0].asked:
    found['asked'] = np.zeros(tokens.shape, bool)
    for place, number in enumerate(picked):
      for which, part in enumerate(rows[number].asked if number >= 0 else ()):
        found['asked'][place, which, slice(*part)] = True
  return found


def _padded(target, length):
  """A target per token, marked by being a list, as an array."""
  if not isinstance(target, list):
    return target
  target = target[:length]  # of a row that only stands in for none
  return np.asarray(target + [-1] * (length - len(target)), np.int32)
