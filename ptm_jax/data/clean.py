"""Bytes of any quality to valid text, with an account of every repair.

Bytes that are not UTF-8 become U+FFFD, and so do NUL and lone surrogates;
CRLF and CR become LF; a byte-order mark at the start of a file is taken off.
"""

import codecs
import collections

from ptm_jax.data.files import reading
from ptm_jax.errors import DataError

_CHUNK = 2**20  # bytes
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
BAD_BYTES = 'bytes that are not UTF-8'


class Report:
  """Counts what was repaired or left out, by kind and by file."""

  def __init__(self):
    self.counts = collections.defaultdict(collections.Counter)

  def count(self, what, name, number=1):
    """Adds `number` of `what` in the file `name`; 0 leaves no trace."""
    if number:
      name = name.encode('utf8', 'replace').decode('utf8')
      self.counts[what][name] += int(number)

  def as_dict(self):
    """`{what: {file: number}}`, for JSON."""
    return {what: dict(files) for what, files in self.counts.items()}


def summary(counts):
  """One line out of `Report.as_dict()`; '' if nothing was counted."""
  parts = []
  for what, files in counts.items():
    first, more = next(iter(files)), len(files) - 1
    where = f'{first} and {more:,} more' if more else first
    parts.append(f'{sum(files.values()):,} {what} ({where})')
  return '; '.join(parts)


def clean(name, text, report):
  """A string without NUL, lone surrogates and CR; repairs are counted."""
  surrogates = 0
  if not text.isascii():
    kept = text.encode('utf8', 'ignore').decode('utf8')
    surrogates = len(text) - len(kept)
    if surrogates:
      text = ''.join('\ufffd' if '\ud800' <= one <= '\udfff' else one
                     for one in text)
  report.count('lone surrogates', name, surrogates)
  report.count('NUL characters', name, text.count('\0'))
  report.count('CR line ends', name, text.count('\r'))
  text = text.replace('\0', '\ufffd')
  return text.replace('\r\n', '\n').replace('\r', '\n')


def clean_chunks(name, stream, report):
  """Yields a stream as clean text, about a megabyte at a time.

  Args:
    name: of the file, for messages and the report.
    stream: binary.
    report: `Report`.

  Raises:
    DataError: the stream is damaged, or is UTF-16.
  """
  decoder = codecs.getincrementaldecoder('utf8')('replace')
  # A second decoder that skips bad bytes: what it misses are the bad ones.
  keeper = codecs.getincrementaldecoder('utf8')('ignore')
  size = kept = 0
  at_start, carriage = True, ''
  while True:
    with reading(name):
      chunk = stream.read(_CHUNK)
    if not size and chunk[:2] in _UTF16:
      raise DataError(f'{name} is UTF-16: convert it to UTF-8, for instance '
                      'with iconv -f UTF-16 -t UTF-8')
    size += len(chunk)
    kept += len(keeper.decode(chunk, not chunk).encode())
    text = decoder.decode(chunk, not chunk)
    if at_start and text:
      at_start = False
      report.count('byte-order marks', name, text[0] == '\ufeff')
      text = text.removeprefix('\ufeff')
    text = carriage + text
    # A CR that ends a chunk waits for the LF that may follow.
    carriage = '\r' if chunk and text.endswith('\r') else ''
    text = text[:-1] if carriage else text
    if text:
      yield clean(name, text, report)
    if not chunk:
      break
  report.count(BAD_BYTES, name, size - kept)


def lines(chunks, longest=None):
  """Yields lines with their ends out of chunks of text.

  A line of more than `longest` characters comes in pieces, of which only the
  last has the line's end.
  """
  rest = ''
  for chunk in chunks:
    *whole, rest = (rest + chunk).split('\n')
    for line in whole:
      yield line + '\n'
    while longest and len(rest) > longest:
      yield rest[:longest]
      rest = rest[longest:]
  if rest:
    yield rest
