"""Sentence distance: neighbours, one document, or two documents?

Reference: Sun et al. 2019, arXiv:1907.12412, section 3.2.2.
"""

import dataclasses

import jax
import jax.numpy as jnp

from ptm_jax.objectives import parts, sentences
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(sentences.SentenceLevel):
  """`[CLS] A [SEP] B [SEP]` (ERNIE 2.0): label 0 if B follows A, 1 if some
  text stands between them, 2 if B is from another document; chance 1/3 each.

  A document is cut into three parts; A is the first of them, B the second,
  the third, or of the partner. One of two sentences is cut into two, and has
  label 0 or 2; one of a single sentence is shown and not asked about.
  """

  term = 'sentence_distance'
  partner = 'other_document'

  def num_classes(self):
    return 3

  def origins(self):
    return [((0, 1), None), ((0, 1), 'behind'), ((0, 1), 'apart')]

  def compose(self, key, window):
    part, count = parts.cut(stream(key, 'cut'), window, 3,
                            self.whole_sentences)
    draw = stream(key, 'label')
    label = jnp.where(count == 3, jax.random.randint(draw, (), 0, 3),
                      2 * jax.random.bernoulli(draw))
    # The partner's part is as long as one of those that it stands for.
    own = jnp.where(count == 3, jnp.minimum(label, 1) + 1, 1)
    other = self.other(stream(key, 'partner'), window, part,
                       jnp.sum(part == own))
    second = parts.either((label == 2) & (count > 1), other,
                          (window, part == own))
    return ([(window, part == 0), second], label,
            (count > 1) & other[1].any())
