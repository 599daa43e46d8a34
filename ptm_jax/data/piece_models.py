"""Published models of pieces: files -> a text's ids and where each ends.

Two libraries read them all: `tokenizers` (`tokenizer.json`, WordPiece's
`vocab.txt`, byte-level BPE's `vocab.json` and `merges.txt`), and
sentencepiece (`*.model`).
"""

import json
import re

import numpy as np
import sentencepiece

from ptm_jax.errors import DataError

_BYTE = re.compile(r'<0x([0-9A-F]{2})>')
# Classes of transformers that number a SentencePiece model's pieces anew.
_RENUMBERED = ('Pegasus', 'Camembert', 'XLMRoberta', 'MBart', 'Barthez',
               'M2M100', 'Plbart')
_T5_SENTINELS = 100  # behind the pieces of a `.model`, where nothing is said


def open_files(files, settings):
  """The model of pieces that some files are.

  Args:
    files: `{name: bytes}`.
    settings: what `tokenizer_config.json` and its like say, a dict.

  Raises:
    DataError: they are none that can be used; the message says why.
  """
  names = [name for name in files if name.endswith('.model')]
  try:
    if 'tokenizer.json' in files:
      return Library(files['tokenizer.json'].decode('utf8'))
    if 'vocab.json' in files:
      if 'merges.txt' not in files:
        raise DataError('vocab.json needs merges.txt beside it')
      return Library(_byte_level(files, settings))
    if 'vocab.txt' in files:
      return Library(_word_piece(files, settings))
    if names:
      return SentencePiece(files[names[0]], settings)
  except DataError:
    raise
  # The library's own errors are plain Exceptions.
  except Exception as error:  # pylint: disable=broad-except
    raise DataError('not a tokenizer: '
                    f'{" ".join(str(error).split())[:200]}') from error
  raise DataError('no tokenizer.json, vocab.txt, vocab.json with merges.txt, '
                  'or SentencePiece .model')


def _added(settings, known):
  """Names behind the pieces, in the order of their ids."""
  added = {int(one): name for one, name in settings['added'].items()
           if int(one) >= known}
  if sorted(added) != list(range(known, known + len(added))):
    raise DataError(f'the added tokens have the ids {sorted(added)[:5]} ..., '
                    f'which do not follow the {known} of the vocabulary')
  return [added[one] for one in sorted(added)]


def _byte_level(files, settings):
  from tokenizers import (Tokenizer, decoders, models, pre_tokenizers)
  vocab = json.loads(files['vocab.json'])
  merges = [tuple(line.split(' ')) for line in files['merges.txt'].decode(
      'utf8').split('\n') if line and not line.startswith('#version')]
  if any(len(pair) != 2 for pair in merges):
    raise DataError('merges.txt has a line that is not two pieces')
  made = Tokenizer(models.BPE(vocab=vocab, merges=merges))
  made.pre_tokenizer = pre_tokenizers.ByteLevel(
      add_prefix_space=bool(settings.get('add_prefix_space', False)))
  made.decoder = decoders.ByteLevel()
  made.add_special_tokens(_added(settings, len(vocab)))
  return made.to_str()


def _word_piece(files, settings):
  from tokenizers import (Tokenizer, decoders, models, normalizers,
                          pre_tokenizers)
  # Not at all that Unicode calls a line's end: there are pieces of these.
  pieces = files['vocab.txt'].decode('utf8').replace('\r\n', '\n').removesuffix(
      '\n').split('\n')
  vocab = {piece: one for one, piece in enumerate(pieces)}
  if len(vocab) != len(pieces):
    raise DataError('vocab.txt has a piece twice')
  cased = any(piece != piece.lower() for piece in pieces
              if not piece.startswith('['))
  made = Tokenizer(models.WordPiece(
      vocab=vocab, unk_token=str(settings.get('unk_token') or '[UNK]'),
      max_input_chars_per_word=100))
  made.normalizer = normalizers.BertNormalizer(
      lowercase=bool(settings.get('do_lower_case', not cased)),
      strip_accents=settings.get('strip_accents'),
      handle_chinese_chars=settings.get('tokenize_chinese_chars', True))
  made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
  made.decoder = decoders.WordPiece()
  made.add_special_tokens(_added(settings, len(vocab)))
  return made.to_str()


class Library:
  """What `tokenizer.json` says.

  Attributes:
    json: the contents, a dict.
    pieces: `{id: name}`.
    special: names that are no text.
  """

  def __init__(self, text):
    self.json = json.loads(text)
    if not isinstance(self.json, dict) or 'model' not in self.json:
      raise DataError('tokenizer.json describes no model of pieces')
    added = self.json.get('added_tokens') or []
    self.special = {one['content'] for one in added if one.get('special')}
    self.hold(())

  def hold(self, control):
    """Takes more names for control tokens, which no text becomes."""
    from tokenizers import Tokenizer
    for one in self.json.get('added_tokens') or []:
      one['special'] = one.get('special', False) or one['content'] in control
    self._made = Tokenizer.from_str(json.dumps(self.json))
    self._made.no_padding()
    self._made.no_truncation()
    self._made.encode_special_tokens = True
    self.pieces = {one: name for name, one in self._made.get_vocab(
        with_added_tokens=True).items()}

  def cut(self, texts):
    """A list of `(ids, ends)`, lists, one per text; ends in characters."""
    return [(one.ids, [end for _, end in one.offsets])
            for one in self._made.encode_batch(
                texts, add_special_tokens=False)]

  def join(self, ids):
    """The text of text ids."""
    return self._made.decode(ids, skip_special_tokens=False)

  def spell(self, one):
    """The bytes that an id stands for in running text."""
    piece, kind = self.pieces[one], self.json['model'].get('type')
    if self._says('ByteLevel'):
      table = _byte_table()
      if all(letter in table for letter in piece):
        return bytes(table[letter] for letter in piece)
    if kind == 'WordPiece' or self._says('WordPiece'):
      prefix = self.json['model'].get('continuing_subword_prefix') or '##'
      return (piece[len(prefix):] if piece.startswith(prefix)
              else ' ' + piece).encode()
    return _spell(piece)

  def _says(self, kind):
    return f'"type": "{kind}"' in json.dumps(
        [self.json.get('pre_tokenizer'), self.json.get('decoder')])


class SentencePiece:
  """A `.model` as the sentencepiece library reads it: its own ids, its own
  normalisation. What the Python of a family does to a text before (ALBERT,
  XLNet: lower case and quotes) is in its `tokenizer.json` alone.

  Attributes: as `Library`.
  """

  json = None

  def __init__(self, model, settings):
    if not model:
      raise DataError('not a SentencePiece model: it is empty')
    name = str(settings.get('tokenizer_class') or '')
    if name.startswith(_RENUMBERED):
      raise DataError(f'a {name} numbers the pieces of its .model anew: save '
                      'it with transformers, which writes a tokenizer.json')
    self._made = made = sentencepiece.SentencePieceProcessor(
        model_proto=model)
    count = made.get_piece_size()
    self.pieces = {one: made.id_to_piece(one) for one in range(count)}
    added = _added(settings, count)
    if name.startswith('T5') and not added:
      number = settings.get('extra_ids', _T5_SENTINELS)
      added = [f'<extra_id_{k}>' for k in reversed(range(number))]
    self.pieces.update(enumerate(added, count))
    self.special = {*added, *(
        self.pieces[one] for one in range(count)
        if made.is_control(one) or made.is_unknown(one))}

  def hold(self, control):
    """As `Library.hold`; what the file itself finds in text is text."""
    del control

  def cut(self, texts):
    """As `Library.cut`."""
    made = self._made.encode(texts, return_type='proto')
    result = []
    for text, one in zip(texts, made, strict=True):
      raw = np.frombuffer(text.encode(), np.uint8)
      # Characters that begin before each byte.
      begun = np.concatenate([[0], np.cumsum(raw & 0xc0 != 0x80)])
      result.append(([piece.id for piece in one.pieces],
                     begun[[piece.end for piece in one.pieces]].tolist()
                     if one.pieces else []))
    return result

  def join(self, ids):
    """As `Library.join`."""
    return self._made.decode([int(one) for one in ids])

  def spell(self, one):
    """As `Library.spell`."""
    return _spell(self.pieces[one])


def _spell(piece):
  byte = _BYTE.fullmatch(piece)
  return bytes([int(byte[1], 16)]) if byte else piece.replace(
      '\u2581', ' ').encode()


def _byte_table():
  """`{letter: byte}` of byte-level BPE (Radford et al. 2019): letters that
  show stand for themselves, the other bytes for letters from U+0100 on."""
  shown = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
  hidden = [one for one in range(256) if one not in shown]
  return {**{chr(one): one for one in shown},
          **{chr(256 + place): one for place, one in enumerate(hidden)}}
