"""Mixture of denoisers: span corruption of several kinds, and a suffix to
write, told apart by a mode token.

Reference: Tay et al. 2022, arXiv:2205.05131, section 3.1; the seven settings
as mosaicml's llm-foundry has them.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import (hidden_lengths, ideal, noise,
                                sequence_to_sequence, span_corruption)
from ptm_jax.rng import stream

MODES = ('[NLU]', '[NLG]', '[S2S]')  # the vocabulary's marks 0, 1 and 2


@dataclasses.dataclass
class Objective(sequence_to_sequence.Rewriting):
  """One denoiser per example, all equally likely (UL2).

  Span corruption as T5 has it, marked `[NLG]` where it is extreme (a mean of
  12 tokens or more, or a density of 0.3 or more), else `[NLU]`; and, marked
  `[S2S]`, the last tokens of the text, which the target lists without a
  sentinel. The mode stands before the text and belongs to its first document.
  Counts are exact; span lengths are those of T5's code, where the paper's text
  has a clipped normal law. The stacks are as long as the longest of the
  denoisers needs.

  Attributes:
    mean_lengths: tokens per span, of each span corruption, at most those of
      the window; where a text is too short for two spans, there is one.
    densities: fraction of the tokens that is hidden, of each of these.
    suffix: fraction of the tokens that the last denoiser hides.
  """

  mean_lengths: tuple[float, ...] = (3.0, 8.0, 3.0, 8.0, 64.0, 64.0)
  densities: tuple[float, ...] = (0.15, 0.15, 0.5, 0.5, 0.15, 0.5)
  suffix: float = 0.25

  equal_windows = True
  traced = ('suffix',)
  span_fields = ('mean_lengths',)

  def validate(self):
    checks.fraction(self, 'objective', 'suffix', open_low=True)
    if not self.mean_lengths:
      raise ConfigError('objective.mean_lengths is empty: give the mean of one '
                        'denoiser or more')
    if len(self.mean_lengths) != len(self.densities):
      raise ConfigError(
          f'objective.mean_lengths has {len(self.mean_lengths)} numbers and '
          f'objective.densities {len(self.densities)}: each denoiser has both')
    for mean, density in zip(self.mean_lengths, self.densities, strict=True):
      if mean < 1 or not 0 < density < 1:
        raise ConfigError(
            f'a denoiser with a mean of {mean} tokens and a density of '
            f'{density}: objective.mean_lengths must be at least 1 and '
            'objective.densities lie in (0, 1)')

  def make_numbers(self):
    kinds = [*zip(self.densities, self.mean_lengths, strict=True),
             (self.suffix, math.inf)]
    return {'counts': np.stack([
        span_corruption.counts(*kind, self.raw_length) for kind in kinds])}

  def make_sizes(self):
    hidden, spans = self.make_numbers()['counts'][:, -1].T
    return {'spans': int(spans.max()),
            # The mode and `</s>` come on top.
            'encoder': int((self.raw_length - hidden + spans).max()) + 2,
            'decoder': int((hidden + spans).max()) + 1}

  def bind(self, model, vocabulary, raw_length, sizes=None):
    bound = super().bind(model, vocabulary, raw_length, sizes)
    span_corruption.check_sentinels(
        bound.sizes['spans'], vocabulary.num_sentinels - len(MODES),
        raw_length, 'objective.mean_lengths')
    return bound

  def draw(self, key):
    """Which denoiser an example has, int32."""
    return jax.random.randint(key, (), 0, len(self.densities) + 1)

  def mode(self, kind):
    """The mode token of a denoiser, int32."""
    modes = [int(mean >= 12 or density >= 0.3) for mean, density in zip(
        self.mean_lengths, self.densities, strict=True)]
    return self.vocabulary.mark_id(jnp.asarray([*modes, 2])[kind])

  def continuation(self, tokens, segment_ids, hidden):
    # As the suffix is written.
    (inputs, segments), *rest = super().continuation(
        tokens, segment_ids, hidden)
    mode = self.vocabulary.mark_id(jnp.full((1,), 2, jnp.int32))
    return (jnp.concatenate([mode, inputs]),
            jnp.concatenate([segments[:1], segments])), *rest

  def noise(self, key, arranged):
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    real = segment_ids > 0
    kind = self.draw(stream(key, 'kind'))
    num_noise, num_spans = self.number('counts')[kind, jnp.sum(real)]
    # One span is a suffix: windows end in noise.
    hidden = noise.random_spans(
        stream(key, 'spans'), self.raw_length, jnp.sum(real), num_noise,
        num_spans, self.sizes['spans'])

    def either(spans, suffix):
      return jax.tree.map(
          lambda *values: jnp.where(kind < len(self.densities), *values),
          spans, suffix)

    text = tokens, segment_ids
    size, some = self.sizes['encoder'] - 1, sequence_to_sequence.some
    inputs, segments = either(
        noise.show_sentinels(*text, hidden, size, self.vocabulary),
        some(*text, real & ~hidden, size, self.vocabulary.eos_id))
    size = self.sizes['decoder']
    targets = either(
        noise.target_spans(*text, hidden, size, self.vocabulary),
        some(*text, hidden, size, self.vocabulary.eos_id))
    return sequence_to_sequence.example(
        (jnp.concatenate([self.mode(kind)[None], inputs]),
         jnp.concatenate([segments[:1], segments])),
        targets, hidden, self.start_id)

  def floor(self, law, batch):
    # What is shown tells how much is hidden and in how many spans, so which
    # of the denoisers did it says no more.
    if hidden_lengths.several_documents(batch['encoder_segment_ids']):
      return {}
    asked = hidden_lengths.Questions(self.vocabulary, batch['targets'])
    shown = np.asarray(batch['encoder_inputs'])
    suffix = shown[:, 0] == self.vocabulary.mark_id(MODES.index('[S2S]'))
    text, hidden = (ideal.symbols(self.vocabulary, ids)
                    for ids in (shown, batch['targets']))
    for row, ids in enumerate(shown):
      if suffix[row]:
        asked.add_suffix(row, *(values[row][values[row] >= 0].tolist()
                                for values in (text, hidden)))
      else:
        asked.add_sentinels(row, ids[1:], batch['weights'][row] > 0)
    return {'seq2seq': asked.answers(law)}
