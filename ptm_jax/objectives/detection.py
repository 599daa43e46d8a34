"""What objectives share that ask of every token whether it is the original,
with corruption that needs no second network.
"""

import dataclasses
import functools
from typing import ClassVar

import jax.numpy as jnp

from ptm_jax import losses
from ptm_jax.models.heads import TokenClassifier
from ptm_jax.objectives import arrange, base, masked, ways


@dataclasses.dataclass
class Detection(masked.Objective):
  """Masked LM's choice of noise, shown as other tokens; a label per token.

  Every text token and special token carries loss. A token is labelled by its
  difference from the original, so noise that shows the original has label 0.
  """

  # No fields here: all noise shows another token.
  mask_share: ClassVar[float] = 0.0
  random_share: ClassVar[float] = 1.0

  traced = ('rate', 'max_predictions', 'span_stop')
  floor = base.BaseObjective.floor  # not that of masked LM

  def noise(self, key, arranged):
    example = super().noise(key, arranged)
    return {**example,
            'labels': (example['inputs'] != example['targets']).astype(
                jnp.int32),
            'weights': arrange.around_text(
                arranged['segment_ids']).astype(jnp.float32)}

  def coefficients(self):
    return {'detection': 1.0}

  def networks(self):
    return {**super().networks(),
            'head': (self._head(), (jnp.zeros((1, 1, self.model.width)),))}

  def _head(self):
    return TokenClassifier(self.model, num_classes=1, transform=True)

  def score(self, params, hidden, batch):
    logits = self._head().apply({'params': params['head']}, hidden)[..., 0]
    return {'detection': losses.binary_cross_entropy(
        logits, batch['labels'], batch['weights'])}

  def ways(self):
    return {'energy': ways.Way(
        'energy', 'minus the log-probability that each token is the original, '
        'summed', ways.once, self._asked, functools.partial(self.loss, None))}

  def _asked(self, window, rank, factor):
    del rank
    arranged = masked.Cloze.arrange(self, None, window)
    real = arranged['segment_ids'] > 0
    return {'inputs': arranged['tokens'],
            'segment_ids': arranged['segment_ids'],
            'positions': arranged['positions'],
            'labels': jnp.zeros_like(arranged['tokens']),
            'weights': real.astype(jnp.float32),
            }, {'detection': jnp.arange(factor.size + 2) - 1}

  def visibility(self, batch):
    segments = batch['segment_ids']
    return {'detection': {'inputs': base.same_segment(segments, segments)}}

  def exempt(self, batch):
    # The label is no token of the text: it compares what is shown with it.
    return {'detection': None}
