"""What objectives share whose trunk is a table of vectors, and which speak of
the words of a window: a word is the sum of its pieces.
"""

import jax
import jax.numpy as jnp

from ptm_jax.data.flags import WORD_START
from ptm_jax.objectives import base


class WordTable(base.BaseObjective):
  """A trunk without layers, which reads a window as it is."""

  forms = ('embedding',)

  def lengths(self):
    return {'inputs': self.raw_length}

  def attention(self, params, windows):
    return [], jax.vmap(self.read)(windows)['inputs']

  def all_features(self, params, windows):
    states, real = self.features(params, windows)
    return [states], real


def words_of(arranged):
  """The words of one example; what precedes the first start is one, too.

  Returns:
    int32 `[length]`, the word of each token, numbered from 0, and `length`
    for padding; int32 `[length]`, the first token of each word; bool
    `[length]`, whether there is such a word.
  """
  length = arranged['tokens'].shape[0]
  real = arranged['segment_ids'] > 0
  starts = real & ((arranged['flags'] & WORD_START > 0)
                   | (jnp.arange(length) == 0))
  words = jnp.where(real, jnp.cumsum(starts) - 1, length)
  first = jnp.nonzero(starts, size=length, fill_value=length)[0]
  return (words.astype(jnp.int32),
          jnp.minimum(first, length - 1).astype(jnp.int32), first < length)


def sums(vectors, words):
  """The sum of each word's pieces: `[batch, words, width]`."""
  length = words.shape[1]
  return jax.vmap(lambda row, index: jax.ops.segment_sum(
      row, index, num_segments=length + 1))(vectors, words)[:, :-1]
