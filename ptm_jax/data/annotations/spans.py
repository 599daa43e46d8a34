"""From stretches of a document's text to a byte plane over its tokens.

A token store holds all of its text, so a plane can be added to it at any
time. To add an annotator, write `data/annotations/NAME.py` with a class
`Annotator` derived from `config.Component`:

  check(corpus)               raises ConfigError if it cannot work on it
  fingerprint(corpus)         str: all that decides the planes but the store
  annotate(prepared, corpus)  `{split: uint8 [tokens]}`
"""

import bisect
import re

import numpy as np

# What a plane says of a token: it begins a marked stretch, or goes on with it.
BEGINS, GOES_ON = 1, 2
# Letters and digits of any script: what names and phrases are made of.
_WORD = re.compile(r'\w+')


class Finder:
  """Finds names in text: whole words, the longest first, from the left.

  Args:
    names: strings; the case counts, the kind of white space does not.
  """

  def __init__(self, names):
    self._names = {' '.join(name.split()) for name in names}
    self._counts = {}  # numbers of words that names have, by their first word
    for name in self._names:
      words = _WORD.findall(name)
      if words:
        self._counts.setdefault(words[0], set()).add(len(words))
    self._counts = {word: sorted(counts, reverse=True)
                    for word, counts in self._counts.items()}

  def __call__(self, text):
    """Yields `(start, end)` of each name, in characters."""
    words = [found.span() for found in _WORD.finditer(text)]
    number = 0
    while number < len(words):
      start, end = words[number]
      for count in self._counts.get(text[start:end], ()):
        last = words[min(number + count, len(words)) - 1][1]
        if ' '.join(text[start:last].split()) in self._names:
          yield start, last
          number += count
          break
      else:
        number += 1


def words(text):
  """`(start, end, word)` of each word, in characters."""
  return [(*found.span(), found[0]) for found in _WORD.finditer(text)]


def documents(store, tokenizer):
  """Yields each document: its first token, its text and where its tokens
  start in the text, int64 `[tokens + 1]`, in characters."""
  spellings = tokenizer.spellings
  for first, end in zip(store.document_starts, store.document_starts[1:]):
    pieces = [spellings[one] for one in store.ids[first:end].tolist()]
    raw = b''.join(pieces)
    text = raw.decode('utf8', 'replace')
    starts = np.cumsum([0, *map(len, pieces)])
    if len(text) != len(raw):  # bytes -> characters
      starts = _characters(text)[np.minimum(starts, len(raw))]
    yield int(first), text, starts


def _characters(text):
  """The character that each byte of the UTF-8 text belongs to, and the end."""
  points = np.frombuffer(text.encode('utf-32-le', 'surrogatepass'), np.uint32)
  sizes = (1 + (points >= 0x80) + (points >= 0x800).astype(int)
           + (points >= 0x10000))
  return np.append(np.repeat(np.arange(len(points)), sizes), len(points))


def mark(store, tokenizer, find):
  """Marks stretches of a split's text.

  Args:
    store: `store.Store`.
    tokenizer: `tokenizer.Tokenizer`.
    find: `(text) -> (start, end)` pairs in characters, in order, apart.

  Returns:
    uint8 `[tokens]`: `BEGINS` on the first token of a stretch, `GOES_ON` on
    its other tokens, 0 elsewhere. A token that reaches into two stretches
    belongs to the first.
  """
  plane = np.zeros(store.num_tokens, np.uint8)
  for offset, text, starts in documents(store, tokenizer):
    free, places = 0, starts.tolist()
    for start, end in find(text):
      # The token that covers the first character, to the one with the last.
      first = max(bisect.bisect_right(places, start) - 1, free)
      free = bisect.bisect_left(places, end)
      if first < free:
        plane[offset + first] = BEGINS
        plane[offset + first + 1:offset + free] = GOES_ON
  return plane
