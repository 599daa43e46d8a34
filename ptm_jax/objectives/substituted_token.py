"""Random token substitution: which tokens were replaced at random?

Reference: Di Liello et al. 2021, arXiv:2104.09694, section 3.1.
"""

import dataclasses

import numpy as np

from ptm_jax.objectives import detection, ideal


@dataclasses.dataclass
class Objective(detection.Detection):
  """Detection of random tokens (RTS): replaced tokens without a generator.

  A substitute is uniform over the text's ids and may be the original, which
  is then labelled so. The published rate is not certain; 0.15 is the usual.
  """

  def floor(self, law, batch):
    # Of the law of noise it is known how many tokens are drawn.
    shown = ideal.symbols(self.vocabulary, batch['inputs'])
    text = (shown >= 0)[..., None]
    rate = (np.sum(batch['noise'], 1) / np.maximum(np.sum(text, (1, 2)), 1)
            )[:, None, None]
    as_shown = law.evidence(np.maximum(shown, 0))
    channel = (1 - rate) * as_shown + rate / law.num_symbols
    chances = channel * law.around(
        np.where(text, channel, 1),
        ideal.stretches(shown, batch['segment_ids']))
    original = (np.sum(as_shown * chances, -1) / np.sum(chances, -1))[..., None]
    original = np.where(text, original, 1)
    return {'detection': ideal.Ideal(
        np.concatenate([original, 1 - original], -1), batch['labels'], False)}
