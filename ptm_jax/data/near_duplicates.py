"""Groups of documents that say the same, so that a split holds all of one."""

import collections

import numpy as np

_WORDS = 13  # in a shingle: long enough not to be shared by chance
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def group(texts, share=0.1, common=20, keep=4):
  """Joins texts that share many runs of 13 words.

  Two texts are joined if the runs they have in common are at least `share` of
  the shorter one's; runs that more than `common` texts hold (licences,
  boilerplate) do not count, nor do fewer than 3. Joining is transitive.

  Args:
    texts: list of strings.
    share: fraction of the runs of the text that has fewer.
    common: texts.
    keep: one run in so many is looked at, chosen by its hash.

  Returns:
    int64 `[texts]`: the number of the first text in each text's group.
  """
  held = [shingles(text, keep) for text in texts]
  owners = np.repeat(np.arange(len(texts)), [len(one) for one in held])
  hashes = np.concatenate([np.zeros(0, np.uint64), *held])
  order = np.argsort(hashes, kind='stable')
  hashes, owners = hashes[order], owners[order]
  edges = np.flatnonzero(np.diff(hashes)) + 1
  starts = np.concatenate([[0], edges])
  ends = np.concatenate([edges, [len(hashes)]])
  several = (ends - starts >= 2) & (ends - starts <= common)
  shared = collections.Counter()
  for start, end in zip(starts[several], ends[several], strict=True):
    members = owners[start:end].tolist()  # ascending: the sort is stable
    for i, first in enumerate(members):
      for second in members[i + 1:]:
        shared[first, second] += 1
  parent = list(range(len(texts)))

  def root(number):
    while parent[number] != number:
      parent[number] = parent[parent[number]]
      number = parent[number]
    return number

  for (first, second), count in shared.items():
    if count >= max(3, share * min(len(held[first]), len(held[second]))):
      low, high = sorted((root(first), root(second)))
      parent[high] = low
  return np.asarray([root(number) for number in range(len(texts))], np.int64)


def shingles(text, keep=1):
  """Hashes of a text's runs of 13 words, each once, uint64 `[runs]`."""
  words = np.asarray([_word_hash(word) for word in text.split()], np.uint64)
  if len(words) < _WORDS:
    return np.zeros(0, np.uint64)
  runs = np.zeros(len(words) - _WORDS + 1, np.uint64)
  for place in range(_WORDS):  # a polynomial in the multiplier, modulo 2**64
    runs = runs * _MULTIPLIER + words[place:place + len(runs)]
  runs ^= runs >> np.uint64(29)
  runs *= _MULTIPLIER
  return np.unique(runs[(runs >> np.uint64(32)) % np.uint64(keep) == 0])


def _word_hash(word):
  # FNV-like, and the same in every process, unlike hash().
  return int.from_bytes(word.encode()[:8].ljust(8, b'\0'), 'little') ^ (
      len(word) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF)
