"""Denoising of a whole text: masking, deletion, infilling, sentence
permutation and document rotation, in any combination.

Reference: Lewis et al. 2020, arXiv:1910.13461, section 2.2, and the order and
laws of its released code.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import blanks, noise, sequence_to_sequence, units
from ptm_jax.rng import stream

_LONGEST = 63  # words in a span; of mean 3 there are none so long


@dataclasses.dataclass
class Objective(sequence_to_sequence.Rewriting):
  """The decoder writes the text that the encoder reads corrupted (BART).

  Noises apply in the order of the released code: sentences are permuted
  within their document, spans and tokens hidden, and each document rotated.

  Spans are drawn until they count ceil(infill_rate * words) words, the last
  one cut short. Those of some length begin at different random words; where
  one reaches into another, both are one. Those of no length put a `[MASK]`
  between two tokens, as long as the text gets no longer than it was.

  Attributes:
    infill_rate: fraction of the words that spans cover; each span shows one
      `[MASK]`.
    mean_span: words in a span, of Poisson's law with this mean, 0 included.
    mask_rate: chance of each other token to show `[MASK]`.
    delete_rate: chance of each other token to be left out.
    permute_sentences: whether each document's sentences come in a random
      order, all equally likely.
    rotate_rate: chance of each document to begin at one of its tokens, all
      equally likely, and to end with what was before.
    opening: whether `<s>` stands in front of a window, both as it is read and
      as it is written, as in the released code.
  """

  infill_rate: float = 0.3
  mean_span: float = 3.0
  mask_rate: float = 0.0
  delete_rate: float = 0.0
  permute_sentences: bool = True
  rotate_rate: float = 0.0
  opening: bool = False

  traced = ('infill_rate', 'mean_span', 'mask_rate', 'delete_rate',
            'rotate_rate')
  span_fields = ('mean_span',)

  @property
  def needs_sentences(self):
    return self.permute_sentences

  def validate(self):
    checks.fraction(self, 'objective', 'infill_rate', 'mask_rate',
                    'delete_rate')
    if not 0 < self.mean_span <= 16:
      raise ConfigError(f'objective.mean_span={self.mean_span} must lie in '
                        '(0, 16] words')
    if not 0 <= self.rotate_rate <= 1:
      raise ConfigError(f'objective.rotate_rate={self.rotate_rate} must lie in '
                        '[0, 1]')
    if not (self.infill_rate or self.mask_rate or self.delete_rate
            or self.rotate_rate or self.permute_sentences):
      raise ConfigError('denoising has no noise: all rates of objective are 0 '
                        'and objective.permute_sentences is False')

  def make_numbers(self):
    return {'words': sequence_to_sequence.counts(
                self.infill_rate, self.raw_length, math.ceil),
            'law': units.poisson_law(self.mean_span, 0, _LONGEST),
            'rates': np.asarray([self.mask_rate, self.delete_rate,
                                 self.rotate_rate], np.float32)}

  def make_sizes(self):
    size = self.raw_length + 1 + self.opening
    return {'encoder': size, 'decoder': size}

  def bind(self, model, vocabulary, raw_length, sizes=None):
    bound = super().bind(model, vocabulary, raw_length, sizes)
    if self.opening and bound.model.form == 'prefix':
      raise ConfigError('objective.opening=True is for model.form='
                        'encoder_decoder, not prefix')
    return bound

  @property
  def opening_ids(self):
    return (self.vocabulary.bos_id,) if self.opening else ()

  def noise(self, key, arranged):
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    real, size = segment_ids > 0, self.raw_length + 1
    order = jnp.arange(self.raw_length)
    if self.permute_sentences:
      order = permuted(stream(key, 'sentences'), arranged)
    starts = (units.word_starts(arranged) & real)[order]
    lengths, num_empty = draw_spans(
        stream(key, 'lengths'), self.number('words')[jnp.sum(starts)],
        self.number('law'), self.raw_length)
    begins, covered = place_spans(stream(key, 'places'), starts, lengths)

    mask_rate, delete_rate, rotate_rate = self.number('rates')
    draws = jax.random.uniform(stream(key, 'tokens'), (2, self.raw_length))
    masked = begins | (draws[0] < mask_rate)
    left_out = ~begins & (covered | (draws[1] < delete_rate))
    shown, segments = insert_masks(
        stream(key, 'empty'),
        jnp.where(masked, self.vocabulary.mask_id, tokens[order]),
        segment_ids, real & ~left_out, num_empty, self.vocabulary.mask_id)
    shown = rotated(stream(key, 'rotation'), shown, segments, rotate_rate)
    hidden = jnp.zeros_like(real).at[order].set(real & (masked | left_out))
    def closed(*text):
      return sequence_to_sequence.opened(*sequence_to_sequence.some(
          *text, size, self.vocabulary.eos_id), self.opening_ids)
    return sequence_to_sequence.example(
        closed(shown, segments, segments > 0),
        closed(tokens, segment_ids, real), hidden, self.start_id)

  def ask(self, parts, filled):
    del filled  # all are written at once, in the whole text
    return blanks.Question(blanks.joined(
        parts, [self.vocabulary.mask_id] * (len(parts) - 1)))

  def answer(self, parts, written):
    return blanks.between(parts, written)

  def continuation(self, tokens, segment_ids, hidden):
    # One `[MASK]` for all of the end, as for a span.
    return sequence_to_sequence.rewritten(
        jnp.where(hidden, self.vocabulary.mask_id, tokens), tokens,
        segment_ids, hidden, (segment_ids > 0) & (
            ~hidden | noise.run_starts(hidden)), self.vocabulary.eos_id)

  def exempt(self, batch):
    # A token that is not hidden is its own target, wherever it went.
    return {'seq2seq': {'encoder_inputs': (
        (batch['encoder_segment_ids'] > 0)
        & (batch['encoder_inputs'] != self.vocabulary.mask_id))}}


def permuted(key, arranged):
  """The order of tokens, int32 `[length]`, that shuffles each document's
  sentences; what a window begins with is a sentence."""
  starts = units.sentence_starts(arranged)
  draws = jax.random.uniform(key, (starts.shape[0] + 1,))
  return sequence_to_sequence.order_within(
      draws[jnp.cumsum(starts)], arranged['segment_ids'])


def draw_spans(key, count, law, size):
  """Lengths of spans that sum up to `count` words.

  Args:
    key: this example's key; used up.
    count: int32, at most `size`. May be traced.
    law: float32, cumulative from length 0. May be traced.
    size: static; of the result.

  Returns:
    int32 `[size]`, the lengths above 0 and then zeros; int32, how many spans
    of length 0 were drawn before the count was reached.
  """
  drawn = units.draw_lengths(key, size, law) - 1
  before = jnp.cumsum(drawn) - drawn
  used = before < count
  lengths = jnp.where(used, jnp.minimum(drawn, count - before), 0)
  order = jnp.argsort(lengths == 0, stable=True)
  return lengths[order], jnp.sum(used & (drawn == 0))


def place_spans(key, starts, lengths):
  """Lets each span begin at a random word.

  Args:
    key: this example's key; used up.
    starts: bool `[length]`, where words start.
    lengths: int32 `[length]`, words of each span, then zeros.

  Returns:
    bool `[length]`, tokens that begin a span and lie in no earlier one; bool
    `[length]`, the tokens of all spans.
  """
  scores = jnp.where(starts, jax.random.uniform(key, starts.shape), 2.0)
  span = jnp.zeros(starts.shape, jnp.int32).at[jnp.argsort(scores)].set(
      lengths)
  word = jnp.cumsum(starts)
  reached = jax.lax.cummax(jnp.where(span > 0, word + span, 0))
  reached_before = jnp.concatenate([jnp.zeros((1,), jnp.int32), reached[:-1]])
  return (span > 0) & (word >= reached_before), word < reached


def insert_masks(key, tokens, segment_ids, kept, count, mask_id):
  """Closes up what is kept, with `[MASK]`s in between at random places.

  Args:
    key: this example's key; used up.
    tokens, segment_ids: int32 `[length]`.
    kept: bool `[length]`, of no padding.
    count: int32 `[MASK]`s, fewer where there is no room. May be traced.
    mask_id: id of `[MASK]`.

  Returns:
    tokens and segment_ids, int32 `[length]`; a `[MASK]` belongs to the
    document of the token before it.
  """
  index = jnp.arange(tokens.shape[0])
  num_kept = jnp.sum(kept)
  count = jnp.minimum(count, jnp.sum(segment_ids > 0) - num_kept)
  inside = index < num_kept + count
  masks, _ = noise.distinct_positions(key, inside, count, 0)
  free = noise.first_places(inside & ~masks, tokens.shape[0])
  place = jnp.where(kept, free[jnp.cumsum(kept) - 1], tokens.shape[0])
  shown = jnp.where(masks, mask_id, 0).at[place].set(tokens, mode='drop')
  segments = jnp.zeros_like(segment_ids).at[place].set(
      segment_ids, mode='drop')
  segments = jax.lax.cummax(segments.at[0].max(segment_ids[0]))
  return shown, jnp.where(inside, segments, 0)


def rotated(key, tokens, segment_ids, rate):
  """Lets documents begin at one of their tokens, int32 `[length]`.

  Args:
    key: this example's key; used up.
    tokens, segment_ids: int32 `[length]`.
    rate: float32, the chance of each document. May be traced.
  """
  same = segment_ids[:, None] == segment_ids[None, :]
  start, count = jnp.argmax(same, 1), jnp.sum(same, 1)
  chance, place = jax.random.uniform(key, (2, tokens.shape[0]))
  by = jnp.where(chance < rate, (place * count[start]).astype(jnp.int32), 0)
  within = jnp.arange(tokens.shape[0]) - start
  return tokens[start + (within + by[start]) % count]
