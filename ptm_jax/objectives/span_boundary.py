"""Span boundary objective: masked spans, predicted a second time from the two
tokens around them.

Reference: Joshi et al. 2020, arXiv:1907.10529, section 3, and its released
code for the limits.
"""

import dataclasses

import jax
import jax.numpy as jnp

from ptm_jax import checks, losses
from ptm_jax.models.heads import BoundaryHead
from ptm_jax.objectives import base, masked


@dataclasses.dataclass
class Objective(masked.Objective):
  """Masked LM on spans and the span boundary objective (SpanBERT), added.

  A span that reaches the text's first or last token has no token outside, and
  one between two packed documents none of its own on both sides: they stay
  out of the second term, as tokens deep inside a very long span do.

  Attributes:
    unit: as of masked LM; 'span' here.
    max_span_targets: tokens of a span, from its left, in the second term.
  """

  unit: str = 'span'
  max_span_targets: int = 15

  def validate(self):
    super().validate()
    checks.positive(self, 'objective', 'max_span_targets')

  def coefficients(self):
    return {'mlm': 1.0, 'sbo': 1.0}

  def noise(self, key, arranged):
    example = super().noise(key, arranged)
    hidden, predicted = example['noise'], example['predicted']
    index = jnp.arange(hidden.shape[0])
    # Of each token: the last place outside before it, the first behind it.
    left = jax.lax.cummax(jnp.where(hidden, -1, index))[predicted]
    right = jax.lax.cummin(jnp.where(hidden, index.size, index),
                           reverse=True)[predicted]
    place = predicted - left - 1
    segments = arranged['segment_ids']
    inside = (hidden[predicted] & (place < self.max_span_targets)
              & arranged['candidates'][left] & arranged['candidates'][right]
              & (segments[left] == segments[predicted])
              & (segments[right] == segments[predicted]))
    return {**example, 'left': left, 'right': right,
            'place': jnp.clip(place, 0, self.max_span_targets - 1),
            'span_weights': inside.astype(jnp.float32)}

  def networks(self):
    state = jnp.zeros((1, 1, self.model.width))
    _, table = base.head_arguments(self.model, self.vocabulary)
    return {**super().networks(), 'boundary_head': (
        self._boundary_head(),
        ((state, state, jnp.zeros((1, 1), jnp.int32)), table))}

  def _boundary_head(self):
    return BoundaryHead(self.model, self.vocabulary.size,
                        self.max_span_targets)

  def score(self, params, hidden, batch):
    sides = (base.at(hidden, batch['left']), base.at(hidden, batch['right']),
             batch['place'])
    return {'mlm': self.recover(params, hidden, batch),
            'sbo': losses.cross_entropy(
                *base.apply_head(self._boundary_head(), params, sides,
                                 self.model, 'boundary_head'),
                base.at(batch['targets'], batch['predicted']),
                batch['span_weights'])}

  def floor(self, law, batch):
    found = super().floor(law, batch)
    # The states at a span's sides may know all that is shown.
    return {**found, 'sbo': found['mlm']} if found else {}

  def visibility(self, batch):
    (seen,) = super().visibility(batch).values()
    return {'mlm': seen, 'sbo': seen}

  def exempt(self, batch):
    (kept,) = super().exempt(batch).values()
    return {'mlm': kept, 'sbo': kept}
