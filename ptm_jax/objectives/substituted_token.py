"""Random token substitution: which tokens were replaced at random?

Reference: Di Liello et al. 2021, arXiv:2104.09694, section 3.1.
"""

import dataclasses

import numpy as np

from ptm_jax.objectives import channel, detection, ideal


@dataclasses.dataclass
class Objective(detection.Detection):
  """Detection of random tokens (RTS): replaced tokens without a generator.

  A substitute is uniform over the text's ids and may be the original, which
  is then labelled so. The published rate is not certain; 0.15 is the usual.
  """

  def floor(self, law, batch):
    # How many tokens are drawn is known. A token may stand for itself.
    text, shown = (ideal.symbols(self.vocabulary, batch[name])
                   for name in ('targets', 'inputs'))
    noisy = np.full((*text.shape, law.num_symbols), 1 / law.num_symbols)
    found = channel.among_noise(
        law, shown, noisy, channel.counted(batch['noise']),
        ideal.stretches(text, batch['segment_ids']))
    return {'detection': channel.of_original(
        found.sum(2), text, shown, batch['labels'],
        self.unit == 'token' and law.counts_noise)}
