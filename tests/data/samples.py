"""A little text to train tokenizers on, and corpora made of strings."""

import dataclasses
import random

from ptm_jax import config
from ptm_jax.data.documents import Document

WORDS = ('the array function returns a value of type int when axis is none '
         'and shape must match input output for each element over new data '
         'default optional parameters see also notes examples').split()


def sentences(count, seed=0):
  """Sentences of 5 to 30 words."""
  draw = random.Random(seed)
  return [' '.join(draw.choices(WORDS, k=draw.randint(5, 30))).capitalize()
          + draw.choice(['.', '?', '.\n', '.\n\n']) for _ in range(count)]


@dataclasses.dataclass
class Corpus(config.Component):
  """Documents given as strings; counts how often it is read."""

  texts: tuple[str, ...] = ()
  reads: int = 0

  def fingerprint(self):
    return str(hash(self.texts))

  def documents(self):
    self.reads += 1
    for number, text in enumerate(self.texts):
      yield Document(str(number), text)
