"""Binary streams out of files, compressed files and archives.

Names inside an archive are only shown, never used as paths.
"""

import bz2
import contextlib
import functools
import gzip
import importlib
import io
import lzma
import sys
import tarfile
import zipfile
import zlib

from ptm_jax.errors import ConfigError, DataError

TEXTS = ('.txt', '.md', '.jsonl', '.parquet')
_COMPRESSED = ('.gz', '.xz', '.zst', '.bz2')
_TARS = ('.tar', '.tgz', '.txz')
LEFT_OUT = 'files of another kind left out'
# zipfile raises RuntimeError for a password, NotImplementedError for a method.
_DAMAGE = (OSError, EOFError, RuntimeError, NotImplementedError, lzma.LZMAError,
           zlib.error, tarfile.TarError, zipfile.BadZipFile)


def kind_of(name):
  """'jsonl', 'parquet', 'zip', 'tar', 'text' or, for any other name, ''."""
  name = name.lower()
  for suffix in _COMPRESSED:
    name = name.removesuffix(suffix)
  for kind in 'jsonl', 'parquet', 'zip':
    if name.endswith('.' + kind):
      return kind
  if name.endswith(_TARS):
    return 'tar'
  return 'text' if name.endswith(TEXTS) else ''


@contextlib.contextmanager
def reading(name):
  """Turns what a missing or damaged file raises into a `DataError`."""
  try:
    yield
  except Exception as error:
    zstandard = sys.modules.get('zstandard')
    damage = _DAMAGE + ((zstandard.ZstdError,) if zstandard else ())
    if not isinstance(error, damage):
      raise
    reason = getattr(error, 'strerror', None) or error
    raise DataError(f'cannot read {name}: {reason}') from error


def members(path, report):
  """The texts that one file holds.

  Args:
    path: of a file; an archive holds many texts, any other file is one.
    report: `clean.Report`; counts an archive's files of other kinds.

  Yields:
    `(name, binary stream)`; the stream is valid until the next one.

  Raises:
    DataError: the file cannot be read or is damaged; the message names it.
  """
  # Names on disk may hold bytes that are not text.
  name = str(path).encode('utf8', 'replace').decode('utf8')
  kind = kind_of(name)
  inside = {'zip': _in_zip, 'tar': _in_tar}.get(kind)
  with reading(name), open(path, 'rb') as file:
    with _decompressed(file, name) as stream:
      if not inside:
        yield name, stream
        return
      for entry, opener in inside(stream):
        shown = f'{name}!{entry}'.encode('utf8', 'replace').decode('utf8')
        if opener is None or kind_of(entry) in ('zip', 'tar', ''):
          report.count(LEFT_OUT, shown)
          continue
        with opener() as packed, _decompressed(packed, entry) as text:
          yield shown, text


def _in_zip(stream):
  """Yields each file's name and what opens it, in the order of the names."""
  if not stream.seekable():
    stream = io.BytesIO(stream.read())
  with zipfile.ZipFile(stream) as archive:
    for entry in sorted(archive.infolist(), key=lambda e: e.filename):
      if not entry.is_dir():
        yield entry.filename, functools.partial(archive.open, entry)


def _in_tar(stream):
  """Yields each file's name and what opens it, None for links, devices."""
  with tarfile.open(fileobj=stream, mode='r|') as archive:
    for entry in archive:
      if not entry.isdir():
        yield entry.name, (functools.partial(archive.extractfile, entry)
                           if entry.isfile() else None)
      archive.members = []  # else a long archive's entries pile up


@contextlib.contextmanager
def _decompressed(file, name):
  name = name.lower()
  if name.endswith(('.gz', '.tgz')):
    yield gzip.GzipFile(fileobj=file)
  elif name.endswith(('.xz', '.txz')):
    yield lzma.LZMAFile(file)
  elif name.endswith('.bz2'):
    yield bz2.BZ2File(file)
  elif name.endswith('.zst'):
    yield io.BufferedReader(_Zstandard(file, optional('zstandard', name)))
  else:
    yield file


class _Zstandard(io.RawIOBase):
  """Frames of Zstandard, decompressed; the library's own reader takes a file
  that was cut short for a whole one."""

  def __init__(self, file, zstandard):
    self._file, self._zstandard = file, zstandard
    self._frame, self._ready = None, memoryview(b'')

  def readable(self):
    return True

  def readinto(self, buffer):
    while not self._ready:
      packed = self._file.read(2**16)
      if not packed:
        if self._frame:
          raise EOFError('it ends before its end mark')
        return 0
      parts = []
      while packed:
        if self._frame is None:
          self._frame = self._zstandard.ZstdDecompressor().decompressobj()
        parts.append(self._frame.decompress(packed))
        packed = self._frame.unused_data
        if self._frame.eof:
          self._frame = None
      # A view: slicing bytes would copy all that is left at every read.
      self._ready = memoryview(b''.join(parts))
    count = min(len(buffer), len(self._ready))
    buffer[:count], self._ready = self._ready[:count], self._ready[count:]
    return count


def optional(module, wanted_for):
  """Imports a module that an extra installs; raises ConfigError without it."""
  try:
    return importlib.import_module(module)
  except ImportError as error:
    extra = {'pyarrow': 'parquet', 'zstandard': 'zstd'}[module]
    raise ConfigError(f'{wanted_for} needs {module}: pip install '
                      f'"ptm_jax[{extra}]"') from error


def parquet_rows(name, stream, field):
  """Yields the strings of one column; a null counts as an empty string.

  Raises:
    DataError: the file is damaged, or has no such column of strings.
  """
  arrow = optional('pyarrow', name)
  parquet = importlib.import_module('pyarrow.parquet')
  # Parquet is read from its end: a compressed or archived one goes to memory.
  plain = isinstance(getattr(stream, 'raw', None), io.FileIO)
  with reading(name):
    try:
      file = parquet.ParquetFile(
          stream if plain else io.BytesIO(stream.read()))
      column = (file.schema_arrow.field(field)
                if field in file.schema_arrow.names else None)
      if column is None or not (arrow.types.is_string(column.type)
                                or arrow.types.is_large_string(column.type)):
        found = ', '.join(f'{f.name} ({f.type})' for f in file.schema_arrow)
        raise DataError(f'{name} has no column of strings {field!r}, found '
                        f'{found}; set corpus.field')
      for batch in file.iter_batches(batch_size=1024, columns=[field]):
        for value in batch.column(0).to_pylist():
          yield value or ''
    except arrow.ArrowException as error:
      raise DataError(f'cannot read {name}: {error}') from error
