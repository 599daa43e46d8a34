"""Masked language modelling: recover hidden tokens from both sides.

Masks are drawn anew at every visit (RoBERTa's dynamic masking). References:
Devlin et al. 2019, arXiv:1810.04805, section 3.1; Liu et al. 2019,
arXiv:1907.11692, section 4.1.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ptm_jax import checks, losses
from ptm_jax.errors import ConfigError
from ptm_jax.models.heads import LMHead
from ptm_jax.objectives import arrange, base, noise
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(base.BaseObjective):
  """Masked LM (BERT, RoBERTa) on `[CLS] text [SEP]`.

  Attributes:
    rate: fraction of the tokens, special ones counted, that carry loss; the
      count is exact, min(max_predictions, max(1, round(rate * tokens))).
    mask_share: fraction of those that show `[MASK]`.
    random_share: fraction that shows a random text token; the rest stays.
    max_predictions: most predictions in an example; None is no limit.
  """

  rate: float = 0.15
  mask_share: float = 0.8
  random_share: float = 0.1
  max_predictions: int | None = None

  forms = ('encoder',)
  traced = ('rate', 'mask_share', 'random_share', 'max_predictions')

  def validate(self):
    checks.fraction(self, 'objective', 'rate', open_low=True)
    check_shares(self.mask_share, self.random_share)
    if self.max_predictions is not None:
      checks.positive(self, 'objective', 'max_predictions')

  def make_numbers(self):
    return {
        'num_predictions': count_table(
            self.rate, self.raw_length, self.max_predictions),
        'mask_share': np.float32(self.mask_share),
        'random_share': np.float32(self.random_share)}

  def make_sizes(self):
    table = count_table(self.rate, self.raw_length, self.max_predictions)
    return {'predictions': int(table.max())}

  def lengths(self):
    return {'inputs': self.raw_length + 2}

  def coefficients(self):
    return {'mlm': 1.0}

  def arrange(self, key, window):
    del key
    return arrange.surround(
        window, self.vocabulary.cls_id, self.vocabulary.sep_id)

  def noise(self, key, arranged):
    real = arranged['segment_ids'] > 0
    count = self.number('num_predictions')[jnp.sum(real)]
    hidden, predicted = noise.distinct_positions(
        stream(key, 'positions'), arranged['candidates'], count,
        self.sizes['predictions'])
    inputs, unseen = noise.show_channel(
        stream(key, 'show'), arranged['tokens'], hidden,
        self.numbers['mask_share'], self.numbers['random_share'],
        self.vocabulary)
    return {
        'inputs': inputs,
        'segment_ids': arranged['segment_ids'],
        'positions': arranged['positions'],
        'targets': arranged['tokens'],
        'weights': hidden.astype(jnp.float32),
        'predicted': predicted,
        'noise': hidden,
        'hidden': unseen,
    }

  def networks(self):
    return {
        'trunk': (self.trunk(), (base.empty_stack(self.raw_length + 2),)),
        'head': (self._head(),
                 base.head_arguments(self.model, self.vocabulary))}

  def _head(self):
    return LMHead(self.model, self.vocabulary.size, transform=True, bias=True)

  def loss(self, keys, params, batch):
    hidden = self.trunk().apply(
        {'params': params['trunk']}, base.stack_of(batch), keys)
    # The vocabulary head costs only where there is loss.
    predicted = batch['predicted']
    return {'mlm': losses.cross_entropy(
        *base.apply_head(self._head(), params, base.at(hidden, predicted),
                         self.model),
        base.at(batch['targets'], predicted),
        base.at(batch['weights'], predicted))}

  def visibility(self, batch):
    segments = batch['segment_ids']
    return {'mlm': {'inputs': base.same_segment(
        base.at(segments, batch['predicted']), segments)}}

  def exempt(self, batch):
    # A predicted token that is kept shows itself, and only in its place.
    return {'mlm': {'inputs': batch['noise'] & ~batch['hidden']}}


def count_table(rate, raw_length, max_predictions=None):
  """How many tokens are predicted, by the number of tokens in the example.

  Computed here in Python, where round is half to even as in the reference,
  and not in float32 on the device, where .5 may fall on either side.

  Args:
    rate: fraction in (0, 1).
    raw_length: text tokens in a full window; two special tokens come on top.
    max_predictions: largest count, or None.

  Returns:
    int32 `[raw_length + 3]`; never more than the text tokens there are.
  """
  counts = np.arange(raw_length + 3)
  table = [min(max_predictions or int(n), max(1, round(rate * int(n))),
               max(int(n) - 2, 0)) for n in counts]
  return np.asarray(table, np.int32)


def check_shares(mask_share, random_share):
  """Raises ConfigError unless the two shares leave a share of at least 0."""
  if min(mask_share, random_share) < 0 or mask_share + random_share > 1 + 1e-9:
    raise ConfigError(
        f'objective.mask_share={mask_share} and random_share={random_share} '
        'must not be negative, and together at most 1')
