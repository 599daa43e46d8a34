"""SentencePiece, made lossless and unable to produce a control token.

SentencePiece shows a space as U+2581, so a U+2581 of the text itself is
escaped first; everything else is kept as it is, and what the pieces do not
cover is spelled in bytes. Every valid string comes back exactly.
"""

import hashlib
import json
import pathlib
import re

import numpy as np
import sentencepiece

from ptm_jax.data.capitals import Capitals, lower
from ptm_jax.data import published
from ptm_jax.data.flags import Flagger
from ptm_jax.data.symbols import Symbols
from ptm_jax.data.vocabulary import NUM_CONTROL, NUM_SENTINELS, Vocabulary
from ptm_jax.errors import DataError

# The escape character; itself written twice.
ESCAPE, SPACE = '\u241b', '\u2581'
_TO_ESCAPE = re.compile(f'[{ESCAPE}{SPACE}]')
_ESCAPED = re.compile(f'{ESCAPE}([{ESCAPE}s])')
# A piece of SentencePiece's vocabulary shows a byte as <0x41>.
_BYTE = re.compile(r'<0x([0-9A-F]{2})>')
# Characters that SentencePiece cuts into pieces at once: sums of scores stay
# exact (`train_tokenizer.with_even_scores`), and memory bounded.
_AT_ONCE = 2**13
NAMES = ('<pad>', '<s>', '</s>', '<unk>', '<mask>', '<cls>', '<sep>')


def escape(text):
  """Replaces what SentencePiece would confuse; undone by `unescape`."""
  return _TO_ESCAPE.sub(
      lambda found: ESCAPE + ('s' if found[0] == SPACE else ESCAPE), text)


def unescape(text):
  """Undoes `escape`; what is no escape is left alone."""
  return _ESCAPED.sub(
      lambda found: SPACE if found[1] == 's' else ESCAPE, text)


class Tokenizer:
  """Text to ids and back.

  Every piece but SentencePiece's unknown token has an id of its own, in the
  model's order; the unknown token is our `unk_id`.

  Args:
    model: bytes of a SentencePiece model that `train_tokenizer` trained.
    lower_case: whether text is put into lower case first, in which it then
      comes back.

  Attributes:
    sample: a text to show what a trained model does.
    vocabulary: `Vocabulary` of 7 + pieces + 100 ids.
    piece_bytes: int32 `[vocab]`, UTF-8 bytes that each id stands for; 0 for
      control ids. An escaped U+2581 or U+241B counts its escape.
    spellings: list `[vocab]` of bytes that each id stands for in the text as
      it is escaped; b'' for control ids.
    hash: of the vocabulary: pieces and scores in their order. A model file
      differs from run to run.
    lossless: whether every string comes back.
  """

  sample = 'Return the sum of the array elements over a given axis.'

  lossless = True

  def __init__(self, model, lower_case=False):
    if not model:
      raise DataError('not a SentencePiece model: it is empty')
    try:
      self._processor = sentencepiece.SentencePieceProcessor(
          model_proto=model)
    except RuntimeError as error:
      raise DataError('not a SentencePiece model: '
                      f'{" ".join(str(error).split())[:200]}') from error
    self._model, self.lower_case = model, lower_case
    processor = self._processor
    count, unknown = processor.get_piece_size(), processor.unk_id()
    # SentencePiece's numbers of our text ids, and our ids of its numbers.
    self._numbers = np.delete(np.arange(count), unknown)
    self._ids = np.full(count, Vocabulary.unk_id, np.int32)
    self._ids[self._numbers] = NUM_CONTROL + np.arange(count - 1)
    self.vocabulary = Vocabulary(NUM_CONTROL + count - 1 + NUM_SENTINELS)
    self._pieces = [processor.id_to_piece(i) for i in range(count)]
    self._make_tables()
    self.hash = self._hash()

  def _make_tables(self):
    size, processor = self.vocabulary.size, self._processor
    self.piece_bytes = np.zeros(size, np.int32)
    texts, self.spellings = [''] * size, [b''] * size
    for one, number in enumerate(self._numbers.tolist(), NUM_CONTROL):
      piece = self._pieces[number]
      if processor.is_control(number):
        continue
      if processor.is_byte(number):
        byte = int(_BYTE.fullmatch(piece)[1], 16)
        self.piece_bytes[one] = 1
        texts[one] = chr(byte) if byte < 0x80 else ''
        self.spellings[one] = bytes([byte])
      else:
        texts[one] = piece.replace(SPACE, ' ')
        self.spellings[one] = texts[one].encode()
        self.piece_bytes[one] = len(self.spellings[one])
    self._flag = Flagger(texts)

  def scores(self):
    """float32 `[vocab]`, SentencePiece's scores; 0 for ids that are ours."""
    scores = np.zeros(self.vocabulary.size, np.float32)
    for one, number in enumerate(self._numbers.tolist(), NUM_CONTROL):
      scores[one] = self._processor.get_score(number)
    return scores

  def is_byte(self, one):
    """Whether an id stands for a byte, whatever text it is part of."""
    return (NUM_CONTROL <= one < self.vocabulary.text_end
            and self._processor.is_byte(int(self._numbers[one - NUM_CONTROL])))

  @property
  def is_unigram(self):
    """Whether the likeliest pieces are taken; else they are merged (BPE),
    whose scores are the negative order of the merges."""
    scores = self.scores()
    return bool(np.any(scores != np.round(scores)))

  def _hash(self):
    digest = hashlib.blake2b(b'lower' * self.lower_case, digest_size=16)
    for number, piece in enumerate(self._pieces):
      score = np.float32(self._processor.get_score(number))
      digest.update(piece.encode() + b'\0' + score.tobytes())
    return digest.hexdigest()

  def encode(self, text):
    """int32 `[n]` text ids; raises DataError for a lone surrogate."""
    return self._encode([text])[0]

  def encode_with_flags(self, text):
    """Ids of one document, int32 `[n]`, and flags, uint8 `[n]`.

    The bits are `flags.WORD_START`, `SENTENCE_START` and `DOCUMENT_START`, and
    of a text in lower case `CAPITAL`; `flags` states the rules.
    """
    ids, flags, _ = self.encode_documents([text])
    return ids, flags

  def encode_documents(self, texts):
    """Several documents at once; the result is that of each alone.

    Args:
      texts: list of strings.

    Returns:
      ids, int32 `[n]`, one document after the other; flags, uint8 `[n]`; and
      each document's number of tokens, int64 `[documents]`.
    """
    parts = self._encode(texts)
    lengths = np.asarray([len(part) for part in parts], np.int64)
    ids = np.concatenate([np.zeros(0, np.int32), *parts])
    starts = np.cumsum(lengths) - lengths
    capitals = self._capitals(ids, texts) if self.lower_case else None
    return ids, self._flag(ids, starts[lengths > 0], capitals), lengths

  def _capitals(self, ids, texts):
    """What `Flagger` asks of texts that became lower case."""
    found = Capitals([escape(text) for text in texts])
    sizes = self.piece_bytes[ids].astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    return lambda tokens: found.first(starts[tokens])

  def _encode(self, texts):
    """A list of ids `[n]`, one per text."""
    if self.lower_case:
      texts = [lower(text) for text in texts]
    texts = [escape(text) for text in texts]
    cut = [list(_parts(text)) for text in texts]
    parts = [part for one in cut for part in one]
    counts = [len(one) for one in cut]
    try:
      numbers = self._processor.encode(parts)
    except (RuntimeError, TypeError, UnicodeEncodeError) as error:
      raise DataError(f'text that is not valid Unicode: {error}') from error
    rows = iter(numbers)
    return [self._ids[np.asarray(
        [one for _ in range(count) for one in next(rows)], np.int64)]
            for count in counts]

  def decode(self, ids):
    """The text of ids; control ids and sentinels are left out."""
    ids = np.asarray(ids, np.int64)
    known = (ids >= NUM_CONTROL) & (ids < self.vocabulary.text_end)
    numbers = self._numbers[ids[known] - NUM_CONTROL]
    return unescape(self._processor.decode(numbers.tolist()))

  def pieces(self, ids):
    """Each id as a short string to show: its piece, or a control token."""
    def show(one):
      if one < NUM_CONTROL:
        return NAMES[one]
      if one >= self.vocabulary.text_end:
        return f'<{self.vocabulary.size - 1 - one}>'
      return self._pieces[self._numbers[one - NUM_CONTROL]]
    return [show(int(one)) for one in np.asarray(ids)]

  def save(self, folder):
    """Writes `tokenizer.model` and `tokenizer.json` into `folder`."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'tokenizer.model').write_bytes(self._model)
    (folder / 'tokenizer.json').write_text(json.dumps(
        {'hash': self.hash, 'vocab_size': self.vocabulary.size,
         'lossless': self.lossless, 'lower_case': self.lower_case}) + '\n')

  @classmethod
  def load(cls, folder):
    """Reads what `save` wrote, here, in `Symbols` or in `Published`; raises
    DataError if it cannot be used."""
    folder = pathlib.Path(folder)
    if (folder / published.FACTS).is_file():
      return published.Published.load(folder)
    try:
      facts = json.loads((folder / 'tokenizer.json').read_text())
      if 'symbols' in facts:
        return Symbols(int(facts['symbols']), int(facts['word_starts']),
                       int(facts.get('sentence_length') or 0))
      known = facts['hash'], facts['vocab_size']
      lower_case = bool(facts['lower_case'])
      model = (folder / 'tokenizer.model').read_bytes()
    except (OSError, ValueError, KeyError, TypeError,
            RecursionError) as error:
      raise DataError(f'{folder} holds no usable tokenizer: {error}') from error
    if not facts.get('lossless'):
      raise DataError(f'{folder} holds a foreign SentencePiece model with ids '
                      'of an earlier version: use its file as tokenizer.path')
    tokenizer = cls(model, lower_case)
    if (tokenizer.hash, tokenizer.vocabulary.size) != known:
      raise DataError(f'{folder}: the tokenizer differs from its recorded '
                      'hash: it was changed or damaged')
    return tokenizer

  @classmethod
  def read(cls, path):
    """What `tokenizer.path` names: the `tokenizer/` of a run, or published
    files (`Published`) with new ids for what they lack."""
    path = pathlib.Path(path)
    try:
      if _is_ours(path):
        return cls.load(path)
      return published.Published.read(path, complete=True)
    except DataError as error:
      raise DataError(f'tokenizer.path={error}') from error


def _is_ours(folder):
  """Whether a folder is what `save` wrote, of any tokenizer."""
  try:
    return (folder / published.FACTS).is_file() or 'hash' in json.loads(
        (folder / 'tokenizer.json').read_text())
  except (OSError, ValueError, TypeError, RecursionError):
    return False


def _parts(text):
  """Cuts a text behind its newlines, which no piece of ours reaches across,
  and a long line before a space, or else anywhere."""
  start = 0
  while start < len(text):
    end = text.find('\n', start, start + _AT_ONCE) + 1
    if not end and len(text) - start > _AT_ONCE:
      # A run of spaces may be one piece: cut before its first.
      end = text.rfind(' ', start + 1, start + _AT_ONCE)
      while end > start and text[end - 1] == ' ':
        end -= 1
      if end <= start:
        end = start + _AT_ONCE
    end = end or len(text)
    yield text[start:end]
    start = end
