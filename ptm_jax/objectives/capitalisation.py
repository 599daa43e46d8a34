"""Capitalisation: which words of a text in lower case had a capital?

Reference: Sun et al. 2020, arXiv:1907.12412, section 3.2.1.
"""

import dataclasses

from ptm_jax.data.flags import CAPITAL
from ptm_jax.objectives import token_labels


@dataclasses.dataclass
class Objective(token_labels.TokenLabels):
  """Of every text token of `[CLS] text [SEP]`, whether the first letter of its
  word was a capital; no hyper-parameters.

  The text is read in lower case (`tokenizer.lower_case`). All tokens of a word
  have its label. The paper does not say what a capitalised word is.
  """

  needs_lower_case = True
  term, head = 'capitalisation', 'capital_head'

  def labels(self, arranged):
    return arranged['flags'] & CAPITAL > 0
