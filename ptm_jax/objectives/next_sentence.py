"""Next-sentence prediction: does the second part follow the first?

Reference: Devlin et al. 2019, arXiv:1810.04805, section 3.1, and its released
code.
"""

import dataclasses

import jax

from ptm_jax.objectives import parts, sentences
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(sentences.SentenceLevel):
  """`[CLS] A [SEP] B [SEP]` (BERT): label 0 if B follows A, 1 if it is from
  another document.

  A document is cut between two of its sentences. With chance 1/2, and always
  where it has one sentence alone, B is replaced by as many tokens of the
  window's partner, from the start of a sentence; so as in the released code
  label 1 is the commoner one.
  """

  term = 'next_sentence'
  partner = 'other_document'

  def origins(self):
    return [((0, 1), None), ((0, 1), 'apart')]

  def compose(self, key, window):
    part, follows, room = parts.halves(stream(key, 'cut'), window,
                                       self.whole_sentences)
    other = self.other(stream(key, 'partner'), window, part, room)
    random = ~follows | jax.random.bernoulli(stream(key, 'label'))
    second = parts.either(random, other, (window, part == 1))
    return [(window, part == 0), second], random, other[1].any()
