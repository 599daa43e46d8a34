"""Masked and permuted pre-training: predict hidden tokens in a random order,
each from all places of the text.

Reference: Song et al. 2020, arXiv:2004.09297, section 2, and its released
code.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.objectives import masked, noise, permutation
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(permutation.Ordered):
  """MPNet on `[CLS] text [SEP]`: permutation LM with position compensation.

  Behind the text, the content holds a mask for each predicted token, at its
  place; a prediction sees the masks of all tokens whose own it does not see
  yet, and so every place once. Tokens stay in their order, since positions
  alone tell a Transformer where they are. Special tokens are never predicted;
  in the released code they may be.

  Attributes:
    rate: fraction of the tokens, special ones counted, that is predicted.
    mask_share: fraction of the masks that are `[MASK]`.
    random_share: fraction that is a random text token; the rest is the token
      itself.
  """

  rate: float = 0.15
  mask_share: float = 0.8
  random_share: float = 0.1

  compensated = True
  traced = ('rate', 'mask_share', 'random_share')

  def validate(self):
    checks.fraction(self, 'objective', 'rate', open_low=True)
    masked.check_shares(self.mask_share, self.random_share)

  def make_numbers(self):
    return {'num_predictions': masked.count_table(self.rate, self.raw_length),
            'mask_share': np.float32(self.mask_share),
            'random_share': np.float32(self.random_share)}

  def noise(self, key, arranged):
    total = jnp.sum(arranged['segment_ids'] > 0)
    hidden, _ = noise.distinct_positions(
        stream(key, 'positions'), arranged['candidates'],
        self.number('num_predictions')[total], 0)
    rank = permutation.draw_ranks(stream(key, 'order'), hidden, hidden.size)
    masks, unseen = noise.show_channel(
        stream(key, 'show'), arranged['tokens'], hidden,
        self.numbers['mask_share'], self.numbers['random_share'],
        self.vocabulary)
    example = self.example(arranged, hidden, rank, masks)
    return dict(example, kept=~unseen[example['predicted']])

  def floor(self, law, batch):
    # What a mask shows besides `[MASK]` would tell of the text.
    return super().floor(law, batch) if self.mask_share == 1 else {}

  def exempt(self, batch):
    # A predicted token that is kept shows itself, in its mask and its query.
    kept = batch['kept']
    return {'plm': {'inputs': jnp.concatenate(
        [jnp.zeros(batch['rank'].shape, bool), kept, kept], 1)}}
