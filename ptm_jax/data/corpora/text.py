"""Any text on disk: files, folders and globs, compressed or in archives."""

import collections
import dataclasses
import glob
import hashlib
import json
import pathlib

from ptm_jax import config
from ptm_jax.data import files
from ptm_jax.data.documents import Document
from ptm_jax.errors import ConfigError, DataError

_LONGEST = 2**20  # characters of a document; a longer one is cut in parts


@dataclasses.dataclass
class Corpus(config.Component):
  """Text files of the user's.

  Bytes that are not UTF-8 become U+FFFD, NUL becomes U+FFFD, CRLF and CR
  become LF, a byte-order mark at the start of a file is taken off; each is
  counted by file in `report`. Nothing is dropped silently.

  Attributes:
    path: a file, a folder (read recursively) or a glob. Known are .txt, .md,
      .jsonl and .parquet, each also .gz, .xz or .zst, inside .zip or .tar.*;
      a file of another name is read as plain text if it is named itself.
    documents_are: 'file', 'line' or 'block' (separated by blank lines).
    field: of .jsonl and .parquet rows, each of which is a document.
  """

  path: str = ''
  documents_are: str = 'file'
  field: str = 'text'

  def validate(self):
    config.check_choices(self, 'corpus', {
        'documents_are': ('file', 'line', 'block')})
    if not self.path:
      raise ConfigError('corpus.path is empty: name a file, a folder or a '
                        'glob, such as --config.corpus.path=books/')

  def paths(self):
    """The files that `path` names, sorted.

    Raises:
      DataError: there is none.
    """
    place = pathlib.Path(self.path).expanduser()
    if place.is_dir():
      found = [path for path in place.rglob('*')
               if path.is_file() and files.is_known(path.name)]
    elif place.is_file():
      found = [place]
    else:
      found = [pathlib.Path(path) for path
               in glob.glob(str(place), recursive=True)
               if pathlib.Path(path).is_file()]
    if not found:
      raise DataError(f'corpus.path={self.path} names no text file: expected '
                      f'one of {", ".join(files.KNOWN)} (also compressed)')
    return sorted(found)

  def fingerprint(self):
    """Hash of all the files' bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for path in self.paths():
      digest.update(path.name.encode() + b'\0')
      try:
        with path.open('rb') as file:
          while chunk := file.read(2**20):
            digest.update(chunk)
      except OSError as error:
        raise DataError(f'cannot read {path}: {error.strerror}') from error
    return digest.hexdigest()

  def documents(self):
    """Yields each `Document`; counts repairs in `report`."""
    self.report = collections.Counter()
    for path in self.paths():
      for name, stream in files.members(path):
        yield from self._file(name, stream)

  def _file(self, name, stream):
    kind = files.kind_of(name)
    if kind == 'parquet':
      texts = files.parquet_rows(name, stream, self.field)
    else:
      lines = files.clean_lines(name, stream, self.report)
      if kind == 'jsonl':
        texts = _json_rows(name, lines, self.field)
      elif self.documents_are == 'line':
        texts = (line.rstrip('\n') for line in lines)
      elif self.documents_are == 'block':
        texts = _blocks(lines)
      else:
        texts = [''.join(lines)]
    empty = True
    for number, text in enumerate(texts):
      empty = empty and not text.strip()
      for part in range(0, max(len(text), 1), _LONGEST):
        if len(text) > _LONGEST and part == 0:
          self.report[f'{name}: a text of {len(text):,} characters was cut '
                      f'every {_LONGEST:,}'] += 1
        yield Document(f'{name}:{number}', text[part:part + _LONGEST])
    if empty:
      self.report[f'{name}: empty'] += 1


def _blocks(lines):
  block = []
  for line in lines:
    if line.strip():
      block.append(line)
    elif block:
      yield ''.join(block).rstrip('\n')
      block = []
  if block:
    yield ''.join(block).rstrip('\n')


def _json_rows(name, lines, field):
  for number, line in enumerate(lines, 1):
    if not line.strip():
      continue
    try:
      row = json.loads(line)
    except ValueError as error:
      raise DataError(f'{name} line {number} is not JSON: {error}') from error
    if not isinstance(row, dict) or not isinstance(row.get(field), str):
      found = sorted(row) if isinstance(row, dict) else type(row).__name__
      raise DataError(f'{name} line {number} has no text field {field!r}, '
                      f'found {found}; set corpus.field')
    # JSON may spell half a surrogate pair, which is no text.
    yield row[field].encode('utf8', 'replace').decode('utf8')
