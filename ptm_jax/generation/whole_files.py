"""A file of prompts, a line each, continued or translated line by line."""

import os
import pathlib

import numpy as np

from ptm_jax.data import clean, files
from ptm_jax.errors import DataError

_BUCKET = 16  # prompts are padded to multiples of so many tokens


def read(flag, path):
  """The lines of a text file, plain or compressed.

  Raises:
    DataError: it cannot be read, or has no line.
  """
  report, found = clean.Report(), []
  if not pathlib.Path(path).is_file():
    raise DataError(f'--{flag}={path}: there is no such file')
  for name, stream in files.members(path, report):
    found += [line.rstrip('\n') for line in clean.lines(
        clean.clean_chunks(name, stream, report))]
  if not found:
    raise DataError(f'--{flag}={path} is empty')
  return found


def write(path, lines):
  """Writes lines at once: the file is whole or as it was.

  Raises:
    DataError: it cannot be written.
  """
  path = pathlib.Path(path)
  temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
  try:
    temporary.write_text(''.join(f'{line}\n' for line in lines),
                         encoding='utf8')
    temporary.replace(path)
  except OSError as error:
    raise DataError(f'--output={path}: {error.strerror}') from error


def continued(run, searcher, lines, max_tokens, batch_size, advance):
  """The best text behind every line, by a beam.

  Lines of like length share a batch, so that little is padding and few
  programs are compiled.

  Args:
    run: `load.Loaded`.
    searcher: `beam.Searcher` of it.
    lines: list of strings.
    max_tokens: to write behind each.
    batch_size: lines at once.
    advance: called with the number of lines that are done.

  Returns:
    A list of strings, in the order of the lines, each without a newline.
  """
  sizes = np.array([len(run.tokenizer.encode(line)) for line in lines])
  order, found = np.argsort(sizes, kind='stable'), [''] * len(lines)
  for start in range(0, len(lines), batch_size):
    part = order[start:start + batch_size]
    length = -(-max(1, int(sizes[part].max())) // _BUCKET) * _BUCKET
    prompts = [lines[one] for one in part]
    texts, _ = searcher.write(
        prompts + [''] * (batch_size - len(part)), max_tokens, length)
    for one, row in zip(part, texts):
      found[one] = ' '.join(run.tokenizer.decode(row).split('\n'))
    advance(len(part))
  return found
