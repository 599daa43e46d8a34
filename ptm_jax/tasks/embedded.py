"""Tasks made of the docstrings on this machine, without any download.

Documents are split as in pre-training: a task trains on docstrings of the
train split and is scored on those of documents that no trunk has seen.
"""

import dataclasses

import numpy as np

from ptm_jax.data.corpora import python_docs
from ptm_jax.data.documents import split_of
from ptm_jax.errors import DataError
from ptm_jax.tasks import base, classification


@dataclasses.dataclass
class Embedded(classification.Classification):
  """Single-text classification with the same number of texts per class.

  Attributes:
    classes: names of the answers.
    num_train, num_test: texts per class.
  """

  embedded = True

  classes: tuple[str, ...] = ()
  num_train: int = 1000
  num_test: int = 160

  def texts(self, document):
    """Yields `(class, text)` of a `Document`; other classes are ignored."""
    raise NotImplementedError

  def load(self):
    """Returns `{'train': (texts, labels), 'test': (texts, labels)}`.

    Raises:
      DataError: a class has too few texts, as where a library is missing.
    """
    found = {(split, name): [] for split in ('train', 'test')
             for name in self.classes}
    for document in python_docs.Corpus().documents():
      split = 'train' if split_of(document) == 'train' else 'test'
      for name, text in self.texts(document):
        if name in self.classes:
          found[split, name].append(text)
    result = {}
    for split, wanted in (('train', self.num_train), ('test', self.num_test)):
      chosen, labels = [], []
      for label, name in enumerate(self.classes):
        texts = list(dict.fromkeys(found[split, name]))
        if len(texts) < wanted:
          raise DataError(
              f'{self.name}: {name} has {len(texts)} docstrings in the '
              f'{split} split, {wanted} are needed')
        # Spread over the library, in its fixed order.
        picked = np.arange(wanted) * len(texts) // wanted
        chosen += [texts[i] for i in picked]
        labels += [label] * wanted
      result[split] = chosen, np.asarray(labels, np.int32)
    return result

  def read(self, data_dir):
    if data_dir:
      raise DataError(f'--data_dir={data_dir}: the task {self.name} makes its '
                      'own data, of the docstrings on this machine')
    found = {split: [
        base.Example((text,), int(label), f'{split} docstring {number}')
        for number, (text, label) in enumerate(zip(texts, labels), 1)]
             for split, (texts, labels) in self.load().items()}
    return base.Examples(found['train'], found['test'], self.classes, {
        'train': ['python_docs, train'],
        'test': ['python_docs, validation and test']})
