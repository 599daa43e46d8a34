"""What objectives share that ask one question of every token of a text that is
shown as it is.
"""

import jax.numpy as jnp

from ptm_jax import losses
from ptm_jax.models.heads import TokenClassifier
from ptm_jax.objectives import base, masked


class TokenLabels(masked.Cloze):
  """A yes or no of every text token of `[CLS] text [SEP]`.

  A subclass names its `term` and its `head`, and says in `labels` what is true.
  """

  changes = False
  term = head = ''

  def labels(self, arranged):
    """bool `[length]`, of an arranged example."""
    raise NotImplementedError

  def coefficients(self):
    return {self.term: 1.0}

  def noise(self, key, arranged):
    del key
    text = arranged['candidates']
    return {'inputs': arranged['tokens'],
            'segment_ids': arranged['segment_ids'],
            'positions': arranged['positions'],
            'noise': jnp.zeros(text.shape, bool),
            'labels': (text & self.labels(arranged)).astype(jnp.int32),
            'weights': text.astype(jnp.float32)}

  def networks(self):
    return {'trunk': super().networks()['trunk'],
            self.head: (self._classifier(),
                        (jnp.zeros((1, 1, self.model.width)),))}

  def _classifier(self):
    return TokenClassifier(self.model, num_classes=1, transform=True)

  def score(self, params, hidden, batch):
    logits = self._classifier().apply(
        {'params': params[self.head]}, hidden)[..., 0]
    return {self.term: losses.binary_cross_entropy(
        logits, batch['labels'], batch['weights'])}

  def visibility(self, batch):
    segments = batch['segment_ids']
    return {self.term: {'inputs': base.same_segment(segments, segments)}}

  def exempt(self, batch):
    return {self.term: None}  # the label is no token of the text
