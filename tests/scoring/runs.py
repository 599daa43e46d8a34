"""Untrained runs that read letters, for the tests of scoring."""

import functools
import types

import jax
import numpy as np
from flax.core import meta

from ptm_jax.config import Model
from tests.eager import eager
from tests.objectives.cases import bound
from tests.objectives.words import VOCABULARY, ids, show


class Letters:
  """A tokenizer of 'ab cd' as four tokens; its space is none."""

  vocabulary = VOCABULARY
  sample = 'abcdefgh'
  spellings = [b''] * VOCABULARY.size

  def encode_with_flags(self, text):
    words = [word for word in text.split(' ') if word]
    starts = [place == 0 for word in words for place in range(len(word))]
    return self.encode(text), np.asarray(starts, np.uint8)

  def encode(self, text):
    letters = ' '.join(text.replace(' ', ''))
    return ids(letters) if letters else np.zeros(0, np.int32)

  def decode(self, tokens):
    return show(tokens).replace(' ', '')


@functools.cache
def run_of(name, form='auto', **model):
  """A run whose parameters are large, so that it has opinions."""
  objective = bound(name, form, model=Model(**{
      'depth': 2, 'width': 8, 'num_heads': 2, 'max_length': 32, **model}))
  params = jax.tree.map(lambda leaf: 8 * leaf, meta.unbox(
      eager(objective.init, jax.random.key(0))))
  return types.SimpleNamespace(
      tokenizer=Letters(), objective=objective, params=params,
      config=types.SimpleNamespace(model=objective.model), encoder=None)
