"""The tokenizer of a corpus that has no text: its symbols are its ids.

A document of such a corpus is a string with one character for each symbol, so
that everything that works on documents works on it.
"""

import json
import pathlib

import numpy as np

from ptm_jax.data.flags import DOCUMENT_START, SENTENCE_START, WORD_START
from ptm_jax.data.vocabulary import NUM_CONTROL, NUM_SENTINELS, Vocabulary
from ptm_jax.errors import DataError

_FIRST = 0x4E00  # the character of symbol 0; 20,000 letters follow it
MOST = 20_000


def spell(symbols):
  """The string of a sequence of symbols, ints in [0, MOST)."""
  return ''.join(map(chr, (np.asarray(symbols) + _FIRST).tolist()))


class Symbols:
  """As `tokenizer.Tokenizer`, for `count` symbols.

  Symbols below `word_starts` begin words, all by default. Each counts as one
  byte, so that bits per byte are bits per symbol. A sentence starts after
  every `sentence_length` symbols of a document; 0 is with the document alone.
  """

  lossless = True

  def __init__(self, count, word_starts=None, sentence_length=0):
    self.vocabulary = Vocabulary(NUM_CONTROL + count + NUM_SENTINELS)
    self._count = count
    self._word_starts = count if word_starts is None else word_starts
    self._sentence_length = sentence_length
    text = slice(self.vocabulary.text_start, self.vocabulary.text_end)
    self.piece_bytes = np.zeros(self.vocabulary.size, np.int32)
    self.piece_bytes[text] = 1
    self.spellings = [b''] * self.vocabulary.size
    self.spellings[text] = [chr(_FIRST + i).encode() for i in range(count)]
    self.sample = spell(np.arange(12) % count)
    self.hash = f'{count}-symbols-{self._word_starts}-begin-words' + (
        f'-{sentence_length}-a-sentence' if sentence_length else '')

  def encode(self, text):
    """int32 `[n]`; raises DataError for what is no symbol."""
    found = np.asarray([ord(letter) - _FIRST for letter in text], np.int32)
    if np.any((found < 0) | (found >= self._count)):
      raise DataError(f'text for a source of {self._count} symbols must be '
                      'made of its symbols, as decode gives them')
    return found + NUM_CONTROL

  def encode_documents(self, texts):
    """As `Tokenizer.encode_documents`."""
    parts = [self.encode(text) for text in texts]
    lengths = np.asarray([len(part) for part in parts], np.int64)
    ids = np.concatenate([np.zeros(0, np.int32), *parts])
    flags = np.where(ids < NUM_CONTROL + self._word_starts, WORD_START,
                     0).astype(np.uint8)
    first = np.cumsum(lengths) - lengths
    starts = first[lengths > 0]
    if self._sentence_length:
      place = np.arange(len(ids)) - np.repeat(first, lengths)
      flags[place % self._sentence_length == 0] |= WORD_START | SENTENCE_START
    flags[starts] |= WORD_START | SENTENCE_START | DOCUMENT_START
    return ids, flags, lengths

  def encode_with_flags(self, text):
    """As `Tokenizer.encode_with_flags`."""
    return self.encode_documents([text])[:2]

  def decode(self, ids):
    """The string of ids; control ids and sentinels are left out."""
    ids = np.asarray(ids, np.int64)
    return spell(ids[(ids >= NUM_CONTROL) & (ids < self.vocabulary.text_end)]
                 - NUM_CONTROL)

  def pieces(self, ids):
    """Each id as a short string: a symbol's number, or `<id>`."""
    end = self.vocabulary.text_end
    return [str(one - NUM_CONTROL) if NUM_CONTROL <= one < end else f'<{one}>'
            for one in np.asarray(ids).tolist()]

  def save(self, folder):
    """Writes `tokenizer.json` into `folder`."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'tokenizer.json').write_text(
        json.dumps({'hash': self.hash, 'symbols': self._count,
                    'word_starts': self._word_starts,
                    'sentence_length': self._sentence_length}) + '\n')
