"""Span corruption: each hidden span becomes a sentinel in the input, and the
target lists every sentinel with the span it stands for.

Reference: Raffel et al. 2020, arXiv:1910.10683, sections 3.1.4 and 3.3.4.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import (blanks, hidden_lengths, noise,
                                sequence_to_sequence)


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

  equal_windows = True
  traced = ('noise_density', 'mean_noise_span_length')
  span_fields = ('mean_noise_span_length',)

  def validate(self):
    checks.fraction(self, 'objective', 'noise_density', open_low=True)
    if self.mean_noise_span_length < 1:
      raise ConfigError(
          f'objective.mean_noise_span_length={self.mean_noise_span_length} '
          'must be at least 1 token')

  def make_numbers(self):
    table = counts(self.noise_density, self.mean_noise_span_length,
                   self.raw_length)
    return {'num_noise': table[:, 0], 'num_spans': table[:, 1]}

  def make_sizes(self):
    noise_tokens, spans = (int(column[-1]) for column in
                           self.make_numbers().values())
    return {'spans': spans,
            'encoder': self.raw_length - noise_tokens + spans + 1,
            'decoder': noise_tokens + spans + 1}

  def bind(self, model, vocabulary, raw_length, sizes=None):
    bound = super().bind(model, vocabulary, raw_length, sizes)
    if self.trains:
      check_sentinels(bound.sizes['spans'], vocabulary.num_sentinels,
                      raw_length, 'objective.mean_noise_span_length')
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
        hidden, self.start_id)

  def ask(self, parts, filled):
    del filled  # all are written at once
    sentinels = [self.vocabulary.sentinel_id(number)
                 for number in range(len(parts) - 1)]
    return blanks.Question(blanks.joined(parts, sentinels),
                           more=tuple(sentinels))

  def answer(self, parts, written):
    found, number = [[] for _ in parts[1:]], None
    for one in written:
      sentinel = self.vocabulary.sentinel_id(0) - one
      if 0 <= sentinel < len(found):
        number = sentinel
      elif number is not None:
        found[number].append(one)
    return found

  def floor(self, law, batch):
    return hidden_lengths.sentinels(law, self.vocabulary, batch)

  def continuation(self, tokens, segment_ids, hidden):
    return spans(tokens, segment_ids, hidden, self.vocabulary)


def spans(tokens, segment_ids, hidden, vocabulary):
  """As `sequence_to_sequence.continuation`, the end being one span."""
  size = tokens.shape[0] + 2
  return (noise.show_sentinels(tokens, segment_ids, hidden, size, vocabulary),
          noise.target_spans(tokens, segment_ids, hidden, size, vocabulary), 1)


def counts(density, mean, longest):
  """Exact numbers of noise tokens and of spans, in Python.

  Args:
    density: fraction of the tokens that is noise.
    mean: tokens per span; infinity means one span.
    longest: tokens of a full window.

  Returns:
    int32 `[longest + 1, 2]`, by the tokens there are; one has no noise.
  """
  table = np.zeros((longest + 1, 2), np.int32)
  for total in range(2, longest + 1):
    tokens = min(max(round(density * total), 1), total - 1)
    spans = max(1, round(tokens / mean))
    table[total] = tokens, min(spans, tokens, total - tokens)
  return table


def check_sentinels(spans, sentinels, raw_length, field):
  """Raises ConfigError where there are too few sentinels for the spans."""
  if spans > sentinels:
    raise ConfigError(
        f'{spans} spans need as many sentinels, and there are {sentinels}: '
        f'shorten data.raw_length={raw_length}, or raise {field}')
