"""Shuffled-token detection: which tokens were moved?

Reference: Panda et al. 2021, 'Shuffled-token detection for refining
pre-trained RoBERTa', NAACL student research workshop, section 3.
"""

import dataclasses

import numpy as np

from ptm_jax.objectives import channel, detection, ideal, noise


@dataclasses.dataclass
class Objective(detection.Detection):
  """Detection of tokens that changed places with each other (STD).

  The hidden tokens of masked LM are permuted among their places, all
  permutations equally likely; a token that stays, or that an equal one
  replaces, is labelled original. The published rate is not certain; 0.15 is
  the usual. The paper goes on training RoBERTa; here any trunk may start.
  """

  floor_is = 'bounds'

  def show(self, key, arranged, hidden):
    return noise.show_shuffled(key, arranged['tokens'], hidden), hidden

  def floor(self, law, batch):
    # That the fakes are the hidden tokens themselves is left out: a sum over
    # all permutations. They are taken as drawn from the law of one token.
    text, shown = (ideal.symbols(self.vocabulary, batch[name])
                   for name in ('targets', 'inputs'))
    segments = ideal.stretches(text, batch['segment_ids'])
    nothing = np.ones((*text.shape, law.num_symbols))
    fake = np.sum(law.around(nothing, segments) * law.evidence(shown), -1)
    found = channel.among_noise(
        law, shown, np.where(text < 0, 0, fake)[..., None] * nothing,
        channel.counted(batch['noise']), segments)
    return {'detection': channel.of_original(
        found.sum(2), text, shown, batch['labels'], False)}
