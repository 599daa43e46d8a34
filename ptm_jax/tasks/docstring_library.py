"""Which library does a docstring come from? Embedded, no download.

Documents are split as in pre-training: the task trains on docstrings of the
train split and is scored on those of documents that no trunk has seen.
"""

import dataclasses

import numpy as np

from ptm_jax import config
from ptm_jax.data.corpora import python_docs
from ptm_jax.data.documents import split_of
from ptm_jax.errors import DataError


@dataclasses.dataclass
class Task(config.Component):
  """Single-text classification with the same number of texts per class.

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

  def load(self):
    """Returns `{'train': (texts, labels), 'test': (texts, labels)}`.

    Raises:
      DataError: a library is not installed or has too few docstrings.
    """
    texts = {(split, name): [] for split in ('train', 'test')
             for name in self.classes}
    for document in python_docs.Corpus().documents():
      split = 'train' if split_of(document) == 'train' else 'test'
      if (split, document.source) in texts:
        texts[split, document.source].extend(python_docs.docstrings(document))
    result = {}
    for split, wanted in (('train', self.num_train), ('test', self.num_test)):
      chosen, labels = [], []
      for label, name in enumerate(self.classes):
        found = list(dict.fromkeys(texts[split, name]))
        if len(found) < wanted:
          raise DataError(
              f'docstring_library: {name} has {len(found)} docstrings in the '
              f'{split} split, {wanted} are needed')
        # Spread over the library, in its fixed order.
        picked = np.arange(wanted) * len(found) // wanted
        chosen += [found[i] for i in picked]
        labels += [label] * wanted
      result[split] = chosen, np.asarray(labels, np.int32)
    return result
