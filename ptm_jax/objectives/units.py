"""What is hidden together: tokens, words, runs of words, spans, entities.

Each function chooses the noise of one example, bool `[length]`, in pure
`jax.numpy` with fixed shapes. Words and other units are given by the tokens
that start them; the tokens that may be noise, `candidates`, lie side by side.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.data.annotations.spans import BEGINS, GOES_ON
from ptm_jax.data.flags import SENTENCE_START, WORD_START
from ptm_jax.objectives import noise
from ptm_jax.rng import stream


# --- where units start -------------------------------------------------------

def word_starts(arranged):
  """bool `[length]`, True where a word starts.

  A window or a document that is cut inside a word starts a word there; a token
  that may not be noise is a word of its own.
  """
  candidates, segments = arranged['candidates'], arranged['segment_ids']
  first = candidates & ~_before(candidates, False)
  document = segments != _before(segments, 0)
  return ((arranged['flags'] & WORD_START > 0) | first | document
          | ~candidates)


def sentence_starts(arranged):
  """bool `[length]`, True where a sentence or a document starts."""
  segments = arranged['segment_ids']
  return (segments > 0) & ((arranged['flags'] & SENTENCE_START > 0)
                           | (segments != _before(segments, 0)))


def marked_starts(arranged, plane):
  """`word_starts`, where words and their parts that a plane marks as one are
  one unit, such as an entity's name.

  Args:
    arranged: an arranged example.
    plane: uint8 `[length]` of `data.annotations`: `BEGINS`, `GOES_ON` or 0.
  """
  leaves = (plane == 0) & (_before(plane, 0) > 0)
  goes_on = (plane == GOES_ON) & _before(arranged['candidates'], False)
  return ((word_starts(arranged) & ~goes_on) | (plane == BEGINS) | leaves
          | ~arranged['candidates'])


def _before(values, first):
  """Each place shows the one before it."""
  return jnp.concatenate([jnp.full((1,), first, values.dtype), values[:-1]])


# --- laws of lengths ---------------------------------------------------------

def ngram_law(longest):
  """P(n) of ALBERT, proportional to 1 / n for n in 1..longest, cumulative.

  Returns:
    float32 `[longest]`.
  """
  return _cumulative(1 / np.arange(1, longest + 1))


def geometric_law(stop, longest):
  """P(n) of SpanBERT, geometric and renormalised on 1..longest, cumulative.

  Args:
    stop: fraction, the chance that a span ends behind each word.
    longest: words.

  Returns:
    float32 `[longest]`.
  """
  return _cumulative((1 - stop) ** np.arange(longest))


def poisson_law(mean, least, longest):
  """P(n) of Poisson's law renormalised on least..longest, cumulative.

  Returns:
    float32 `[longest - least + 1]`.
  """
  n = np.arange(least, longest + 1)
  return _cumulative(np.exp(n * math.log(mean) - np.vectorize(math.lgamma)(
      n + 1.0)))


def _cumulative(masses):
  return np.cumsum(masses / masses.sum()).astype(np.float32)


def draw_lengths(key, length, law):
  """int32 `[length]` draws from a cumulative law, in [1, its size]."""
  uniform = jax.random.uniform(key, (length,))
  return 1 + jnp.sum(uniform[:, None] >= law[None, :-1], 1, dtype=jnp.int32)


# --- which units are noise ---------------------------------------------------

def runs(key, starts, candidates, count, law):
  """Hides runs of whole words, at random places until a count is reached.

  Words are gone through in random order. A run that begins there with a drawn
  number of words is shortened until it fits what is left of the count, left
  out where not even one word fits, and left out where it touches a run before
  it. A law of one word gives whole-word masking.

  Args:
    key: this example's key; used up.
    starts: bool `[length]`, where words start.
    candidates: bool `[length]`, True where noise may fall.
    count: int32, most tokens to hide. May be traced.
    law: float32 `[longest run]`, cumulative. May be traced.

  Returns:
    bool `[length]`.

  References: Lan et al. 2020, arXiv:1909.11942, section 3.1, and its released
  code; Cui et al. 2019, arXiv:1906.08101, section 2.1.
  """
  index = jnp.arange(starts.shape[0])
  word, first = _words(starts, candidates)
  longest = law.shape[0]
  drawn = draw_lengths(stream(key, 'lengths'), starts.shape[0], law)

  def take(place, hidden, left):
    ends = first[word[place] + 1 + jnp.arange(longest)]
    fits = (ends - place <= left) & (jnp.arange(longest) < drawn[place])
    run = (index >= place) & (index < jnp.max(jnp.where(fits, ends, place)))
    run &= candidates  # as in the released code, a [SEP] may lie within
    return run & ~jnp.any(run & hidden)

  return _fill(_shuffled(key, starts & candidates), count, take,
               jnp.sum(starts & candidates))


def spans(key, starts, candidates, count, law):
  """Hides spans of whole words until exactly a count of tokens is reached.

  A token that is not hidden yet is drawn, its word begins a span with a drawn
  number of words. Spans may overlap or touch, and are then one. The last one
  stops at the count, even inside a word.

  Args and Returns: as `runs`.

  Reference: Joshi et al. 2020, arXiv:1907.10529, section 3.1, and its released
  code.
  """
  index = jnp.arange(starts.shape[0])
  word, first = _words(starts, candidates)
  drawn = draw_lengths(stream(key, 'lengths'), starts.shape[0], law)

  def take(place, hidden, left):
    end = first[word[place] + drawn[place]]
    new = (index >= first[word[place]]) & (index < end) & candidates & ~hidden
    return new & ~hidden[place] & (jnp.cumsum(new) <= left)

  # Going through tokens in random order and leaving out the hidden ones is to
  # draw from those that are left.
  return _fill(_shuffled(key, candidates), count, take, jnp.sum(candidates))


def contexts(key, starts, candidates, count, law, context):
  """Hides spans, each somewhere in a stretch of text `context` + 1 times as
  long, stretch after stretch; then single tokens until the count is reached.

  A span of n tokens begins at the first word start behind a random part of
  the `context` * n tokens around it, and ends n tokens later, be it inside a
  word. The one that would reach the end of the text is left out.

  Args:
    key, starts, candidates, count, law: as for `runs`; the law counts tokens.
    context: static; tokens around each token of a span.

  Returns:
    bool `[length]`, exactly `count` of them.

  Reference: Yang et al. 2019, arXiv:1906.08237, section 3.1, and its released
  code.
  """
  length = starts.shape[0]
  index = jnp.arange(length, dtype=jnp.int32)
  end = length - jnp.argmax(candidates[::-1])
  following = jax.lax.cummin(
      jnp.where(starts & candidates, index, length), reverse=True)
  drawn = draw_lengths(stream(key, 'lengths'), length, law)
  parts = jax.random.uniform(stream(key, 'parts'), (length,))

  def more(state):
    _, place, _, left = state
    return (place < end) & (left > 0)

  def step(state):
    number, place, hidden, left = state
    size = jnp.minimum(drawn[number], left)
    before = (parts[number] * size * context).astype(jnp.int32)
    begin = jnp.where(place + before < length, following[
        jnp.minimum(place + before, length - 1)], length)
    fits = begin + size < end
    new = fits & (index >= begin) & (index < begin + size)
    place = jnp.where(fits, begin + size + context * size - before, length)
    return number + 1, place, hidden | new, left - fits * size

  _, _, hidden, left = jax.lax.while_loop(
      more, step, (jnp.int32(0), jnp.argmax(candidates).astype(jnp.int32),
                   jnp.zeros((length,), bool), jnp.asarray(count, jnp.int32)))
  rest, _ = noise.distinct_positions(
      stream(key, 'rest'), candidates & ~hidden, left, 0)
  return hidden | rest


def independent(key, starts, candidates, rate, most):
  """Hides each unit with the same chance, whatever its length.

  Args:
    key: this example's key; used up.
    starts: bool `[length]`, where units start.
    candidates: bool `[length]`, True where noise may fall.
    rate: float32, the chance of each unit. May be traced.
    most: static; tokens hidden at most, later units are left out.

  Returns:
    bool `[length]`.

  Reference: Sun et al. 2019, arXiv:1904.09223, section 3.2, and its released
  code.
  """
  word, first = _words(starts, candidates)
  draws = jax.random.uniform(key, starts.shape)
  hidden = candidates & (draws[first[word]] < rate)
  # A unit is left out as a whole, by the tokens hidden up to its end.
  reached = jnp.concatenate([jnp.zeros((1,), jnp.int32), jnp.cumsum(hidden)])
  return hidden & (reached[first[word + 1]] <= most)


def groups(key, allowed, segment_ids, count, length):
  """Chooses groups of neighbouring tokens that do not overlap.

  Args:
    key: this example's key; used up.
    allowed: bool `[length of the example]`, tokens that may be chosen.
    segment_ids: int32 likewise; a group lies in one packed document.
    count: int32 groups, fewer where no more fit. May be traced.
    length: static; tokens in a group.

  Returns:
    bool likewise. Groups may touch; each begins a multiple of `length` behind
    the first token of its run.
  """
  index = jnp.arange(allowed.shape[0])
  steps = jnp.arange(length)
  places = jnp.minimum(index[:, None] + steps[None, :], index.size - 1)
  fits = (jnp.all(allowed[places] & (
      segment_ids[places] == segment_ids[:, None]), 1)
          & (index + length <= index.size))

  def take(place, chosen, left):
    del left
    group = (index >= place) & (index < place + length)
    return group & ~jnp.any(group & chosen)

  return _fill(_shuffled(key, fits), count * length, take, jnp.sum(fits))


def _words(starts, candidates):
  """Each token's word, and where words start.

  Returns:
    word int32 `[length]`, and first int32 `[2 * length + 1]`: where each word
    of the candidates starts, then the end of the candidates for ever.
  """
  length = starts.shape[0]
  starts = starts & candidates
  word = jnp.maximum(jnp.cumsum(starts) - 1, 0)
  end = length - jnp.argmax(candidates[::-1])
  first = jnp.full((2 * length + 1,), end, jnp.int32)
  place = jnp.where(starts, word, 2 * length + 1)
  return word, first.at[place].set(jnp.arange(length, dtype=jnp.int32),
                                   mode='drop')


def _shuffled(key, which):
  """The places that are True, in random order, before all others."""
  scores = jax.random.uniform(stream(key, 'order'), which.shape)
  return jnp.argsort(jnp.where(which, scores, 2.0))


def _fill(order, count, take, tries):
  """Adds what `take(place, hidden, left)` gives for one place of `order`
  after the other, until `count` tokens are hidden or `tries` are over."""
  def more(state):
    number, _, left = state
    return (number < tries) & (left > 0)

  def step(state):
    number, hidden, left = state
    new = take(order[number], hidden, left)
    return number + 1, hidden | new, left - jnp.sum(new, dtype=jnp.int32)

  _, hidden, _ = jax.lax.while_loop(
      more, step, (jnp.int32(0), jnp.zeros(order.shape, bool),
                   jnp.asarray(count, jnp.int32)))
  return hidden
