"""The token store of one split: memory-mapped ids, flags, document starts."""

import hashlib
import json
import pathlib

import numpy as np

from ptm_jax.errors import DataError

_SEALED = ('.bin', '.npy')  # files of a split


class Store:
  """One split on disk.

  Attributes:
    ids: int32 `[tokens]`, memory-mapped.
    flags: uint8 `[tokens]`, memory-mapped.
    document_starts: int64 `[documents + 1]`, the last is the end.
    planes: uint8 `[tokens]` by name, what annotators say of each token.
    aligned: the `Store` of the same documents in another language, or None.
  """

  def __init__(self, folder):
    folder = pathlib.Path(folder)
    self.planes, self.aligned = {}, None
    try:
      self.document_starts = np.load(folder / 'document_starts.npy',
                                     allow_pickle=False)
      count = int(self.document_starts[-1])
      self.ids = _map(folder / 'ids.bin', np.int32, count)
      self.flags = _map(folder / 'flags.bin', np.uint8, count)
    except (OSError, EOFError, ValueError, IndexError) as error:
      raise DataError(
          f'{folder} is not a usable token store: {error}') from error

  @property
  def num_tokens(self):
    """Tokens in the split."""
    return len(self.ids)

  @property
  def num_documents(self):
    """Documents in the split."""
    return len(self.document_starts) - 1


def _map(path, dtype, count):
  if not count:
    return np.zeros(0, dtype)
  if path.stat().st_size != count * np.dtype(dtype).itemsize:
    raise ValueError(f'{path.name} has {path.stat().st_size} bytes, expected '
                     f'{count * np.dtype(dtype).itemsize}')
  return np.memmap(path, dtype, 'r')


class Writer:
  """Writes one split, document after document, in bounded memory."""

  def __init__(self, folder):
    self._folder = pathlib.Path(folder)
    self._folder.mkdir(parents=True)
    self._ids = (self._folder / 'ids.bin').open('wb')
    self._flags = (self._folder / 'flags.bin').open('wb')
    self._starts = [np.zeros(1, np.int64)]

  def add(self, ids, flags, lengths):
    """Appends documents; one without tokens is left out.

    Args:
      ids: int32 `[n]`, one document after the other.
      flags: uint8 `[n]`.
      lengths: int64 `[documents]`.
    """
    self._ids.write(ids.astype(np.int32).tobytes())
    self._flags.write(flags.astype(np.uint8).tobytes())
    self._starts.append(self._starts[-1][-1] + np.cumsum(lengths[lengths > 0]))
    if not len(self._starts[-1]):
      self._starts.pop()

  def close(self):
    """Completes the split."""
    self._ids.close()
    self._flags.close()
    np.save(self._folder / 'document_starts.npy',
            np.concatenate(self._starts), allow_pickle=False)


def hashes(folder):
  """A hash of every file of every split below `folder`, by relative name."""
  folder = pathlib.Path(folder)
  return {str(path.relative_to(folder)): _hash(path)
          for path in sorted(folder.glob('*/*')) if path.suffix in _SEALED}


def check(folder, recorded):
  """Raises DataError unless the files are those that `hashes` saw."""
  try:
    found = hashes(folder)
  except OSError as error:
    raise DataError(
        f'{folder} is not a usable token store: {error}') from error
  for name in sorted({*found, *recorded}):
    if found.get(name) != recorded.get(name):
      raise DataError(f'{folder} is not a usable token store: {name} is not '
                      'what was written')


def _hash(path):
  with path.open('rb') as file:
    return hashlib.file_digest(
        file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def write_report(folder, values):
  """Writes what `prepare` counted."""
  (pathlib.Path(folder) / 'report.json').write_text(
      json.dumps(values, indent=1) + '\n', encoding='utf8')


def read_report(folder):
  """Reads what `write_report` wrote; raises DataError if it is damaged."""
  try:
    values = json.loads((pathlib.Path(folder) / 'report.json').read_text(
        encoding='utf8'))
    if not isinstance(values, dict) or not isinstance(
        values.get('files'), dict) or 'corpus_hash' not in values:
      raise ValueError('report.json has no corpus_hash, or no files')
  except (OSError, ValueError, RecursionError) as error:
    raise DataError(
        f'{folder} is not a usable token store: {error}') from error
  return values
