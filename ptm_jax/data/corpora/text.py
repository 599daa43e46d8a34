"""Any text on disk: files, folders and globs, compressed or in archives."""

import dataclasses
import glob
import hashlib
import json
import pathlib

from ptm_jax import checks, config
from ptm_jax.data import clean, files
from ptm_jax.data.documents import Document
from ptm_jax.errors import ConfigError, DataError

_LONGEST = 2**24  # characters of a document; a longer text is cut
_FORMAT = 2  # of what the same bytes become


@dataclasses.dataclass
class Corpus(config.Component):
  """Text files of the user's.

  What `clean` repairs and what is left out is counted in `report`, by file. A
  text of more than 16,777,216 characters is cut into several documents, which
  stay in one split.

  Attributes:
    path: a file, a folder (read recursively) or a glob. Known are .txt, .md,
      .jsonl and .parquet, each also .gz, .xz, .zst or .bz2, inside .zip or
      .tar.*; a file of another name is read as plain text if it is named
      itself. An archive inside an archive is left out.
    documents_are: 'file', 'line' or 'block' (separated by blank lines); every
      row of a .jsonl or .parquet file is a document.
    field: of .jsonl and .parquet rows.
  """

  path: str = ''
  documents_are: str = 'file'
  field: str = 'text'

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.choices(self, 'corpus', {
        'documents_are': ('file', 'line', 'block')})
    if not self.path:
      raise ConfigError('corpus.path is empty: name a file, a folder or a '
                        'glob, such as --config.corpus.path=books/')

  def paths(self, report=None):
    """The files that `path` names, sorted.

    Args:
      report: counts what lies in the folder and is not read; may be None.

    Raises:
      DataError: there is none.
    """
    place = pathlib.Path(self.path).expanduser()
    if place.is_file():
      return [place]
    if place.is_dir():
      found = place.rglob('*')
    else:
      found = map(pathlib.Path, glob.glob(str(place), recursive=True))
    found = sorted(path for path in found if not path.is_dir())
    # A link that leads nowhere is no file.
    known = {path for path in found
             if files.kind_of(path.name) and path.is_file()}
    if report:
      for path in found:
        report.count(files.LEFT_OUT, str(path), path not in known)
    if not known:
      raise DataError(f'corpus.path={self.path} names no text file: expected '
                      f'one of {", ".join(files.TEXTS)}, also compressed or '
                      'in a .zip or .tar')
    return sorted(known)

  def fingerprint(self):
    """Hash of the files' names and bytes and of how they are read."""
    digest = hashlib.blake2b(json.dumps(
        [_FORMAT, self.documents_are, self.field]).encode(), digest_size=16)
    for path in self.paths():
      with files.reading(path), path.open('rb') as file:
        content = hashlib.file_digest(
            file, lambda: hashlib.blake2b(digest_size=16))
      digest.update(path.name.encode('utf8', 'surrogateescape') + b'\0'
                    + content.digest())
    return digest.hexdigest()

  def documents(self):
    """Yields each `Document`; `report` counts what is repaired on the way."""
    self.report = clean.Report()
    for path in self.paths(self.report):
      for name, stream in files.members(path, self.report):
        yield from self._documents(name, self._texts(name, stream))

  def _texts(self, name, stream):
    """Yields `(number, part of a text)`; most texts are one part."""
    kind = files.kind_of(name)
    if kind == 'parquet':
      rows = files.parquet_rows(name, stream, self.field)
      return _parts(clean.clean(name, row, self.report) for row in rows)
    chunks = clean.clean_chunks(name, stream, self.report)
    if kind == 'jsonl':
      rows = _json_rows(name, clean.lines(chunks), self.field)
      return _parts(clean.clean(name, row, self.report) for row in rows)
    if self.documents_are == 'file':
      return _joined(chunks)
    lines = clean.lines(chunks, _LONGEST)
    return _lines(lines) if self.documents_are == 'line' else _blocks(lines)

  def _documents(self, name, texts):
    first, last, blank = '', -1, True
    for number, text in texts:
      blank = blank and not text.strip()
      if number != last:
        first, last = text, number
        yield Document(f'{name}:{number}', text)
      else:
        self.report.count(f'cuts of a text at {_LONGEST:,} characters', name)
        # The first part's text is what its own split was chosen by.
        yield Document(f'{name}:{number}', text, group=first)
    self.report.count('empty files', name, blank)


def _parts(texts):
  """Numbers texts and cuts the longest."""
  for number, text in enumerate(texts):
    for start in range(0, max(len(text), 1), _LONGEST):
      yield number, text[start:start + _LONGEST]


def _joined(chunks):
  """One text out of chunks, in parts if it is too long for one."""
  held, size = [], 0
  for chunk in chunks:
    if held and size + len(chunk) > _LONGEST:
      yield 0, ''.join(held)
      held, size = [], 0
    held.append(chunk)
    size += len(chunk)
  if held:
    yield 0, ''.join(held)


def _lines(lines):
  number = 0
  for line in lines:
    yield number, line.rstrip('\n')
    number += line.endswith('\n')


def _blocks(lines):
  number, held, size = 0, [], 0
  for line in lines:
    blank = not line.strip()
    if held and (blank or size + len(line) > _LONGEST):
      yield number, ''.join(held).rstrip('\n')
      held, size = [], 0
      number += blank
    if not blank:
      held.append(line)
      size += len(line)
  if held:
    yield number, ''.join(held).rstrip('\n')


def _json_rows(name, lines, field):
  for number, line in enumerate(lines, 1):
    if not line.strip():
      continue
    try:
      row = json.loads(line)
    except (ValueError, RecursionError) as error:
      raise DataError(f'{name} line {number} is not JSON: {error}') from error
    if not isinstance(row, dict) or not isinstance(row.get(field), str):
      found = ', '.join(row) if isinstance(row, dict) else type(row).__name__
      raise DataError(f'{name} line {number} has no text field {field!r}, '
                      f'found {found[:200]}; set corpus.field')
    yield row[field]
