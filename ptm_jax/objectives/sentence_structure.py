"""Sentence structural objective: does the second part follow the first, go
before it, or come from elsewhere?

Reference: Wang et al. 2019, arXiv:1908.04577, section 2.2.2.
"""

import dataclasses

import jax
import jax.numpy as jnp

from ptm_jax.objectives import parts, sentences
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(sentences.SentenceLevel):
  """`[CLS] A [SEP] B [SEP]` (StructBERT): label 0 if B follows A, 1 if A
  follows B, 2 if B is from another document, with chance 1/3 each.

  A document of one sentence has label 2 always. The order of the labels is
  ours.
  """

  term = 'sentence_structure'
  partner = 'other_document'

  def num_classes(self):
    return 3

  def origins(self):
    return [((0, 1), None), ((1, 0), None), ((0, 1), 'apart')]

  def compose(self, key, window):
    part, follows, room = parts.halves(stream(key, 'cut'), window,
                                       self.whole_sentences)
    other = self.other(stream(key, 'partner'), window, part, room)
    label = jnp.where(
        follows, jax.random.randint(stream(key, 'label'), (), 0, 3), 2)
    first = (label == 1).astype(part.dtype)
    second = parts.either(label == 2, other, (window, part == 1 - first))
    return [(window, part == first), second], label, other[1].any()
