"""InfoWord: a sentence without one of its n-grams is to recognise that n-gram
among others, beside masked LM.

Reference: Kong et al. 2020, arXiv:1910.08350, section 4.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks, losses
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import arrange, base, masked
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(masked.Objective):
  """Masked LM and deep InfoMax over n-grams (DIM).

  The n-gram is masked in the very input of masked LM, so one pass serves both
  terms. It is encoded as a text of its own by the same trunk; the score of a
  pair is the product of both first states, over sqrt(width) since normalised
  states are long. The other n-grams of the example's group in the batch are
  the negatives, those equal to it left out. Of a packed window the first
  document has the n-gram, since its first state is compared.
  The paper's weights of the two terms are not certain; here both are 1.

  Attributes:
    group: neighbouring examples of a batch that are compared; it divides every
      micro-batch and every device's part.
    mean_length, length_deviation: of the n-grams, normal and rounded, tokens.
    longest: tokens of an n-gram at most.
    contrast_weight: factor of the second term.
  """

  group: int = 8
  mean_length: float = 5.0
  length_deviation: float = 1.0
  longest: int = 10
  contrast_weight: float = 1.0

  span_fields = (*masked.Objective.span_fields, 'mean_length', 'longest')
  traced = (*masked.Objective.traced, 'mean_length', 'length_deviation',
            'contrast_weight')

  floor = base.BaseObjective.floor  # not that of masked LM

  def validate(self):
    super().validate()
    checks.positive(self, 'objective', 'mean_length', 'longest')
    if self.group < 2:
      raise ConfigError(f'objective.group={self.group}: an n-gram needs at '
                        'least one other to be told from')
    if min(self.length_deviation, self.contrast_weight) < 0:
      raise ConfigError('objective.length_deviation='
                        f'{self.length_deviation} and contrast_weight='
                        f'{self.contrast_weight} must not be negative')

  @property
  def group_size(self):
    return self.group

  def make_numbers(self):
    return {**super().make_numbers(),
            'mean_length': np.float32(self.mean_length),
            'length_deviation': np.float32(self.length_deviation)}

  def coefficients(self):
    return {'mlm': 1.0, 'dim': self.contrast_weight}

  def noise(self, key, arranged):
    example = super().noise(key, arranged)
    tokens, segments = arranged['tokens'], arranged['segment_ids']
    first = arranged['candidates'] & (segments == segments[0])
    total = jnp.sum(first)
    length = jnp.round(
        self.numbers['mean_length'] + self.numbers['length_deviation']
        * jax.random.normal(stream(key, 'length'))).astype(jnp.int32)
    length = jnp.minimum(jnp.clip(length, 1, self.longest), total)
    # The text begins behind [CLS].
    start = 1 + jax.random.randint(
        stream(key, 'start'), (), 0, total - length + 1)
    index, steps = jnp.arange(tokens.shape[0]), jnp.arange(self.longest)
    inside = (index >= start) & (index < start + length)
    ngram = arrange.surround(
        {'tokens': jnp.where(steps < length, tokens[jnp.minimum(
            start + steps, tokens.shape[0] - 1)], 0),
         'segment_ids': (steps < length).astype(jnp.int32)},
        self.vocabulary.cls_id, self.vocabulary.sep_id)
    return {**example,
            'inputs': jnp.where(inside, self.vocabulary.mask_id,
                                example['inputs']),
            'hidden': example['hidden'] | inside,
            'ngram': inside,
            'ngram_inputs': ngram['tokens'],
            'ngram_segment_ids': ngram['segment_ids'],
            'ngram_positions': ngram['positions'],
            'paired': (length > 0).astype(jnp.float32)}

  def loss(self, keys, params, batch):
    trunk, variables = self.trunk(), {'params': params['trunk']}
    hidden = trunk.apply(variables, base.stack_of(batch), keys)
    ngrams = {name.removeprefix('ngram_'): value for name, value
              in base.stack_of(batch, 'ngram_').items()}
    encoded = trunk.apply(variables, ngrams, None if keys is None else stream(
        keys, 'ngram'))
    return {'mlm': self.recover(params, hidden, batch),
            'dim': contrast(hidden[:, 0], encoded[:, 0],
                            batch['ngram_inputs'], batch['paired'],
                            self.group)}

  def visibility(self, batch):
    segments, ngrams = batch['segment_ids'], batch['ngram_segment_ids']
    return {**super().visibility(batch), 'dim': {
        'inputs': base.same_segment(segments[:, :1], segments),
        'ngram_inputs': (ngrams > 0)[:, None]}}

  def exempt(self, batch):
    # The second term asks which n-gram it is, not which tokens.
    return {**super().exempt(batch), 'dim': None}


def contrast(states, others, contents, paired, group):
  """Cross entropy of each example's own partner among those of its group.

  Args:
    states, others: float `[batch, width]`, to be compared by their product
      over sqrt(width).
    contents: int32 `[batch, n]`; a partner of the same content as an example's
      own is no negative to it.
    paired: float32 `[batch]`, 0 where there is no pair.
    group: static; neighbouring examples compared with each other.

  Returns:
    `losses.Term` of one prediction `[batch, 1]`; the targets are places within
    the group.

  Raises:
    ConfigError: groups do not fill the batch.
  """
  if states.shape[0] % group:
    raise ConfigError(f'{states.shape[0]} examples at once are no multiple of '
                      f'objective.group={group}: change data.batch_size, '
                      'compute.micro_batches or the number of devices')
  def grouped(x):
    return x.reshape((-1, group) + x.shape[1:])

  states, others, contents, paired = map(
      grouped, (states, others, contents, paired))
  scores = jnp.einsum('gqw,gkw->gqk', states, others,
                      preferred_element_type=jnp.float32)
  scores = scores / math.sqrt(states.shape[-1])
  own = jnp.eye(group, dtype=bool)[None]
  same = jnp.all(contents[:, :, None] == contents[:, None, :], -1)
  counts = own | (~same & (paired[:, None, :] > 0))
  scores = jnp.where(counts, scores, -1e30)
  right = jnp.sum(jnp.where(own, scores, 0), -1)
  nll = jax.nn.logsumexp(scores, -1) - right
  weights = paired.reshape(-1, 1)
  nll = nll.reshape(-1, 1)
  places = jnp.broadcast_to(jnp.arange(group)[None], paired.shape)
  return losses.Term(
      jnp.sum(weights * nll), jnp.sum(weights), nll,
      (right >= jnp.max(scores, -1)).reshape(-1, 1),
      places.reshape(-1, 1), weights)
