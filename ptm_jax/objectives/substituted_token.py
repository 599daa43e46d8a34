"""Random token substitution: which tokens were replaced at random?

Reference: Di Liello et al. 2021, arXiv:2104.09694, section 3.1.
"""

import dataclasses

from ptm_jax.objectives import detection


@dataclasses.dataclass
class Objective(detection.Detection):
  """Detection of random tokens (RTS): replaced tokens without a generator.

  A substitute is uniform over the text's ids and may be the original, which
  is then labelled so. The published rate is not certain; 0.15 is the usual.

  Attributes:
    mask_share, random_share: as of masked LM; all noise is random here.
  """

  mask_share: float = 0.0
  random_share: float = 1.0
