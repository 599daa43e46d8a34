"""Text out of files, compressed files and archives, read as streams.

Names inside an archive are only shown, never used as paths.
"""

import codecs
import contextlib
import gzip
import importlib
import io
import lzma
import tarfile
import zipfile
import zlib

from ptm_jax.errors import ConfigError, DataError

KNOWN = ('.txt', '.md', '.jsonl', '.parquet', '.zip', '.tar')
_COMPRESSED = ('.gz', '.xz', '.zst')
_ARCHIVES = ('.zip', '.tar', '.tgz', '.txz')
_ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError,
           zipfile.BadZipFile)


def bare(name):
  """The name without the suffix of a compression, in lower case."""
  name = name.lower()
  for suffix in _COMPRESSED:
    name = name.removesuffix(suffix)
  return name


def is_known(name):
  """Whether a file of this name is read when its folder is."""
  return bare(name).endswith(KNOWN + _ARCHIVES)


def kind_of(name):
  """'jsonl', 'parquet' or 'text'."""
  for kind in 'jsonl', 'parquet':
    if bare(name).endswith('.' + kind):
      return kind
  return 'text'


def members(path):
  """Yields `(name, binary stream)` of a file, or of each text in an archive.

  Raises:
    DataError: the file cannot be read or is damaged; the message names it.
  """
  name = str(path)
  try:
    if bare(name).endswith('.zip'):
      with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.infolist(), key=lambda e: e.filename):
          if not entry.is_dir() and is_known(entry.filename):
            with archive.open(entry) as file:
              with _decompressed(file, entry.filename) as stream:
                yield f'{name}!{entry.filename}', stream
    elif bare(name).endswith(('.tar', '.tgz', '.txz')):
      with open(path, 'rb') as file, _decompressed(file, name) as stream:
        with tarfile.open(fileobj=stream, mode='r|') as archive:
          for entry in archive:
            if entry.isfile() and is_known(entry.name):
              inner = archive.extractfile(entry)
              with _decompressed(inner, entry.name) as text:
                yield f'{name}!{entry.name}', text
    else:
      with open(path, 'rb') as file, _decompressed(file, name) as stream:
        yield name, stream
  except _ERRORS as error:
    raise DataError(f'cannot read {name}: {error}') from error


@contextlib.contextmanager
def _decompressed(file, name):
  name = name.lower()
  if name.endswith(('.gz', '.tgz')):
    stream = gzip.GzipFile(fileobj=file)
  elif name.endswith(('.xz', '.txz')):
    stream = lzma.LZMAFile(file)
  elif name.endswith('.zst'):
    stream = _module('zstandard', name).ZstdDecompressor().stream_reader(file)
  else:
    stream = file
  yield stream


def _module(name, wanted_for):
  try:
    return importlib.import_module(name)
  except ImportError as error:
    extra = 'parquet' if name == 'pyarrow' else 'zstd'
    raise ConfigError(f'{wanted_for} needs {name}: pip install '
                      f'ptm_jax[{extra}]') from error


def clean_lines(name, stream, report):
  """Yields lines as valid text, each with its newline, in bounded memory.

  Args:
    name: of the file, for the report.
    stream: binary.
    report: Counter of what was repaired.
  """
  decoder = codecs.getincrementaldecoder('utf8')('replace')
  bad = codecs.getincrementaldecoder('utf8')('ignore')
  start, rest, carriage = True, '', False
  counts = {'bytes that are not UTF-8': 0, 'NUL bytes': 0,
            'CR line ends': 0, 'byte-order mark': 0}
  while True:
    chunk = stream.read(2**20)
    text = decoder.decode(chunk, not chunk)
    kept = bad.decode(chunk, not chunk)
    counts['bytes that are not UTF-8'] += (
        text.count('\ufffd') - kept.count('\ufffd'))
    if start and text:
      start = False
      if text[0] == '\ufeff':
        counts['byte-order mark'] += 1
        text = text[1:]
    counts['NUL bytes'] += text.count('\0')
    text = text.replace('\0', '\ufffd')
    if carriage:  # a CR that ended the chunk before
      text = '\r' + text
    carriage = bool(chunk) and text.endswith('\r')
    text = text[:-1] if carriage else text
    counts['CR line ends'] += text.count('\r')
    text = text.replace('\r\n', '\n').replace('\r', '\n')
    lines = (rest + text).split('\n')
    rest = lines.pop()
    for line in lines:
      yield line + '\n'
    if not chunk:
      break
  if rest:
    yield rest
  for what, count in counts.items():
    if count:
      report[f'{name}: {what}'] += count


def parquet_rows(name, stream, field):
  """Yields one column of a parquet file, row by row."""
  parquet = _module('pyarrow', name) and importlib.import_module(
      'pyarrow.parquet')
  try:
    table = parquet.ParquetFile(io.BytesIO(stream.read()))
    if field not in table.schema_arrow.names:
      raise DataError(f'{name} has no column {field!r}, found '
                      f'{table.schema_arrow.names}; set corpus.field')
    for batch in table.iter_batches(columns=[field]):
      for value in batch.column(0).to_pylist():
        yield value or ''
  except _module('pyarrow', name).ArrowException as error:
    raise DataError(f'cannot read {name}: {error}') from error
