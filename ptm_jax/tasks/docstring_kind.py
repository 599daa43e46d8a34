"""What does a docstring describe? Embedded, no download."""

import dataclasses

from ptm_jax.data.corpora import python_docs
from ptm_jax.tasks import embedded


@dataclasses.dataclass
class Task(embedded.Embedded):
  """A module, a class or a function, methods among them."""

  classes: tuple[str, ...] = ('class', 'function', 'module')
  num_train: int = 700
  num_test: int = 100

  def load(self):
    self._kinds = python_docs.Corpus().kinds()
    return super().load()

  def texts(self, document):
    for text in python_docs.docstrings(document):
      yield self._kinds.get(python_docs.digest(text)), text
