"""Shuffled-token detection: which tokens were moved?

Reference: Panda et al. 2021, 'Shuffled-token detection for refining
pre-trained RoBERTa', NAACL student research workshop, section 3.
"""

import dataclasses

from ptm_jax.objectives import detection, noise


@dataclasses.dataclass
class Objective(detection.Detection):
  """Detection of tokens that changed places with each other (STD).

  The hidden tokens of masked LM are permuted among their places, all
  permutations equally likely; a token that stays, or that an equal one
  replaces, is labelled original. The published rate is not certain; 0.15 is
  the usual. The paper goes on training RoBERTa; here any trunk may start.
  """

  def show(self, key, arranged, hidden):
    return noise.show_shuffled(key, arranged['tokens'], hidden), hidden
