"""Scores texts with a trained run, in the way that its objective allows.

    import ptm_jax
    from ptm_jax.scoring.scorer import Scorer, Text
    scorer = Scorer(ptm_jax.load('runs/bert'))
    print(scorer.way.says)
    one, = scorer.score([Text('mat.', context='The cat sat on the')])
    print(one.total)              # nats

What is scored are the tokens of the text itself: no `</s>`, no special token.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np

from ptm_jax.errors import ConfigError, DataError
from ptm_jax.find import name_of
from ptm_jax.objectives import ways

# Lengths that texts are padded to; a program is compiled for each.
LENGTHS = (8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_TOKENS = 2048  # in one call: more do not fit a CPU's caches
_COPIED = 2**22  # numbers in the copies of the texts that are made at once
SPECIAL = 4  # positions that special tokens may take


class Text(NamedTuple):
  """A text to score.

  Attributes:
    text: string.
    context: string before it, which is given.
    where: file and line, for messages.
  """

  text: str
  context: str = ''
  where: str = ''


@dataclasses.dataclass
class Score:
  """What a text scored.

  Attributes:
    nats: float64 `[n]`, of each token; a sum over them is the text's.
    correct: bool `[n]`, whether no token of the vocabulary was likelier.
    num_words: of the text, between white space.
    num_bytes: of the text in UTF-8.
    cut: tokens of the context that had no room and were left out, from its
      beginning on.
  """

  nats: np.ndarray
  correct: np.ndarray
  num_words: int
  num_bytes: int
  cut: int = 0

  @property
  def total(self):
    """Nats in all: lower is better."""
    return float(self.nats.sum())


class Ids(NamedTuple):
  """As `Text`, in tokens: int32 `[n]`, of which the first `context` are given,
  bool `[n]`, where words start, and how many at the end stand behind what is
  scored; see `ways.Way.end`."""

  ids: np.ndarray
  context: int
  starts: np.ndarray
  behind: int = 0


class Scorer:
  """Scores texts.

  Args:
    run: `load.Loaded`.
    way: name of one of the objective's ways; '' is its first.

  Attributes:
    name: of the way.
    way: `objectives.ways.Way`.
    room: tokens that a text and its context may have.

  Raises:
    ConfigError: the objective has no such way, or none.
  """

  def __init__(self, run, way=''):
    known = run.objective.ways()
    kind = name_of(run.objective)[1]
    if not known:
      raise ConfigError(f'{kind} gives a text no score: its trunk can be '
                        'embedded, probed and fine-tuned')
    if way and way not in known:
      raise ConfigError(f'--scorer={way}: {kind} scores texts by '
                        f'{", ".join(known)}')
    self.name = way or next(iter(known))
    self.way, self.run = known[self.name], run
    self.room = run.objective.model.max_length - SPECIAL
    self._program = jax.jit(functools.partial(ways.nats, self.way),
                            static_argnames='most')

  def score(self, texts, show=lambda count: None):
    """Scores texts, which may come in any order and of any lengths.

    Args:
      texts: list of `Text`.
      show: called with the number of texts that are done.

    Returns:
      list of `Score`.

    Raises:
      DataError: a text alone has more tokens than there is room.
    """
    pairs = [self._ids(text) for text in texts]
    found = self.score_ids([ids for ids, _ in pairs], show)
    return [Score(*one, len(text.text.split()), len(text.text.encode()), cut)
            for one, text, (_, cut) in zip(found, texts, pairs, strict=True)]

  def _ids(self, text):
    # The space between both belongs to the text, as in training.
    context = text.context.rstrip(' ')
    spaces = text.context[len(context):]
    before, first = self.run.tokenizer.encode_with_flags(context)
    ids, flags = self.run.tokenizer.encode_with_flags(spaces + text.text)
    if len(ids) > self.room:
      raise DataError(f'{text.where or repr(text.text[:60])} has {len(ids)} '
                      f'tokens, and there is room for {self.room}: the model '
                      'has no more positions')
    cut = max(0, len(before) + len(ids) - self.room)
    before, first = before[cut:], first[cut:]
    return Ids(np.concatenate([before, ids]), len(before), np.concatenate(
        [first, flags]) & 1 > 0), cut

  def score_ids(self, texts, show=lambda count: None):
    """As `score`, of `Ids`: of each the nats, float64, and which were correct,
    bool, of the tokens behind the context that are asked for."""
    found, done = [None] * len(texts), 0
    most = self._most(texts)
    for length, numbers in _by_length(texts):
      part = [texts[number] for number in numbers]
      nats = np.zeros((len(part), length))
      wrong = np.zeros((len(part), length), bool)
      for owners, batch in _calls(part, self.way, length):
        one, missed = jax.device_get(self._program(
            self.run.params, *batch, most=most))
        np.add.at(nats, owners, one[:len(owners)])
        np.logical_or.at(wrong, owners, missed[:len(owners)])
        show(done + int(owners[-1]))
      for row, (number, text) in enumerate(zip(numbers, part, strict=True)):
        asked = slice(text.context, self.way.end(len(text.ids), text.behind))
        found[number] = nats[row, asked], ~wrong[row, asked]
      done += len(part)
      show(done)
    return found

  def _most(self, texts):
    """Tokens that a copy asks for at most, rounded up to few numbers."""
    counts = [self.way.end(len(one.ids), one.behind) - one.context
              for one in texts]
    return (1 << (max([1, *counts]) - 1).bit_length()) if self.way.few else None


def _by_length(texts):
  """Yields a padded length and numbers of texts that it suits, the shortest
  first, not so many at once that their copies would fill the memory."""
  groups = {}
  for number, text in enumerate(texts):
    size = len(text.ids)
    length = next((one for one in LENGTHS if size <= one),
                  -(-size // LENGTHS[-1]) * LENGTHS[-1])
    groups.setdefault(length, []).append(number)
  for length, numbers in sorted(groups.items()):
    size = max(1, _COPIED // length**2)
    for first in range(0, len(numbers), size):
      yield length, numbers[first:first + size]


def _calls(texts, way, length):
  """Yields the arguments of calls of one shape, the last one with empty rows.

  Args:
    texts: list of `Ids`, none longer than `length`.
    way: `ways.Way`.
    length: tokens of a row.

  Yields:
    int64 `[rows]`, which text each row is of, and the arrays of `ways.nats`.
  """
  ends = [way.end(len(one.ids), one.behind) for one in texts]
  parts = [way.copies(end, one.context, one.starts[:end])
           for end, one in zip(ends, texts, strict=True)]
  owners = np.repeat(np.arange(len(texts)), [len(rank) for rank, _ in parts])
  counts = np.asarray([len(one.ids) for one in texts], np.int32)
  tokens = _padded([one.ids[None] for one in texts], length)
  ranks, factors = (_padded(rows, length) for rows in zip(*parts))
  size = max(1, _TOKENS // length)
  if len(owners) < size:  # few rows do not wait for a whole call
    size = 1 << (len(owners) - 1).bit_length()
  for first in range(0, len(owners), size):
    own = owners[first:first + size]
    rows = (tokens[own], counts[own], ranks[first:first + size],
            factors[first:first + size])
    yield own, [np.pad(one, ((0, size - len(own)),) + ((0, 0),) * (
        one.ndim - 1)) for one in rows]


def _padded(parts, length):
  """Rows `[rows, n]` one part behind the other, n padded to a length."""
  found = np.zeros((sum(map(len, parts)), length), parts[0].dtype)
  first = 0
  for part in parts:
    found[first:first + len(part), :part.shape[1]] = part
    first += len(part)
  return found

