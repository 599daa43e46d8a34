"""Deshuffling: the tokens in a random order become the text again.

Reference: Raffel et al. 2020, arXiv:1910.10683, section 3.3.1 and table 3.
"""

import dataclasses

import jax
import jax.numpy as jnp

from ptm_jax.objectives import sequence_to_sequence
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(sequence_to_sequence.Rewriting):
  """Deshuffling (T5): all orders are equally likely, `</s>` stays last.

  Tokens of packed documents are shuffled within their own document. No token
  is hidden: what is to be found is the order.
  """

  def make_sizes(self):
    return {'encoder': self.raw_length + 1, 'decoder': self.raw_length + 1}

  def noise(self, key, arranged):
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    real = segment_ids > 0
    draws = jax.random.uniform(stream(key, 'order'), tokens.shape)
    order = sequence_to_sequence.order_within(draws, segment_ids)
    size, eos_id = self.sizes['encoder'], self.vocabulary.eos_id
    return sequence_to_sequence.example(
        sequence_to_sequence.some(
            tokens[order], segment_ids, real, size, eos_id),
        sequence_to_sequence.some(tokens, segment_ids, real, size, eos_id),
        jnp.zeros_like(real), self.start_id)

  def ways(self):
    return {}  # the input has the tokens of the target

  def exempt(self, batch):
    # Every target shows in the input, in a place that says nothing of its own.
    return {'seq2seq': {'encoder_inputs': batch['encoder_segment_ids'] > 0}}
