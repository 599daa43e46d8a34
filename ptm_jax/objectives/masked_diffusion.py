"""Masked diffusion: absorbing-state diffusion with its likelihood bound.

Tokens turn into `[MASK]` one after the other, and the trunk learns to go back
from any number of them. References: Sahoo et al. 2024, arXiv:2406.07524,
section 3; Ou et al. 2024, arXiv:2406.03736, for the form used here.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import losses
from ptm_jax.objectives import base, hiding, ideal, masked, noise, ways
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(masked.Cloze):
  """Masked diffusion (MDLM) on `[CLS] text [SEP]`; no hyper-parameters.

  Of the n tokens of a text, k are hidden, k uniform on 1..n and all sets
  equally likely, and each costs n / k times its nll. The mean over raw tokens
  bounds the text's negative log-likelihood per token from above. The paper
  hides each token with a chance t, uniform on [0, 1], and weighs it with
  1 / t: integrating t out gives the form here, of the same expectation and
  lower variance. The head may lose probability to ids that are no text, which
  keeps the bound valid.
  """

  likelihood = 'diffusion'

  def coefficients(self):
    return {'diffusion': 1.0}

  def noise(self, key, arranged):
    text = arranged['candidates']
    total = jnp.sum(text)
    count = jax.random.randint(
        stream(key, 'count'), (), 1, jnp.maximum(total, 1) + 1)
    hidden, _ = noise.distinct_positions(
        stream(key, 'positions'), text, count, self.raw_length)
    return {
        'inputs': jnp.where(hidden, self.vocabulary.mask_id,
                            arranged['tokens']),
        'segment_ids': arranged['segment_ids'],
        'positions': arranged['positions'],
        'targets': arranged['tokens'],
        'weights': text.astype(jnp.float32),
        'costs': hidden * (total / count).astype(jnp.float32),
        'noise': hidden,
    }

  def score(self, params, hidden, batch):
    return {'diffusion': losses.cross_entropy(
        *base.apply_head(self._head(), params, hidden, self.model),
        batch['targets'], batch['costs']).over(batch['weights'])}

  def ways(self):
    asked = functools.partial(hiding.asked, self)
    loss = functools.partial(hiding.recovered, self)
    return {
        'bound': ways.Way(
            'bound', 'upper bound on the negative log-likelihood, a random set '
            'of each size hidden', ways.every_size,
            functools.partial(asked, None), loss),
        'all_hidden': hiding.at_once(asked, loss)}

  def visibility(self, batch):
    segments = batch['segment_ids']
    return {'diffusion': {'inputs': base.same_segment(segments, segments)}}

  def floor(self, law, batch):
    text = ideal.symbols(self.vocabulary, batch['targets'])
    shown = np.where(batch['noise'], -1, text)
    return {'diffusion': ideal.Ideal(
        law.around(law.evidence(shown),
                   ideal.stretches(text, batch['segment_ids'])),
        np.maximum(text, 0))}
