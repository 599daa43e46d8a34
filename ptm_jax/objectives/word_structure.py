"""Word structural objective: masked LM, and trigrams to be put in order.

Reference: Wang et al. 2019, arXiv:1908.04577, section 2.2.1.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ptm_jax import checks, losses
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import base, masked, noise, units
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(masked.Objective):
  """Masked LM and word ordering (StructBERT), added with equal weight.

  After masking, groups of neighbouring tokens without a masked one are
  shuffled, all orders equally likely, and each of their tokens is predicted
  in its own place by the same head. The paper shuffles 5 % of the trigrams;
  we read this as 5 % of the tokens, in max(1, round(rate * tokens / 3))
  groups.

  Attributes:
    shuffle_rate: fraction of the tokens in shuffled groups.
    group_length: tokens in a group.
  """

  shuffle_rate: float = 0.05
  group_length: int = 3

  traced = (*masked.Objective.traced, 'shuffle_rate')
  span_fields = (*masked.Objective.span_fields, 'group_length')

  floor = base.BaseObjective.floor  # not that of masked LM

  def validate(self):
    super().validate()
    checks.fraction(self, 'objective', 'shuffle_rate', open_low=True)
    if self.group_length < 2:
      raise ConfigError(f'objective.group_length={self.group_length}: fewer '
                        'than 2 tokens have no order')

  def _num_groups(self):
    counts = [max(1, round(self.shuffle_rate * n / self.group_length))
              for n in range(self.raw_length + 3)]
    return np.asarray(counts, np.int32)

  def make_numbers(self):
    return {**super().make_numbers(), 'num_groups': self._num_groups()}

  def make_sizes(self):
    return {**super().make_sizes(),
            'shuffled': int(min(self._num_groups().max() * self.group_length,
                                self.raw_length))}

  def coefficients(self):
    return {'mlm': 1.0, 'order': 1.0}

  def noise(self, key, arranged):
    example = super().noise(key, arranged)
    shuffled = units.groups(
        stream(key, 'groups'), arranged['candidates'] & ~example['noise'],
        arranged['segment_ids'],
        self.number('num_groups')[jnp.sum(arranged['segment_ids'] > 0)],
        self.group_length)
    return {**example,
            'inputs': noise.show_shuffled_groups(
                stream(key, 'order'), example['inputs'], shuffled,
                self.group_length),
            'shuffled': shuffled,
            'ordered': noise.first_places(shuffled, self.sizes['shuffled'])}

  def score(self, params, hidden, batch):
    ordered = batch['ordered']
    return {'mlm': self.recover(params, hidden, batch),
            'order': losses.cross_entropy(
                *base.apply_head(self._head(), params,
                                 base.at(hidden, ordered), self.model),
                base.at(batch['targets'], ordered),
                base.at(batch['shuffled'], ordered).astype(jnp.float32))}

  def visibility(self, batch):
    segments = batch['segment_ids']
    return {**super().visibility(batch), 'order': {
        'inputs': base.same_segment(
            base.at(segments, batch['ordered']), segments)}}

  def exempt(self, batch):
    # A shuffled token shows itself somewhere in its group.
    return {**super().exempt(batch), 'order': {'inputs': batch['shuffled']}}
