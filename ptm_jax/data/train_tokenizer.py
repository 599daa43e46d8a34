"""Trains a lossless SentencePiece tokenizer on a spread sample of text."""

import collections
import io
import re
import struct

import sentencepiece

from ptm_jax.data.capitals import lower
from ptm_jax.data.tokenizer import Tokenizer, escape
from ptm_jax.data.vocabulary import NUM_CONTROL, NUM_SENTINELS
from ptm_jax.errors import ConfigError, DataError

# SentencePiece skips lines over 4192 bytes; 1000 characters are at most 4000.
_LINE = 1000
_BYTES = 256
_SMALLEST = NUM_CONTROL + NUM_SENTINELS + _BYTES + 33
_STEP = 2.0**-8  # nats, between the scores of pieces
_COVERAGE = 0.9995  # of the characters; the others are spelled in bytes
# SentencePiece uses this one itself and skips a line that holds it.
_RESERVED = {'\u2585'}


def train(config, texts, num_bytes=None):
  """Trains a tokenizer.

  Args:
    config: `config.Tokenizer`.
    texts: iterable of strings, the train split.
    num_bytes: how much text that is; the sample of `train_bytes` is then
      spread over all of it. None reads from the beginning.

  Returns:
    `Tokenizer` whose vocabulary has exactly `vocab_size` ids.

  Raises:
    ConfigError: the vocabulary cannot hold the control ids and the bytes.
    DataError: there is no text, or it supports no vocabulary of this size;
      the message names the largest.
  """
  if config.vocab_size < _SMALLEST:
    raise ConfigError(
        f'tokenizer.vocab_size={config.vocab_size} is too small: '
        f'{NUM_CONTROL} control ids, {NUM_SENTINELS} sentinels and {_BYTES} '
        f'bytes leave no room for text; use at least {_SMALLEST}')
  share = min(1.0, config.train_bytes / num_bytes) if num_bytes else 1.0
  if config.lower_case:
    texts = map(lower, texts)
  lines = list(sample(texts, share, config.train_bytes))
  if not lines:
    raise DataError('the train split has no text to train a tokenizer on')
  pieces = config.vocab_size - NUM_CONTROL - NUM_SENTINELS
  model = io.BytesIO()
  try:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=without_rare_characters(lines, pieces - _BYTES),
        model_writer=model,
        model_type=config.kind, vocab_size=pieces + 1, num_threads=1,
        normalization_rule_name='identity', remove_extra_whitespaces=False,
        add_dummy_prefix=False, byte_fallback=True,
        allow_whitespace_only_pieces=True, split_by_whitespace=True,
        character_coverage=1.0,
        user_defined_symbols=['\n'], pad_id=-1, bos_id=-1, eos_id=-1,
        unk_id=0, max_sentence_length=5 * _LINE, minloglevel=3)
  except RuntimeError as error:
    raise DataError(_explain(config, str(error))) from error
  return Tokenizer(with_even_scores(model.getvalue()), config.lower_case)


def sample(texts, share, limit):
  """Yields lines, cut at 1000 characters, with `share` of all the bytes.

  The lines are spread evenly over the texts; the sample ends at `limit`
  bytes. The result is a function of its arguments.
  """
  due = used = 0
  for text in texts:
    for line in escape(text).split('\n'):
      for start in range(0, len(line), _LINE):
        part = line[start:start + _LINE]
        size = len(part.encode())
        due += size * share
        if used < due:
          used += size
          yield part
        if used >= limit:
          return


def without_rare_characters(lines, room):
  """Cuts lines at the characters that get no piece of their own.

  These are the rarest 0.05 %, and more where the alphabet would fill over half
  of the room, as with Chinese text or a tiny vocabulary. They are spelled in
  bytes, so no piece can reach across one.

  Args:
    lines: list of strings.
    room: pieces besides the bytes.
  """
  counts = collections.Counter()
  for line in lines:
    counts.update(line)
  wanted, alphabet = _COVERAGE * sum(counts.values()), set()
  for character, count in counts.most_common(max(room // 2, 1)):
    if wanted <= 0:
      break
    wanted -= count
    alphabet.add(character)
  rare = str.maketrans(dict.fromkeys(
      (set(counts) - alphabet) | _RESERVED, '\0'))
  for line in lines:
    yield from filter(None, line.translate(rare).split('\0'))


def with_even_scores(model):
  """A SentencePiece model with its scores rounded to multiples of 2**-8.

  The scores of a text's pieces are added in float32. Sums of such scores are
  exact up to 65,536 nats, so that two ways to cut a text which are equally
  likely are a tie wherever they stand, and in every library.

  Args:
    model: bytes of a `ModelProto`: fields of a tag, a length and contents.
  """
  result, place = bytearray(), 0
  while place < len(model):
    tag, start = _varint(model, place)
    size, start = _varint(model, start)
    end = start + size
    part = bytearray(model[start:end])
    if tag == 1 << 3 | 2:  # a piece: its name (1, with a length), its score
      if part[0] != 1 << 3 | 2:
        raise ValueError('a piece of the trained model begins with no name')
      length, inner = _varint(part, 1)
      inner += length
      if part[inner:inner + 1] == bytes([2 << 3 | 5]):
        score, = struct.unpack_from('<f', part, inner + 1)
        struct.pack_into('<f', part, inner + 1, round(score / _STEP) * _STEP)
    result += model[place:start] + part
    place = end
  return bytes(result)


def _varint(data, place):
  """An integer of seven bits a byte, and the place behind it."""
  value = shift = 0
  while True:
    byte = data[place]
    value |= (byte & 0x7f) << shift
    place, shift = place + 1, shift + 7
    if byte < 0x80:
      return value, place


def _explain(config, message):
  """SentencePiece's reason in one line, with the largest possible size."""
  found = re.search(r'<= (\d+)', message)
  if found:
    largest = int(found[1]) - 1 + NUM_CONTROL + NUM_SENTINELS
    if largest < _SMALLEST:
      return (f'the train split is too small to train a tokenizer: it supports '
              f'{largest} ids and {_SMALLEST} are needed')
    return (f'tokenizer.vocab_size={config.vocab_size} is more than the corpus '
            f'supports: use at most {largest}')
  if 'sentences_.empty()' in message:
    return 'the train split has no text to train a tokenizer on'
  return (f'cannot train a tokenizer of vocab_size={config.vocab_size}: '
          + ' '.join(message.split())[-200:])
