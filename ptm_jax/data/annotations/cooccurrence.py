"""How often two words stand near each other in the train split."""

import dataclasses
import functools

import numpy as np

from ptm_jax import config
from ptm_jax.data.annotations import word_frequency

STEP = 8  # a plane's number is so many times log2 of 16 times the count


def log_count(numbers):
  """ln X from a plane's numbers (numpy or jax arrays), where they are not 0."""
  return (numbers / STEP - 4) * np.log(2)


@dataclasses.dataclass
class Annotator(config.Component):
  """Marks the first token of every word with the count X of this word and of
  the one `distance` words on, as a number: round(8 log2(16 X)), from 1 to 255;
  0 if there is no such word in the document, or the train split lacks the
  pair. X adds up 1 / d over the pairs of the train split that stand d <=
  `window` words apart, in both orders (Pennington et al. 2014, section 4.2).

  Attributes:
    window: words on either side that count as near.
    distance: of the pair that is marked, from 1 to `window`.
  """

  window: int = 10
  distance: int = 1

  def check(self, corpus):
    """Any corpus will do."""

  def fingerprint(self, corpus):
    """Which count and which pair."""
    return f'{self.window} {self.distance}'

  def annotate(self, prepared, corpus):
    """A plane for each split."""
    table = _counted(prepared.stores['train'], self.window)
    found = {}
    for split, store in prepared.stores.items():
      found[split] = np.zeros(store.num_tokens, np.uint8)
      if not store.num_tokens:
        continue
      pairs, places = _pairs(_named(store, table[0]), store, self.distance)
      at = np.minimum(np.searchsorted(table[1], pairs), len(table[1]) - 1)
      known = table[1][at] == pairs
      numbers = np.clip(np.round(STEP * np.log2(16 * table[2][at])), 1, 255)
      found[split][places] = np.where(known, numbers, 0)
    if self.distance == self.window:  # the last one that asks
      _counted.cache_clear()
    return found


@functools.lru_cache(1)  # all distances ask for it, one after the other
def _counted(store, window):
  """The train split's words, sorted; its pairs, sorted; X of each pair."""
  words = np.unique(word_frequency.hashes_of(store))
  named = _named(store, words)
  keys, sums = np.zeros(0, np.int64), np.zeros(0)
  for distance in range(1, window + 1):
    pairs, _ = _pairs(named, store, distance)
    found, counts = np.unique(pairs, return_counts=True)
    keys, place = np.unique(np.concatenate([keys, found]),
                            return_inverse=True)
    sums = np.bincount(place, np.concatenate([sums, counts / distance]),
                       len(keys))
  # A word beside itself is counted in both orders, in the same cell.
  same = keys // (len(words) + 1) == keys % (len(words) + 1)
  return words, keys, sums * (1 + same)


def _named(store, words):
  """Each word of a store as its number among `words`, or their count; and how
  many there are with that one."""
  hashes = word_frequency.hashes_of(store)
  at = np.minimum(np.searchsorted(words, hashes), len(words) - 1)
  return np.where(words[at] == hashes, at, len(words)), len(words) + 1


def _pairs(named, store, distance):
  """A number for each pair of words of a document that stand so far apart, in
  either order, and the first token of the pair."""
  numbers, count = named
  starts = word_frequency.starts_of(store)
  document = np.searchsorted(store.document_starts, starts, 'right')
  one, two = numbers[:-distance], numbers[distance:]
  inside = document[:-distance] == document[distance:]
  pairs = np.minimum(one, two) * count + np.maximum(one, two)
  return pairs[inside], starts[:-distance][inside]
