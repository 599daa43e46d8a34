"""SentencePiece, made lossless and unable to produce a control token.

SentencePiece shows a space as U+2581, so a U+2581 of the text itself is
escaped first; everything else is kept as it is, and what the pieces do not
cover is spelled in bytes. Every valid string comes back exactly.
"""

import hashlib
import io
import itertools
import json
import pathlib
import re

import numpy as np
import sentencepiece

from ptm_jax.data.vocabulary import NUM_CONTROL, NUM_SENTINELS, Vocabulary
from ptm_jax.errors import ConfigError, DataError

WORD_START, SENTENCE_START, DOCUMENT_START = 1, 2, 4

# The escape character; itself written twice.
_ESCAPE, _SPACE = '\u241b', '\u2581'
_TO_ESCAPE = re.compile(f'[{_ESCAPE}{_SPACE}]')
_ESCAPED = re.compile(f'{_ESCAPE}([{_ESCAPE}s])')
# SentencePiece skips training lines over 4192 bytes; cut them before that.
_LINE_BYTES = 4000
# A piece of SentencePiece's vocabulary shows a byte as <0x41>.
_BYTE = re.compile(r'<0x([0-9A-F]{2})>')
_SHIFT = NUM_CONTROL - 1  # SentencePiece's id 0 is its unknown token, our 3


def escape(text):
  """Replaces what SentencePiece would confuse; undone by `unescape`."""
  return _TO_ESCAPE.sub(
      lambda found: _ESCAPE + ('s' if found[0] == _SPACE else _ESCAPE), text)


def unescape(text):
  """Undoes `escape`."""
  return _ESCAPED.sub(
      lambda found: _SPACE if found[1] == 's' else _ESCAPE, text)


class Tokenizer:
  """Text to ids and back.

  Attributes:
    vocabulary: `Vocabulary`.
    piece_bytes: int32 `[vocab]`, UTF-8 bytes that each id stands for; 0 for
      control ids.
    hash: of the pieces in their order, not of the model file, which differs
      from run to run.
    lossless: whether every string comes back; False for a foreign model.
  """

  def __init__(self, model, lossless=True):
    try:
      self._processor = sentencepiece.SentencePieceProcessor(
          model_proto=model)
    except RuntimeError as error:
      raise DataError(f'not a SentencePiece model: {error}') from error
    self._model, self.lossless = model, lossless
    count = self._processor.get_piece_size()
    if self._processor.unk_id() != 0:
      raise DataError('the SentencePiece model has its unknown token at '
                      f'{self._processor.unk_id()}, expected 0')
    self.vocabulary = Vocabulary(_SHIFT + count + NUM_SENTINELS)
    self._pieces = [self._processor.id_to_piece(i) for i in range(count)]
    self._make_tables()
    digest = hashlib.blake2b(digest_size=16)
    for piece in self._pieces:
      digest.update(piece.encode() + b'\0')
    self.hash = digest.hexdigest()

  def _make_tables(self):
    """Per id: bytes, and what flags need to know of its first and last."""
    size, processor = self.vocabulary.size, self._processor
    self.piece_bytes = np.zeros(size, np.int32)
    self._spaced, self._blank, self._newline, self._closes = (
        np.zeros(size, bool) for _ in range(4))
    for number, piece in enumerate(self._pieces):
      one = number + _SHIFT
      if number == 0 or processor.is_control(number):
        continue
      byte = _BYTE.fullmatch(piece) if processor.is_byte(number) else None
      text = chr(int(byte[1], 16)) if byte else piece.replace(_SPACE, ' ')
      self.piece_bytes[one] = 1 if byte else len(text.encode())
      self._spaced[one] = text[0].isspace()
      self._newline[one] = text[-1] == '\n'
      self._blank[one] = text.isspace() and not self._newline[one]
      self._closes[one] = text.rstrip()[-1:] in tuple('.?!')

  def encode(self, text):
    """int32 `[n]` text ids; raises DataError for a lone surrogate."""
    try:
      ids = self._processor.encode(escape(text) if self.lossless else text)
    except (RuntimeError, UnicodeEncodeError) as error:
      raise DataError(f'text that is not valid Unicode: {error}') from error
    ids = np.asarray(ids, np.int32)
    return np.where(ids == 0, self.vocabulary.unk_id, ids + _SHIFT).astype(
        np.int32)

  def encode_with_flags(self, text):
    """Ids of one document and a byte of flags per token.

    A word starts with white space (all of it, where it is several tokens)
    or behind a newline, which is a word of its own. A sentence starts with
    the word behind a newline or behind a token that ends in `.`, `?` or `!`.

    Returns:
      int32 `[n]` and uint8 `[n]` (`WORD_START | SENTENCE_START | ...`).
    """
    ids = self.encode(text)
    flags = np.zeros(len(ids), np.uint8)
    if not len(ids):
      return ids, flags
    before = np.concatenate([[self.vocabulary.eos_id], ids[:-1]])
    word = self._newline[before] | (self._spaced[ids] & ~self._blank[before])
    sentence = word & ~self._newline[ids] & (
        self._closes[before] | self._newline[before])
    flags[word] |= WORD_START
    flags[sentence] |= SENTENCE_START
    flags[0] = WORD_START | SENTENCE_START | DOCUMENT_START
    return ids, flags

  def decode(self, ids):
    """The text of ids; control ids and sentinels are left out."""
    ids = np.asarray(ids)
    known = (ids >= NUM_CONTROL) & (ids < self.vocabulary.text_end)
    text = self._processor.decode((ids[known] - _SHIFT).tolist())
    return unescape(text) if self.lossless else text

  def pieces(self, ids):
    """Each id as a short string to show: its piece, or a control token."""
    names = ('<pad>', '<s>', '</s>', '<unk>', '<mask>', '<cls>', '<sep>')
    def show(one):
      if one < NUM_CONTROL:
        return names[one]
      if one >= self.vocabulary.text_end:
        return f'<{self.vocabulary.size - 1 - one}>'
      return self._pieces[one - _SHIFT]
    return [show(int(one)) for one in np.asarray(ids)]

  def save(self, folder):
    """Writes `tokenizer.model` and `tokenizer.json` into `folder`."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'tokenizer.model').write_bytes(self._model)
    (folder / 'tokenizer.json').write_text(json.dumps(
        {'hash': self.hash, 'vocab_size': self.vocabulary.size,
         'lossless': self.lossless}) + '\n')

  @classmethod
  def load(cls, folder):
    """Reads what `save` wrote; raises DataError if it cannot be used."""
    folder = pathlib.Path(folder)
    try:
      facts = json.loads((folder / 'tokenizer.json').read_text())
      tokenizer = cls((folder / 'tokenizer.model').read_bytes(),
                      bool(facts['lossless']))
    except (OSError, ValueError, KeyError, TypeError) as error:
      raise DataError(f'{folder} holds no usable tokenizer: {error}') from error
    if tokenizer.hash != facts['hash']:
      raise DataError(f'{folder}: the tokenizer differs from its recorded '
                      'hash: it was changed or damaged')
    return tokenizer

  @classmethod
  def read(cls, path):
    """An existing SentencePiece `.model`, with its own normalisation."""
    try:
      model = pathlib.Path(path).read_bytes()
    except OSError as error:
      raise DataError(f'tokenizer.path={path}: {error.strerror}') from error
    return cls(model, lossless=False)


def train(config, texts):
  """Trains a lossless tokenizer.

  Args:
    config: `config.Tokenizer`.
    texts: iterable of strings, the train split; read up to `train_bytes`.

  Raises:
    ConfigError: the vocabulary cannot hold the control ids and the bytes.
    DataError: the text supports no vocabulary of this size.
  """
  pieces = config.vocab_size - _SHIFT - NUM_SENTINELS
  smallest = 256 + 1 + 32
  if pieces < smallest:
    raise ConfigError(
        f'tokenizer.vocab_size={config.vocab_size} is too small: '
        f'{NUM_CONTROL} control ids, {NUM_SENTINELS} sentinels and 256 bytes '
        f'leave no room for text; use at least '
        f'{smallest + _SHIFT + NUM_SENTINELS}')
  lines = iter(_lines(texts, config.train_bytes))
  first = next(lines, None)
  if first is None:
    raise DataError('the train split has no text to train a tokenizer on')
  model = io.BytesIO()
  try:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=itertools.chain([first], lines), model_writer=model,
        model_type=config.kind, vocab_size=pieces, num_threads=1,
        normalization_rule_name='identity', remove_extra_whitespaces=False,
        add_dummy_prefix=False, byte_fallback=True,
        allow_whitespace_only_pieces=True, split_by_whitespace=True,
        character_coverage=0.9995 if pieces > 1000 else 0.98,
        user_defined_symbols=['\n'], pad_id=-1, bos_id=-1, eos_id=-1,
        unk_id=0, max_sentence_length=2 * _LINE_BYTES,
        minloglevel=2)
  except RuntimeError as error:
    raise DataError(_explain(config, str(error))) from error
  return Tokenizer(model.getvalue())


def _explain(config, message):
  """SentencePiece's reason in one line, with the largest possible size."""
  found = re.search(r'<= (\d+)', message)
  if found:
    largest = int(found[1]) + _SHIFT + NUM_SENTINELS
    return (f'tokenizer.vocab_size={config.vocab_size} is more than the corpus '
            f'supports: use at most {largest}')
  return (f'cannot train a tokenizer of vocab_size={config.vocab_size}: '
          + ' '.join(message.split())[-200:])


def _lines(texts, budget):
  """Lines of at most `_LINE_BYTES` until `budget` bytes are used."""
  for text in texts:
    for line in escape(text).split('\n'):
      raw = line.encode()
      for start in range(0, len(raw), _LINE_BYTES):
        part = raw[start:start + _LINE_BYTES].decode('utf8', 'ignore')
        if part:
          yield part
          budget -= len(part.encode())
      if budget <= 0:
        return
