"""Span corruption: each hidden span becomes a sentinel in the input, and the
target lists every sentinel with the span it stands for.

Reference: Raffel et al. 2020, arXiv:1910.10683, sections 3.1.4 and 3.3.4.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import noise, sequence_to_sequence


@dataclasses.dataclass
class Objective(sequence_to_sequence.Rewriting):
  """Span corruption (T5).

  Like T5's code without rolling, a window always ends in noise; so there is
  no closing sentinel. The decoder starts from `<s>`.

  Attributes:
    noise_density: fraction of the tokens that is hidden; the count is exact,
      round(noise_density * tokens) within [1, tokens - 1].
    mean_noise_span_length: tokens per span; the number of spans is exact,
      max(1, round(noise / mean_noise_span_length)).
  """

  noise_density: float = 0.15
  mean_noise_span_length: float = 3.0

  traced = ('noise_density', 'mean_noise_span_length')

  def validate(self):
    checks.fraction(self, 'objective', 'noise_density', open_low=True)
    if self.mean_noise_span_length < 1:
      raise ConfigError(
          f'objective.mean_noise_span_length={self.mean_noise_span_length} '
          'must be at least 1 token')

  def make_numbers(self):
    counts = np.asarray([self._counts(n) for n in range(self.raw_length + 1)],
                        np.int32)
    return {'num_noise': counts[:, 0], 'num_spans': counts[:, 1]}

  def make_sizes(self):
    noise_tokens, spans = self._counts(self.raw_length)
    return {'spans': spans,
            'encoder': self.raw_length - noise_tokens + spans + 1,
            'decoder': noise_tokens + spans + 1}

  def _counts(self, total):
    """Noise tokens and spans in an example of `total` tokens, in Python."""
    if total < 2:
      return 0, 0
    tokens = min(max(round(self.noise_density * total), 1), total - 1)
    spans = max(1, round(tokens / self.mean_noise_span_length))
    return tokens, min(spans, tokens, total - tokens)

  def bind(self, model, vocabulary, raw_length, sizes=None):
    bound = super().bind(model, vocabulary, raw_length, sizes)
    if bound.sizes['spans'] > vocabulary.num_sentinels:
      raise ConfigError(
          f'{bound.sizes["spans"]} spans need as many sentinels, and there are '
          f'{vocabulary.num_sentinels}: shorten data.raw_length={raw_length}, '
          'or raise objective.mean_noise_span_length')
    return bound

  def noise(self, key, arranged):
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    total = jnp.sum(segment_ids > 0)
    hidden = noise.random_spans(
        key, tokens.shape[0], total, self.number('num_noise')[total],
        self.number('num_spans')[total], self.sizes['spans'])
    return sequence_to_sequence.example(
        noise.show_sentinels(tokens, segment_ids, hidden,
                             self.sizes['encoder'], self.vocabulary),
        noise.target_spans(tokens, segment_ids, hidden,
                           self.sizes['decoder'], self.vocabulary),
        hidden, self.vocabulary.bos_id)
