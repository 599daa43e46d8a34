"""A text, or a pair of texts, and a number."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np

from ptm_jax.errors import DataError
from ptm_jax.tasks import classification, scores


class Regression(classification.Classification):
  """Mean squared error on numbers divided by the largest of the scale.

  Class attribute:
    largest: of the published scale.
  """

  metrics = ('spearman', 'pearson')
  probed = 'numbers'
  largest = 1.0

  def settled(self, train, test):
    def read(one):
      try:
        value = float(one.label)
      except ValueError:
        value = math.nan
      if not math.isfinite(value):
        raise DataError(f'{one.where}: {one.label!r} is not a number')
      return dataclasses.replace(one, label=value)
    return [read(one) for one in train], [read(one) for one in test], ()

  def target(self, label):
    return np.float32(label / self.largest)

  def targets(self, values):
    return values[:, 0]

  def num_outputs(self, labels):
    del labels
    return 1

  def loss(self, logits, targets):
    return jnp.square(logits[:, 0] - targets)

  def predict(self, logits, rows, examples, labels):
    del rows, examples, labels
    return (np.stack(logits)[:, 0].astype(np.float64) * self.largest).tolist()

  def score(self, predictions, examples, labels):
    del labels
    return scores.of_numbers(
        self.metrics, np.asarray([one.label for one in examples]),
        np.asarray(predictions))

  def spoken(self, label, labels):
    return f'{round(5 * label) / 5:g}'  # in steps of 0.2, as T5 has it

  def heard(self, text, example, labels):
    try:
      value = float(text)
    except ValueError:
      return 0.0
    return value if math.isfinite(value) else 0.0

  def constant(self, train, labels):
    del labels
    return float(np.mean([one.label for one in train]))
