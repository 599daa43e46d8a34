"""Names of entities in the text, from a gazetteer or from the corpus."""

import dataclasses
import hashlib
import pathlib

from ptm_jax import config
from ptm_jax.data.annotations import spans
from ptm_jax.data.corpora import text
from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of


@dataclasses.dataclass
class Annotator(config.Component):
  """Marks every name of a gazetteer, the longest first.

  Attributes:
    path: of the gazetteer: text with a name a line, the last column where
      there are tabs; files, folders, archives as `corpus.path` takes them.
      '' asks the corpus for its names: those that the documented modules
      define, of the embedded corpus.
  """

  path: str = ''

  def check(self, corpus):
    """Raises ConfigError if there are no names."""
    if self.path and not pathlib.Path(self.path).exists():
      raise ConfigError(f'objective.gazetteer={self.path} does not exist: name '
                        'a text file with a name a line')
    if not self.path and not hasattr(corpus, 'entities'):
      raise ConfigError(
          f'the corpus {name_of(corpus)[1]} brings no names of entities: set '
          'objective.gazetteer to a text file with a name a line')

  def fingerprint(self, corpus):
    """Hash of the names."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(self._names(corpus)):
      digest.update(name.encode() + b'\n')
    return digest.hexdigest()

  def annotate(self, prepared, corpus):
    """A plane for each split, as `spans.mark` says."""
    find = spans.Finder(self._names(corpus))
    return {split: spans.mark(store, prepared.tokenizer, find)
            for split, store in prepared.stores.items()}

  def _names(self, corpus):
    if not self.path:
      return set(corpus.entities())
    lines = text.Corpus(path=self.path, documents_are='line').documents()
    return {line.text.split('\t')[-1].strip() for line in lines} - {''}
