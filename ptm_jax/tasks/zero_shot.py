"""What every task is that a trunk is scored on as it is, without training.

To add one, write `tasks/NAME.py` with a class `Task` derived from `ZeroShot`:
it reads its published files and asks a `scoring.trunk.Trunk` for scores of
texts or for vectors. Nothing else is edited.
"""

import pathlib
from typing import Any, ClassVar, NamedTuple

from ptm_jax import config
from ptm_jax.data import clean, files
from ptm_jax.errors import DataError
from ptm_jax.find import name_of
from ptm_jax.tasks import rows


class Example(NamedTuple):
  """One example as it is published.

  Attributes:
    texts: its strings.
    label: the answer; what it is the task says.
    where: file and line, for messages.
  """

  texts: tuple[str, ...]
  label: Any
  where: str


class ZeroShot(config.Component):
  """Interface of all such tasks.

  Class attributes that a task sets:
    kinds: of `objectives.ways.KINDS`, the scores that it can use; () is a task
      of vectors, which any trunk gives.
    prefers: names of ways that it takes before an objective's first one.
    in_order: whether its examples follow each other, so that a few of them are
      the first ones, and not some spread over all.
    embedded: whether it makes its own data; `read` is then given no folder.
    how: how it is asked, as it stands behind its name in a table.
  """

  kinds: ClassVar[tuple[str, ...]] = ()
  prefers: ClassVar[tuple[str, ...]] = ()
  in_order: ClassVar[bool] = False
  embedded: ClassVar[bool] = False
  how: ClassVar[str] = ''

  def read(self, data_dir):
    """A list of `Example`.

    Raises:
      DataError: files are missing or malformed; one line with file and line.
    """
    raise NotImplementedError

  def measure(self, trunk, examples):
    """`{metric: number}`, the main one first.

    Args:
      trunk: `scoring.trunk.Trunk`.
      examples: of `read`, all or some.
    """
    raise NotImplementedError

  def settings(self):
    """What beside its data decides its scores, a dict of JSON values."""
    return {}

  # --- shared machinery -----------------------------------------------------

  def file(self, data_dir, *names):
    """The first of the published files that is there, plain or compressed."""
    for name in names:
      if path := rows.path_of(data_dir, name):
        return path
    raise DataError(f'--data_dir={data_dir} has no {" or ".join(names)} (or '
                    f'.gz, .xz, .bz2, .zst) of the task {name_of(self)[1]}')

  def json_rows(self, data_dir):
    """Yields `(file, line, row)` of every JSON Lines file of a folder, those
    in archives too."""
    found = False
    for path in sorted(pathlib.Path(data_dir).iterdir()):
      if files.kind_of(path.name) not in ('jsonl', 'tar', 'zip'):
        continue
      for name, stream in files.members(path, clean.Report()):
        if files.kind_of(name.rpartition('!')[2]) == 'jsonl':
          found = True
          text = stream.read().decode('utf8', 'replace')
          if not text.strip():
            raise DataError(f'{name} holds no example')
          for number, row in rows.json_lines(
              name, enumerate(text.split('\n'), 1)):
            yield name, number, row
    if not found:
      raise DataError(f'--data_dir={data_dir} has no .jsonl file, plain, '
                      'compressed or in an archive, for the task '
                      f'{name_of(self)[1]}: name the folder that holds them, '
                      'none above it')


def text_of(row, column, where):
  """A row's column, which must be a string with something in it."""
  value = rows.cell(row, column, where)
  if not isinstance(value, str) or not value.strip():
    raise DataError(f'{where}: {column!r} is {value!r:.80}, not a text')
  return value
