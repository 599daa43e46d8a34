"""A published tokenizer, with its own ids, in the place of ours.

It keeps its own normalisation: a text as ids is what its authors make of it,
and `decode` gives that back. Control tokens keep ids that no text reaches.
"""

import hashlib
import json
import pathlib

import numpy as np

from ptm_jax.data import piece_models
from ptm_jax.data.flags import Flagger
from ptm_jax.data.vocabulary import NUM_SENTINELS, Listed
from ptm_jax.errors import DataError

FACTS = 'published.json'  # beside the files, where a run keeps them
# What a folder's tokenizer is made of, besides `*.model`.
_FILES = ('tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json',
          'added_tokens.json', 'vocab.txt', 'vocab.json', 'merges.txt')
_PAIR = ('vocab.json', 'merges.txt')  # one is nothing without the other
# Names by which a role's token is known where no file says it.
_NAMES = {'pad': ('[PAD]', '<pad>', '<|pad|>'),
          'bos': ('<s>', '[BOS]', '<bos>', '<|begin_of_text|>',
                  '<|endoftext|>'),
          'eos': ('</s>', '[EOS]', '<eos>', '<|end_of_text|>',
                  '<|endoftext|>'),
          'unk': ('[UNK]', '<unk>'), 'mask': ('[MASK]', '<mask>'),
          'cls': ('[CLS]', '<cls>'), 'sep': ('[SEP]', '<sep>')}


class Published:
  """As `tokenizer.Tokenizer`, read from published files.

  A role that the files do not name is filled by another that stands at the
  same place: `[CLS]` by `<s>`, `[SEP]` by `</s>`, and the other way round; T5
  and PEGASUS start to write from `<pad>`. What is still missing has no id
  (`Listed`), or a new one behind all others.

  Args:
    files: `{name: bytes}`.
    rows: of the token embedding that it is used with, or None for as many as
      there are ids.
    complete: whether `<mask>`, sentinels and whatever else is missing get new
      ids, for pre-training anew.

  Attributes: as `Tokenizer`; bytes of pieces are approximate where the files
  normalise. `files` and `added`, `{id: name}` of new ids.
  """

  sample = 'Return the sum of the array elements over a given axis.'
  lossless = lower_case = False

  def __init__(self, files, rows=None, complete=False):
    self.files, self.complete = dict(files), complete
    settings = _settings(files)
    self._model = model = piece_models.open_files(files, settings)
    ids = {name: one for one, name in model.pieces.items()}
    roles = _roles(settings, ids)
    sentinels = []
    while (one := ids.get(f'<extra_id_{len(sentinels)}>')) is not None:
      sentinels.append(one)
    self._rows, count = rows, max(model.pieces) + 1
    if rows is not None and rows < count:
      raise DataError(f'the tokenizer has {count} ids, and the model {rows}: '
                      'they do not belong together')
    self.added, size = {}, rows or count
    if complete:
      for role in ('bos', 'eos', 'mask'):
        if role not in roles:
          roles[role] = size + len(self.added)
          self.added[roles[role]] = _free(f'<{role}>', ids)
      roles = _shared(roles)
      if not sentinels:
        first = size + len(self.added)
        # Counted down, as in T5.
        sentinels = [first + NUM_SENTINELS - 1 - k
                     for k in range(NUM_SENTINELS)]
        self.added.update((one, f'<extra_id_{k}>')
                          for k, one in enumerate(sentinels))
    model.hold({model.pieces[one] for one in (*roles.values(), *sentinels)
                if one in model.pieces})
    control = {*roles.values(), *sentinels,
               *(ids[name] for name in model.special if name in ids)}
    self._control = control - {roles.get('unk')}
    self.vocabulary = Listed(
        size + len(self.added), tuple(sorted(roles.items())),
        tuple(sentinels), tuple(sorted({*model.pieces} - control)))
    self.spellings = [b''] * self.vocabulary.size
    for one in self.vocabulary.text_ids:
      self.spellings[one] = model.spell(one)
    self.piece_bytes = np.asarray(list(map(len, self.spellings)), np.int32)
    self.hash = self._hash()

  def _hash(self):
    digest = hashlib.blake2b(f'{self._rows} {self.complete}'.encode(),
                             digest_size=16)
    for name, content in sorted(self.files.items()):
      digest.update(f'\0{name} {len(content)}\0'.encode() + content)
    return digest.hexdigest()

  def encode(self, text):
    """int32 `[n]` ids; raises DataError for a lone surrogate."""
    return np.asarray(self._cut([text])[0][0], np.int32)

  def encode_with_flags(self, text):
    """As `Tokenizer.encode_with_flags`; words and sentences are those of the
    text as it was written."""
    return self.encode_documents([text])[:2]

  def encode_documents(self, texts):
    """As `Tokenizer.encode_documents`."""
    cut = self._cut(texts)
    lengths = np.asarray([len(ids) for ids, _ in cut], np.int64)
    # Each token's stretch of the text, with the white space before it.
    known, places = {}, []
    for text, (_, ends) in zip(texts, cut, strict=True):
      start = 0
      for end in ends:
        places.append(known.setdefault(text[start:end], len(known)))
        start = max(start, end)
    starts = np.cumsum(lengths) - lengths
    flags = Flagger([*known])(np.asarray(places, np.int64),
                              starts[lengths > 0])
    ids = np.concatenate([np.zeros(0, np.int32), *(
        np.asarray(one, np.int32) for one, _ in cut)])
    return ids, flags, lengths

  def _cut(self, texts):
    try:
      return [self._without_control(text, *one) for text, one in zip(
          texts, self._model.cut(list(texts)), strict=True)]
    except (RuntimeError, TypeError, UnicodeEncodeError) as error:
      raise DataError(f'text that is not valid Unicode: {error}') from error

  def _without_control(self, text, ids, ends):
    """Text that a model takes for a control token is cut behind the token's
    first character, until it is none."""
    for place, one in enumerate(ids):
      if one in self._control:
        start = ends[place - 1] if place else 0
        # White space that the model left out before the token.
        start += len(text[start:]) - len(text[start:].lstrip())
        left, right = text[:start + 1], text[start + 1:]
        if not right:
          return ids[:place], ends[:place]
        (ids, ends), (more, further) = self._cut([left, right])
        return ids + more, ends + [start + 1 + end for end in further]
    return ids, ends

  def decode(self, ids):
    """The text of ids; control ids are left out."""
    ids = np.asarray(ids, np.int64)
    return self._model.join(ids[self.vocabulary.is_text(ids)].tolist())

  def pieces(self, ids):
    """Each id as a short string to show."""
    return [self._model.pieces.get(one) or self.added.get(one, f'<{one}>')
            for one in np.asarray(ids).tolist()]

  def library_json(self):
    """The contents of a `tokenizer.json` with the new ids, or None if it is
    read by the sentencepiece library."""
    if self._model.json is None:
      return None
    added = [{'id': one, 'content': name, 'single_word': False,
              'lstrip': False, 'rstrip': False, 'normalized': False,
              'special': True} for one, name in sorted(self.added.items())]
    return {**self._model.json,
            'added_tokens': [*(self._model.json.get('added_tokens') or []),
                             *added]}

  def save(self, folder):
    """Writes the files, and what must be known of them, into `folder`."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in self.files.items():
      (folder / name).write_bytes(content)
    (folder / FACTS).write_text(json.dumps(
        {'hash': self.hash, 'files': sorted(self.files), 'rows': self._rows,
         'complete': self.complete}) + '\n')

  @classmethod
  def load(cls, folder):
    """Reads what `save` wrote; raises DataError if it cannot be used."""
    folder = pathlib.Path(folder)
    try:
      facts = json.loads((folder / FACTS).read_text())
      names, rows = [str(one) for one in facts['files']], facts['rows']
      if any(pathlib.PurePath(name).name != name for name in names) or not (
          rows is None or type(rows) is int):
        raise ValueError(f'{FACTS} names what cannot be')
      files = {name: (folder / name).read_bytes() for name in names}
      made = cls(files, rows, bool(facts['complete']))
      known = facts['hash']
    except (OSError, ValueError, KeyError, TypeError, RecursionError,
            DataError) as error:
      raise DataError(f'{folder} holds no usable tokenizer: {error}') from error
    if made.hash != known:
      raise DataError(f'{folder}: the tokenizer differs from its recorded '
                      'hash: it was changed or damaged')
    return made

  @classmethod
  def read(cls, path, rows=None, complete=False):
    """Published files as they are found.

    Args:
      path: a file, or a folder of them; a file of BPE's needs the other.
      rows, complete: as of the class.

    Raises:
      DataError: they cannot be used.
    """
    path = pathlib.Path(path)
    try:
      # A file alone is the same under any name.
      files = {} if path.is_file() and path.name not in _PAIR else {
          one.name: one.read_bytes() for one in found(path)}
      if not files and not path.is_dir():
        kind = {'.json': 'tokenizer.json', '.txt': 'vocab.txt'}.get(
            path.suffix, 'tokenizer.model')
        files = {kind: path.read_bytes()}
    except OSError as error:
      raise DataError(f'{path}: {error.strerror}') from error
    try:
      return cls(files, rows, complete)
    except DataError as error:
      raise DataError(f'{path}: {error}') from error


def found(path):
  """The files at a path that a tokenizer is made of."""
  there = sorted(path.iterdir()) if path.is_dir() else [path]
  if path.name in _PAIR:
    there = [path.with_name(name) for name in _PAIR]
  return [one for one in there if one.is_file()
          and (one.name in _FILES or one.suffix == '.model')]


def _settings(files):
  """What the files say of the tokenizer, the most special last."""
  settings, added = {}, {}
  for name in ('added_tokens.json', 'special_tokens_map.json',
               'tokenizer_config.json'):
    if name not in files:
      continue
    try:
      values = json.loads(files[name])
      if name == 'added_tokens.json':
        added.update({int(one): str(key) for key, one in values.items()})
        continue
      for key, value in (values.get('added_tokens_decoder') or {}).items():
        added[int(key)] = str(value['content'])
      settings.update({
          key: value.get('content') if key.endswith('_token')
          and isinstance(value, dict) else value
          for key, value in values.items()})
    except (ValueError, AttributeError, KeyError, TypeError,
            RecursionError) as error:
      raise DataError(f'{name} cannot be read: {error}') from error
  return {**settings, 'added': added}


def _roles(settings, ids):
  """`{role: id}` of the control tokens that there are."""
  roles = {}
  for role, names in _NAMES.items():
    for name in (settings.get(f'{role}_token'), *names):
      if isinstance(name, str) and name in ids:
        roles[role] = ids[name]
        break
  return _shared(roles)


def _shared(roles):
  """Roles at the same place fill in for each other."""
  roles = dict(roles)
  for role, other in (('cls', 'bos'), ('bos', 'cls'), ('sep', 'eos'),
                      ('eos', 'sep'), ('bos', 'pad'), ('cls', 'bos')):
    if role not in roles and other in roles:
      roles[role] = roles[other]
  return roles


def _free(name, known):
  return name if name not in known else _free(f'<{name}>', known)
