"""Objectives that read a window in segments, with memory between them."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.models import memory
from ptm_jax.objectives import base
from ptm_jax.rng import stream


@dataclasses.dataclass
class Segmented(base.BaseObjective):
  """What all objectives with memory share.

  A window is so many consecutive segments of equal length, special tokens
  counted; each sees what every layer made of the one before it, so far as it
  is of the same document. Text that is read for a task is one segment.

  Attributes:
    num_segments: in a window; 1 means no memory.
  """

  num_segments: int = 1

  special_tokens: ClassVar[int] = 0  # that a window gets on top of its text

  def validate(self):
    checks.positive(self, 'objective', 'num_segments')
    super().validate()

  def fitting(self, raw_length):
    special = self.special_tokens
    return -(-(raw_length + special) // self.num_segments) * (
        self.num_segments) - special

  def bind(self, model, vocabulary, raw_length, sizes=None):
    if self.fitting(raw_length) != raw_length:
      raise ConfigError(
          f'objective.num_segments={self.num_segments} does not divide data.'
          f'raw_length={raw_length} and {self.special_tokens} special tokens: '
          f'use data.raw_length={self.fitting(raw_length)}')
    if self.num_segments > 1 and model.num_experts:
      raise ConfigError(f'objective.num_segments={self.num_segments} does not '
                        'fit model.num_experts: experts have no memory')
    return super().bind(model, vocabulary, raw_length, sizes)

  def stack(self, batch):
    stack = super().stack(batch)
    if self.num_segments > 1:
      stack['num_segments'] = self.num_segments
    return stack

  def in_segments(self, function, key, arranged):
    """An example whose segments are made one by one.

    Args:
      function: `(key, arranged segment) -> example`.
      key: of the whole.
      arranged: dict of `[length, ...]`.

    Returns:
      The fields of all segments' examples, one behind the other.
    """
    count = self.num_segments
    if count == 1:
      return function(key, arranged)
    parts = jax.tree.map(
        lambda value: memory.cut(value[None], count), arranged)
    keys = jax.vmap(lambda number: stream(key, 'segment', number))(
        jnp.arange(count))
    return jax.tree.map(lambda value: memory.join(value, count)[0],
                        jax.vmap(function)(keys, parts))
