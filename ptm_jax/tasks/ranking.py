"""Answers to a question, the right ones to be ranked first."""

import numpy as np

from ptm_jax.tasks import classification, scores


class Ranking(classification.Classification):
  """Each pair of question and answer is right or wrong; the answers of one
  question are ranked by how sure that is. Questions without a right answer
  among theirs are not scored."""

  labels = ('0', '1')
  metrics = ('map', 'mrr')

  def predict(self, logits, rows, examples, labels):
    del rows, examples, labels
    values = np.stack(logits).astype(np.float64)
    return (values[:, 1] - values[:, 0]).tolist()

  def score(self, predictions, examples, labels):
    del labels
    groups = {}
    for one, value in zip(examples, predictions, strict=True):
      groups.setdefault(one.texts[0], []).append((one.label, value))
    return scores.of_ranks(self.metrics, groups.values())

  def heard(self, text, example, labels):
    return float(text == labels[1])

  def constant(self, train, labels):
    del train, labels
    return 0.0
