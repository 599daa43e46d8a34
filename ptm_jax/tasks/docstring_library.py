"""Which library does a docstring come from? Embedded, no download."""

import dataclasses

from ptm_jax.data.corpora import python_docs
from ptm_jax.tasks import embedded


@dataclasses.dataclass
class Task(embedded.Embedded):
  """One of six libraries. A comparison of objectives scores it too, in its own
  program (`transfer`), with the settings below `num_test`.

  Attributes:
    classes: libraries to tell apart.
    num_train, num_test: docstrings per class; times the number of classes,
      multiples of `batch_size`.
    shots: docstrings per class that one linear probe is fitted to.
    length: tokens kept of each docstring.
    epochs, batch_size, learning_rate: of fine-tuning.
  """

  classes: tuple[str, ...] = (
      'stdlib', 'scipy', 'matplotlib', 'jax', 'orbax', 'fontTools')
  num_train: int = 1200
  num_test: int = 160
  shots: int = 100
  length: int = 48
  epochs: int = 1
  batch_size: int = 24
  learning_rate: float = 5e-3

  @property
  def num_classes(self):
    """Number of classes."""
    return len(self.classes)

  def texts(self, document):
    for text in python_docs.docstrings(document):
      yield document.source, text
