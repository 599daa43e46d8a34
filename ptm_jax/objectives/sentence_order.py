"""Sentence-order prediction: are two neighbouring parts in their order?

Reference: Lan et al. 2020, arXiv:1909.11942, section 3.1.
"""

import dataclasses

import jax

from ptm_jax.objectives import parts, sentences
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(sentences.SentenceLevel):
  """`[CLS] A [SEP] B [SEP]` (ALBERT): label 0 if B follows A, 1 if A follows
  B, with chance 1/2 each.

  Token types follow the place, not the origin. A document of one sentence is
  shown and not asked about, where the released code shows another document
  under label 1.
  """

  term = 'sentence_order'

  def origins(self):
    return [((0, 1), None), ((1, 0), None)]

  def compose(self, key, window):
    part, count = parts.cut(stream(key, 'cut'), window, 2,
                            self.whole_sentences)
    swapped = jax.random.bernoulli(stream(key, 'label')) & (count == 2)
    first = swapped.astype(part.dtype)
    return ([(window, part == first), (window, part == 1 - first)], swapped,
            count == 2)
