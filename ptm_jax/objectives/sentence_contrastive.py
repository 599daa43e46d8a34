"""Contrast of texts: one text, read twice under different dropout, is to be
told from the others of the batch.

Reference: Gao et al. 2021, arXiv:2104.08821, section 3.
"""

import copy
import dataclasses
import math

import jax.numpy as jnp

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import base, info_word, masked
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(masked.Cloze):
  """Unsupervised SimCSE on `[CLS] text [SEP]`.

  The first states of both readings are compared by their cosine over the
  temperature; the other texts of the example's group are the negatives, those
  equal to it left out. Of a packed window the first document is compared: the
  packing 'document' loses nothing. The paper puts a dense layer with tanh on
  the state in training and compares the whole batch; here there is no head,
  and groups have a fixed size. Without dropout, as in evaluation, both
  readings are equal and the term says how far apart the texts are.

  Attributes:
    group: neighbouring examples of a batch that are compared; it divides every
      micro-batch and every device's part.
    temperature: divides the cosine.
    dropout: of the trunk in this loss, in place of `model.dropout`: it is the
      only noise, so 0 would make both readings equal.
  """

  group: int = 8
  temperature: float = 0.05
  dropout: float = 0.1

  changes = False

  def validate(self):
    checks.positive(self, 'objective', 'temperature')
    checks.fraction(self, 'objective', 'dropout', open_low=True)
    if self.group < 2:
      raise ConfigError(f'objective.group={self.group}: a text needs at least '
                        'one other to be told from')

  @property
  def group_size(self):
    return self.group

  def coefficients(self):
    return {'contrast': 1.0}

  def networks(self):
    return {'trunk': super().networks()['trunk']}

  def noise(self, key, arranged):
    del key
    return {'inputs': arranged['tokens'],
            'segment_ids': arranged['segment_ids'],
            'positions': arranged['positions'],
            'noise': jnp.zeros(arranged['tokens'].shape, bool),
            'weights': jnp.any(arranged['candidates'])[None].astype(
                jnp.float32)}

  def loss(self, keys, params, batch):
    # Not in `bind`: what is fine-tuned later has the model's own dropout.
    noisy = copy.copy(self)
    noisy.model = dataclasses.replace(self.model, dropout=self.dropout)
    trunk = noisy.trunk()

    def read(keys):
      return trunk.apply(
          {'params': params['trunk']}, base.stack_of(batch), keys)[:, 0]

    return {'contrast': cosine_contrast(
        read(keys), read(None if keys is None else stream(keys, 'second')),
        jnp.where(_first(batch['segment_ids']), batch['inputs'], 0),
        batch['weights'][:, 0], self.group, self.temperature)}

  def visibility(self, batch):
    return {'contrast': {'inputs': _first(batch['segment_ids'])[:, None]}}

  def exempt(self, batch):
    return {'contrast': None}  # the question is which text it is


def _first(segment_ids):
  """bool like its argument, True on the first packed document."""
  return (segment_ids == segment_ids[:, :1]) & (segment_ids > 0)


def cosine_contrast(states, others, contents, paired, group, temperature):
  """As `info_word.contrast`, by the cosine over `temperature`.

  Returns:
    `losses.Term` of one prediction `[batch, 1]`.
  """
  def unit(x):
    x = x.astype(jnp.float32)
    return x / jnp.sqrt(jnp.sum(x**2, -1, keepdims=True) + 1e-12)

  # `contrast` divides by the root of the width, which a cosine does not.
  scale = math.sqrt(states.shape[-1]) / temperature
  return info_word.contrast(scale * unit(states), unit(others), contents,
                            paired, group)
