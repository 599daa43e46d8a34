"""Translations: two text files whose lines belong together."""

import dataclasses
import itertools
import pathlib
from typing import ClassVar

from ptm_jax import config
from ptm_jax.data import clean
from ptm_jax.data.corpora import text
from ptm_jax.data.documents import Document
from ptm_jax.errors import ConfigError, DataError


@dataclasses.dataclass
class Corpus(config.Component):
  """Pairs of lines, each a document: line i of `source` and, in another
  language, line i of `target`.

  A pair of which a side is empty is left out and counted in `report`, as is
  all that `text.Corpus` repairs. The split is by the source line, so that its
  translations stay together.

  Attributes:
    source: a file, plain or compressed, one sentence or text a line.
    target: another of as many lines.
  """

  aligned: ClassVar[bool] = True

  source: str = ''
  target: str = ''

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    for side in 'source', 'target':
      if not getattr(self, side):
        raise ConfigError(f'corpus.{side} is empty: name a file of lines, such '
                          f'as --config.corpus.{side}=train.en.gz')

  def fingerprint(self):
    """Hash of both files' names and bytes."""
    return ''.join(side.fingerprint() for side in self._sides())

  def documents(self):
    """Yields each `Document`; `report` counts what is left out or repaired.

    Raises:
      DataError: a file cannot be read, or one has more lines.
    """
    self.report, sides = clean.Report(), self._sides()
    lines = [side.documents() for side in sides]
    for number, pair in enumerate(itertools.zip_longest(*lines), 1):
      if None in pair:
        short = pair.index(None)
        more = 1 + sum(1 for _ in lines[1 - short])
        names = [self.source, self.target]
        raise DataError(
            f'{names[short]} has {number - 1:,} lines and {names[1 - short]} '
            f'has {number - 1 + more:,}: line i of the one must translate line '
            'i of the other')
      source, target = pair
      empty = not source.text.strip() or not target.text.strip()
      self.report.count('pairs with an empty line left out', self.source, empty)
      if not empty:
        yield Document(source.name, source.text, group=source.text,
                       aligned=target.text)
    for side in sides:
      for what, files in side.report.counts.items():
        self.report.counts[what].update(files)

  def _sides(self):
    for side in 'source', 'target':
      if not pathlib.Path(getattr(self, side)).is_file():
        raise DataError(f'corpus.{side}={getattr(self, side)}: there is no '
                        'such file')
    return [text.Corpus(path, documents_are='line')
            for path in (self.source, self.target)]
