"""Autoregressive language modelling: predict each token from its left.

Every document starts from `<s>`, so its first token is scored too, and the
summed loss is the likelihood of the text. Reference: Radford et al. 2018,
'Improving language understanding by generative pre-training', section 3.1.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ptm_jax import losses
from ptm_jax.models.heads import LMHead
from ptm_jax.objectives import arrange, base, ideal


@dataclasses.dataclass
class Objective(base.BaseObjective):
  """Autoregressive LM (GPT). It has no hyper-parameters."""

  forms = ('decoder',)
  likelihood = 'lm'

  def lengths(self):
    return {'inputs': self.raw_length}

  def coefficients(self):
    return {'lm': 1.0}

  def noise(self, key, arranged):
    del key
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    real = segment_ids > 0
    return {
        'inputs': arrange.shift_right(
            tokens, segment_ids, self.vocabulary.bos_id),
        'segment_ids': segment_ids,
        'positions': arranged['positions'],
        'targets': tokens,
        'weights': real.astype(jnp.float32),
        'noise': real,
    }

  def networks(self):
    return {
        'trunk': (self.trunk(), (base.empty_stack(self.raw_length),)),
        'head': (self._head(),
                 base.head_arguments(self.model, self.vocabulary))}

  def _head(self):
    return LMHead(self.model, self.vocabulary.size, transform=False,
                  bias=False)

  def score(self, params, hidden, batch):
    return {'lm': losses.cross_entropy(
        *base.apply_head(self._head(), params, hidden, self.model),
        batch['targets'], batch['weights'])}

  def visibility(self, batch):
    segments = batch['segment_ids']
    length = segments.shape[-1]
    causal = jnp.tril(jnp.ones((length, length), bool))
    return {'lm': {'inputs': base.same_segment(segments, segments)
                              & causal[None]}}

  def floor(self, law, batch):
    text = ideal.symbols(self.vocabulary, batch['targets'])
    return {'lm': ideal.Ideal(
        law.before(law.evidence(text), batch['segment_ids']),
        np.maximum(text, 0))}

  def read(self, window):
    arranged = arrange.opened(window, self.vocabulary.bos_id)
    return {name: arranged[field] for name, field in (
        ('inputs', 'tokens'), ('segment_ids', 'segment_ids'),
        ('positions', 'positions'))}
