"""Gap sentences: whole sentences are taken out and written, one behind the
other.

Reference: Zhang et al. 2020, arXiv:1912.08777, sections 3.1 and 6.1.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.objectives import base, noise, sequence_to_sequence, units
from ptm_jax.rng import stream

CHOICES = ('principal', 'random', 'lead')


@dataclasses.dataclass
class Objective(sequence_to_sequence.Rewriting):
  """Each gap shows one `[MASK]`, the target is the gap sentences in the order
  of the text (PEGASUS, without its masked LM).

  Of each document with n sentences round(ratio * n) are chosen, at least one
  and never all; a document of one sentence is only read. Where more than
  twice the ratio of a window's tokens would be written, the sentences that
  no longer fit stay in the text.

  Attributes:
    ratio: fraction of the sentences that is chosen.
    choice: which of a document's sentences are chosen.
      'principal': those with the highest ROUGE-1 F1 against the rest of the
        document, each scored for itself and on counts of tokens with repeats
        (the paper's Ind-Orig). Tokens are pieces here, not words; of equal
        scores the first is chosen.
      'random': all sets are equally likely.
      'lead': the first.
    keep_share: fraction of the chosen sentences that stay in the input all
      the same (0.2 in the large model).
  """

  ratio: float = 0.3
  choice: str = 'principal'
  keep_share: float = 0.0

  needs_sentences = True
  traced = ('ratio', 'keep_share')

  def validate(self):
    checks.fraction(self, 'objective', 'ratio', open_low=True)
    checks.fraction(self, 'objective', 'keep_share')
    checks.choices(self, 'objective', {'choice': CHOICES})

  def make_numbers(self):
    counts = sequence_to_sequence.counts(self.ratio, self.raw_length)
    others = np.maximum(np.arange(counts.size, dtype=np.int32) - 1, 0)
    return {'count': np.minimum(counts, others),
            'most': np.int32(self._most()),
            'keep_share': np.float32(self.keep_share)}

  def make_sizes(self):
    # A gap has at least one token, which its mask replaces.
    return {'encoder': self.raw_length + 1, 'decoder': self._most() + 1}

  def _most(self):
    """Tokens that may be written."""
    return min(math.ceil(2 * self.ratio * self.raw_length), self.raw_length)

  def noise(self, key, arranged):
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    real, starts = segment_ids > 0, units.sentence_starts(arranged)
    sentence = jnp.maximum(jnp.cumsum(starts) - 1, 0)
    if self.choice == 'principal':
      scores = overlap(tokens, segment_ids, sentence)
    elif self.choice == 'random':
      scores = jax.random.uniform(stream(key, 'choice'), tokens.shape)
    else:
      scores = -jnp.arange(tokens.shape[0])
    # Each token has what the start of its sentence has.
    start = noise.first_places(starts, tokens.shape[0])[sentence]
    chosen = real & best(
        scores, starts, segment_ids, self.number('count'))[start]
    written = jax.ops.segment_max(
        jnp.cumsum(chosen), sentence, tokens.shape[0])[sentence]
    chosen &= written <= self.numbers['most']
    draws = jax.random.uniform(stream(key, 'keep'), tokens.shape)[start]
    hidden = chosen & (draws >= self.numbers['keep_share'])
    return self._example(arranged, starts, chosen, hidden)

  def _example(self, arranged, starts, chosen, hidden):
    """The input without the hidden, and the target of the chosen sentences."""
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    gap = hidden & starts
    shows = (segment_ids > 0) & (~hidden | gap)

    def show(values, closes):
      return sequence_to_sequence.some(
          values, segment_ids, shows, self.sizes['encoder'], closes)

    eos_id = self.vocabulary.eos_id
    example = sequence_to_sequence.example(
        show(jnp.where(gap, self.vocabulary.mask_id, tokens), eos_id),
        sequence_to_sequence.some(
            tokens, segment_ids, chosen, self.sizes['decoder'], eos_id),
        hidden, self.start_id)
    kept, _ = show((chosen & ~hidden).astype(jnp.int32), 0)
    return dict(example, kept=kept > 0)

  def continuation(self, tokens, segment_ids, hidden):
    _, target, before = super().continuation(tokens, segment_ids, hidden)
    gap = noise.run_starts(hidden)
    return sequence_to_sequence.some(
        jnp.where(gap, self.vocabulary.mask_id, tokens), segment_ids,
        (segment_ids > 0) & (~hidden | gap), tokens.shape[0] + 1,
        self.vocabulary.eos_id), target, before

  def exempt(self, batch):
    if self.choice == 'principal':
      return {'seq2seq': None}  # what is chosen follows from the tokens
    # A sentence that stays shows its tokens, which are targets.
    return {'seq2seq': {'encoder_inputs': batch['kept']}}


def overlap(tokens, segment_ids, sentence):
  """ROUGE-1 of each sentence against the rest of its document.

  The common tokens, counted with repeats, are F1 times half the tokens of the
  document: within one they order sentences as F1 does.

  Args:
    tokens, segment_ids, sentence: int32 `[length]`; sentences are numbered.

  Returns:
    int32 `[length]`, for each token the common tokens of its sentence.
  """
  same = base.same_segment(segment_ids, segment_ids) & (
      tokens[:, None] == tokens[None, :])
  own = sentence[:, None] == sentence[None, :]
  earlier = jnp.tril(jnp.ones(own.shape, bool), -1)
  elsewhere = jnp.sum(same & ~own, 1)
  common = jnp.sum(same & own & earlier, 1) < elsewhere
  return jax.ops.segment_sum(
      common.astype(jnp.int32), sentence, tokens.shape[0])[sentence]


def best(scores, starts, segment_ids, counts):
  """The starts with the highest scores of each document, of equals the first.

  Args:
    scores: `[length]`.
    starts: bool `[length]`, True where a sentence starts.
    segment_ids: int32 `[length]`.
    counts: int32, sentences taken of a document, by those that it has.

  Returns:
    bool `[length]`.
  """
  rivals = base.same_segment(segment_ids, segment_ids) & starts[None, :]
  earlier = jnp.tril(jnp.ones(rivals.shape, bool), -1)
  ahead = (scores[None, :] > scores[:, None]) | (
      earlier & (scores[None, :] == scores[:, None]))
  return starts & (
      jnp.sum(rivals & ahead, 1) < counts[jnp.sum(rivals, 1)])
