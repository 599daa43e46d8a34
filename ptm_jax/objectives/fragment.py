"""Masked sequence-to-sequence: the encoder lacks one fragment of the text, and
the decoder writes it.

Reference: Song et al. 2019, arXiv:1905.02450, section 3.2, and its released
code for unsupervised translation.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.objectives import (arrange, base, ideal, masked, noise,
                                sequence_to_sequence)
from ptm_jax.rng import stream

# Shares of the fragments that begin the text, and that end it; the others
# begin anywhere.
_FIRST, _LAST = 0.2, 0.2


@dataclasses.dataclass
class Objective(sequence_to_sequence.Rewriting):
  """One fragment of round(rate * L) of a window's L tokens (MASS).

  The decoder reads, as in the released code, the token before each one that
  it writes, at that token's own position in the text; where a document begins
  it reads `<s>` at position 0. There is no `</s>` on either side. A fragment
  may go on into the next packed document.

  Attributes:
    rate: fraction of the tokens in the fragment.
    mask_share: fraction of its tokens that show `[MASK]` in the encoder.
    random_share: fraction that shows a random text token; the rest stays.
    see_masks: whether the decoder may look at the encoder's places that show
      `[MASK]`; in the released code it may not.
  """

  rate: float = 0.5
  mask_share: float = 0.8
  random_share: float = 0.1
  see_masks: bool = False

  forms = ('encoder_decoder',)
  traced = ('rate', 'mask_share', 'random_share')

  def validate(self):
    checks.fraction(self, 'objective', 'rate', open_low=True)
    masked.check_shares(self.mask_share, self.random_share)

  def make_numbers(self):
    return {'count': sequence_to_sequence.counts(self.rate, self.raw_length),
            'mask_share': np.float32(self.mask_share),
            'random_share': np.float32(self.random_share)}

  def make_sizes(self):
    return {'encoder': self.raw_length,
            'decoder': int(self.make_numbers()['count'][-1])}

  def start(self, key, room):
    """Where the fragment begins, in 0..room."""
    draw, place = jax.random.uniform(key, (2,))
    anywhere = jnp.minimum((place * (room + 1)).astype(jnp.int32), room)
    return jnp.where(draw < _FIRST, 0,
                     jnp.where(draw < _FIRST + _LAST, room, anywhere))

  def noise(self, key, arranged):
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    total = jnp.sum(segment_ids > 0)
    count = self.number('count')[total]
    start = self.start(stream(key, 'start'), total - count)
    index = jnp.arange(self.raw_length)
    fragment = (index >= start) & (index < start + count)
    shown, unseen = noise.show_channel(
        stream(key, 'show'), tokens, fragment, self.numbers['mask_share'],
        self.numbers['random_share'], self.vocabulary)
    return self._example(arranged, start, count, shown, unseen,
                         self.sizes['decoder'])

  def _example(self, arranged, start, count, shown, unseen, size):
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    row, index = jnp.arange(size), jnp.arange(tokens.shape[0])
    place = jnp.minimum(start + row, index.size - 1)
    def written(values):
      return jnp.where(row < count, values[place], 0)
    before = arrange.shift_right(tokens, segment_ids, self.start_id)
    example = sequence_to_sequence.example(
        (shown, segment_ids), (written(tokens), written(segment_ids)),
        (index >= start) & (index < start + count), self.start_id)
    example.update(
        decoder_inputs=written(before), unseen=unseen,
        decoder_positions=written(jnp.maximum(arranged['positions'] - 1, 0)))
    if not self.see_masks:
      example['encoder_cross_segment_ids'] = jnp.where(
          shown == self.vocabulary.mask_id, 0, segment_ids)
    return example

  def exempt(self, batch):
    # A token that is kept shows itself, and only in its place.
    return {'seq2seq': {'encoder_inputs': batch['noise'] & ~batch['unseen']}}

  def floor(self, law, batch):
    if self.mask_share < 1:  # what is shown besides `[MASK]` tells of the text
      return {}
    fragment, written = batch['noise'], batch['weights'] > 0
    places = np.argmax(fragment, 1)[:, None] + np.cumsum(written, 1) - 1
    places = np.clip(places, 0, self.raw_length - 1)
    rows = np.nonzero(written)
    tokens = np.array(batch['encoder_inputs'])
    tokens[rows[0], places[rows]] = batch['targets'][rows]
    seen = ~fragment[:, None] | (
        np.arange(self.raw_length) < places[:, :, None])
    return {'seq2seq': ideal.from_seen(
        law, self.vocabulary, tokens, batch['encoder_segment_ids'], seen,
        places)}

  def ways(self):
    return {name: way._replace(example=self._asked)
            for name, way in super().ways().items()}

  def _asked(self, window, rank, factor):
    del factor
    hidden, start = rank > 0, jnp.argmax(rank > 0)
    example = self._example(
        arrange.plain(window), start, jnp.sum(hidden), jnp.where(
            hidden, self.vocabulary.mask_id, window['tokens']), hidden,
        rank.size)
    return example, {'seq2seq': start + jnp.arange(rank.size)}

  def read(self, window):
    return base.BaseObjective.read(self, window)
