"""Sentence reordering: in which order is the text shown?

Reference: Sun et al. 2019, arXiv:1907.12412, section 3.2.2.
"""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.errors import ConfigError
from ptm_jax.objectives import parts, sentences
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(sentences.SentenceLevel):
  """A document is cut into n parts, n = 1 ... `max_parts` equally likely,
  shown in a random order, and the order is to be told (ERNIE 2.0).

  There are 1! + 2! + ... classes: first those of fewer parts, then in the
  lexicographic order of the parts' numbers as shown. A document with fewer
  sentences than n has as many parts as sentences.

  Attributes:
    max_parts: most parts.
  """

  max_parts: int = 3

  term = 'sentence_reordering'

  def validate(self):
    if not 2 <= self.max_parts <= 5:
      raise ConfigError(f'objective.max_parts={self.max_parts} must be 2 to 5: '
                        '1 has no order, and 6 has 720 more classes')

  def lengths(self):
    return {'inputs': self.raw_length + 1 + self.max_parts}

  def num_classes(self):
    return sum(math.factorial(n) for n in range(1, self.max_parts + 1))

  def origins(self):
    orders, _ = _orders(self.max_parts)
    return [(tuple(np.argsort(order[order < self.max_parts])), None)
            for order in orders]

  def compose(self, key, window):
    wanted = jax.random.randint(
        stream(key, 'count'), (), 1, self.max_parts + 1)
    part, count = parts.cut(stream(key, 'cut'), window, wanted,
                            self.whole_sentences)
    orders, first = _orders(self.max_parts)
    # Of the classes with so many parts, each is equally likely.
    before = jnp.asarray(first)[jnp.maximum(count, 1) - 1]
    size = jnp.asarray(first)[jnp.maximum(count, 1)] - before
    label = before + jnp.minimum(
        (jax.random.uniform(stream(key, 'label')) * size).astype(jnp.int32),
        size - 1)
    order = jnp.asarray(orders)[label]
    return ([(window, part == order[place])
             for place in range(self.max_parts)], label,
            (count > 0) & jnp.any(part == 0))  # a row of padding has no parts


def _orders(max_parts):
  """The orders of all classes, int32 `[classes, max_parts]`, filled up with
  the number of no part, and the first class of n + 1 parts by n."""
  orders, first = [], [0]
  for count in range(1, max_parts + 1):
    orders += [(*order, *[max_parts] * (max_parts - count))
               for order in itertools.permutations(range(count))]
    first.append(len(orders))
  return np.asarray(orders, np.int32), np.asarray(first, np.int32)
