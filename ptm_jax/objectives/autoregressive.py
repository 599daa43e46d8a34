"""Autoregressive language modelling: predict each token from its left.

Every document starts from `<s>`, so its first token is scored too, and the
summed loss is the likelihood of the text. References: Radford et al. 2018,
'Improving language understanding by generative pre-training', section 3.1;
with memory: Dai et al. 2019, arXiv:1901.02860, section 3.2.
"""

import copy
import dataclasses
import functools

import jax.numpy as jnp
import numpy as np

from ptm_jax import losses
from ptm_jax.models import memory
from ptm_jax.models.heads import LMHead
from ptm_jax.objectives import arrange, base, ideal, segments, ways


@dataclasses.dataclass
class LeftToRight(base.BaseObjective):
  """What all share that write a text from left to right."""

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
    documents, count = batch['segment_ids'], self.num_segments
    length = documents.shape[1] // count
    causal = jnp.tril(jnp.ones((count, length, length), bool))
    return {'lm': {'inputs': base.same_segment(documents, documents)
                              & memory.reach(causal, count, length,
                                             self.model.depth)}}

  def floor(self, law, batch):
    text = ideal.symbols(self.vocabulary, batch['targets'])
    return {'lm': ideal.Ideal(
        law.before(law.evidence(text), batch['segment_ids']),
        np.maximum(text, 0))}

  def ways(self):
    whole = copy.copy(self)
    whole.num_segments = 1  # a text is read as one
    return {'chain_rule': ways.Way(
        'likelihood', 'log-likelihood, each token given those before it',
        ways.once, self._asked, functools.partial(whole.loss, None))}

  def _asked(self, window, rank, factor):
    del rank
    return (LeftToRight.noise(self, None, arrange.plain(window)),
            {'lm': jnp.arange(factor.size)})

  def read(self, window):
    arranged = arrange.opened(window, self.vocabulary.bos_id)
    return {name: arranged[field] for name, field in (
        ('inputs', 'tokens'), ('segment_ids', 'segment_ids'),
        ('positions', 'positions'))}


@dataclasses.dataclass
class Objective(segments.Segmented, LeftToRight):
  """Autoregressive LM (GPT); in segments, with memory, as in Transformer-XL,
  where memory goes from batch to batch, and here from the start of a window.
  """
