"""Prefix language modelling: read a prefix in both directions, write the rest.

References: Liu et al. 2018, arXiv:1801.10198, section 4.2.3; Raffel et al.
2020, arXiv:1910.10683, section 3.2.3, and its released preprocessor for the
law of the prefix's length.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.objectives import (arrange, autoregressive, base, hidden_lengths,
                                ideal, noise, sequence_to_sequence)


@dataclasses.dataclass
class Objective(autoregressive.LeftToRight):
  """Prefix LM; it has no hyper-parameters.

  The prefix of a window of n tokens has 1 to n - 1 of them, all lengths
  equally likely; the rest carries loss. One stack starts from `<s>`, and the
  last position of the prefix predicts the first token behind it. An
  encoder-decoder reads the prefix, closed by `</s>`, in its encoder. A window
  that holds several documents is cut once: a document before the cut is only
  read, one behind it has no prefix.
  """

  forms = ('prefix', 'encoder_decoder')
  likelihood = None

  @property
  def _one_stack(self):
    return self.model.form == 'prefix'

  def lengths(self):
    # Each side may have all but one of the tokens, and `</s>`.
    return ({'inputs': self.raw_length} if self._one_stack else
            {'encoder': self.raw_length, 'decoder': self.raw_length})

  def noise(self, key, arranged):
    segment_ids = arranged['segment_ids']
    total = jnp.sum(segment_ids > 0)
    prefix = jax.random.randint(key, (), 1, jnp.maximum(total, 2))
    index = jnp.arange(self.raw_length)
    behind = (index >= prefix) & (segment_ids > 0)
    if self._one_stack:
      return {**super().noise(None, arranged),
              'prefix_length': prefix + 1,  # `<s>` is read as well
              'weights': behind.astype(jnp.float32),
              'noise': behind}
    def side(which, place, count):
      return noise.compact([(which, place, arranged['tokens'])], segment_ids,
                           count, self.raw_length, self.vocabulary.eos_id)
    prefix = jnp.minimum(prefix, total)
    return sequence_to_sequence.example(
        side(index < prefix, index, prefix),
        side(behind, index - prefix, total - prefix),
        behind, self.start_id)

  def networks(self):
    networks = super().networks()
    if not self._one_stack:
      networks['trunk'] = (self.trunk(), (sequence_to_sequence.empty(
          self.model, self.raw_length, self.raw_length),))
    return networks

  def stack(self, batch):
    if self._one_stack:
      return super().stack(batch)
    return sequence_to_sequence.stack(self.model, batch)

  def score(self, params, hidden, batch):
    if not self._one_stack:
      hidden = sequence_to_sequence.written(hidden, batch)
    return super().score(params, hidden, batch)

  def visibility(self, batch):
    if not self._one_stack:
      return {'lm': sequence_to_sequence.visibility(batch)}
    segments = batch['segment_ids']
    index = jnp.arange(segments.shape[-1])
    seen = (index[None, None] <= index[None, :, None]) | (
        index[None, None] < batch['prefix_length'][:, None, None])
    return {'lm': {'inputs': base.same_segment(segments, segments) & seen}}

  def ways(self):
    if not self._one_stack:
      return sequence_to_sequence.ways_of(self)
    (way,) = super().ways().values()
    return {'chain_rule': way._replace(says=(
        f'{way.says}; a context is the prefix, `<s>` alone where there is none'
    ))}

  def _asked(self, window, rank, factor):
    example, origins = super()._asked(window, rank, factor)
    return {**example, 'prefix_length': 1 + jnp.argmax(factor > 0)}, origins

  def continuation(self, tokens, segment_ids, hidden):
    return sequence_to_sequence.continuation(
        tokens, segment_ids, hidden, self.vocabulary.eos_id)

  @property
  def equal_windows(self):
    return not self._one_stack

  def floor(self, law, batch):
    if self._one_stack:
      return super().floor(law, batch)
    if hidden_lengths.several_documents(batch['encoder_segment_ids']):
      return {}
    asked = hidden_lengths.Questions(self.vocabulary, batch['targets'])
    read, written = (ideal.symbols(self.vocabulary, batch[name])
                     for name in ('encoder_inputs', 'targets'))
    for row in np.flatnonzero(np.any(batch['weights'], 1)):
      asked.add_suffix(row, *(values[row][values[row] >= 0].tolist()
                              for values in (read, written)))
    return {'lm': asked.answers(law)}

  def read(self, window):
    if self._one_stack:
      return super().read(window)
    return sequence_to_sequence.read(
        arrange.plain(window), self.vocabulary.eos_id)
