"""Exact inference in a hidden Markov chain, for a batch, in float64.

Every source that is Markov-like becomes such a chain. Probabilities are
scaled at each step, so nothing underflows. Reference: Rabiner 1989, 'A
tutorial on hidden Markov models', sections III and V.
"""

import functools

import numpy as np

from ptm_jax.sources import gaps
from ptm_jax.sources.law import Law

_TINY = 1e-300  # what is impossible divides to 0
_BEGINNING = 64  # symbols, of which an entropy rate takes no account


class Chain(Law):
  """A law over sequences of symbols 0 ... V - 1.

  Args:
    transition: float64 `[K, K]`, rows sum to 1.
    emission: float64 `[K, V]`, rows sum to 1.
    word_starts: symbols below this one begin words; None is all of them.
    start: float64 `[K]`, the law of a document's first state. None is the
      stationary law, of which `transition` then has one alone: a document is
      a piece cut out anywhere.
    sentence_length: symbols in each sentence of a document, or None.

  Attributes:
    start: float64 `[K]`.
    num_symbols, stationary, word_starts, sentence_length: as of `Law`.
  """

  counts_noise = True

  def __init__(self, transition, emission, word_starts=None, start=None,
               sentence_length=None):
    self.transition = np.asarray(transition, np.float64)
    self.emission = np.asarray(emission, np.float64)
    self.stationary = start is None
    self.start = (_stationary(self.transition) if start is None
                  else np.asarray(start, np.float64))
    self.num_symbols = self.emission.shape[1]
    self.word_starts, self.sentence_length = word_starts, sentence_length

  def sample(self, rng, count, length):
    return self._draw(rng, count, length)[0]

  @functools.cached_property
  def _tables(self):
    """Of the first state, the next one and the symbol; slow to make."""
    return [_Alias(rows) for rows in (
        self.start[None], self.transition, self.emission)]

  def _draw(self, rng, count, length):
    """Sequences, and the state that each began in, int64 `[count]`."""
    first, step, emit = self._tables
    symbols = np.empty((length, count), np.int64)
    began = state = first.draw(rng, np.zeros(count, np.int64))
    for place in range(length):
      if place:
        state = step.draw(rng, state)
      symbols[place] = emit.draw(rng, state)
    return symbols.T, began

  def log_evidence(self, evidence, segments=None):
    _, scales = self._forward(*self._given(evidence, segments))
    real = True if segments is None else np.asarray(segments) > 0
    with np.errstate(divide='ignore'):
      return np.sum(np.where(real, np.log(scales.T), 0), 1)

  def before(self, evidence, segments=None):
    states, _ = self._forward(*self._given(evidence, segments))
    return self._symbols(states)

  def behind(self, evidence, segments=None):
    given = self._given(evidence, segments)
    prior = self.start
    if not self.stationary:
      prior, _ = self._forward(np.ones_like(given[0]), given[1])
    return self._symbols(prior * self._backward(*given))

  def around(self, evidence, segments=None):
    given = self._given(evidence, segments)
    states, _ = self._forward(*given)
    return self._symbols(states * self._backward(*given))

  def among_noise(self, clean, noisy, sizes, segments):
    """As of `Law`, by the state and the number of noisy places so far."""
    real = (np.asarray(segments) > 0)[..., None]
    clean = np.where(real, clean, 1.0)
    noisy = np.where(real, noisy, 0.0)
    (seen, goes_on), (fake, _) = (
        self._given(one, segments) for one in (clean, noisy))
    seen, fake = seen[:, :, None], fake[:, :, None]
    count = len(self.start)
    size = np.shape(sizes)[1]
    states = np.zeros((*goes_on.shape[:2], size, count))
    states[0, :, 0] = self.start
    for place in range(1, len(states)):
      here = (states[place - 1] * seen[place - 1]
              + _later(states[place - 1] * fake[place - 1]))
      here /= np.maximum(here.sum((1, 2), keepdims=True), _TINY)
      states[place] = np.where(
          goes_on[place][..., None], here @ self.transition,
          here.sum(2, keepdims=True) * self.start)
    behind = np.repeat(_of_one_set(sizes, np.any(noisy, 2).sum(1))[..., None],
                       count, 2)
    found = np.empty((*clean.shape[:2], 2, self.num_symbols))
    for place in range(len(states) - 1, -1, -1):
      one_more = _earlier(behind)
      for noise, (message, shown) in enumerate((
          (behind, clean), (one_more, noisy))):
        law = np.sum(states[place] * message, 1) @ self.emission
        found[:, place, noise] = law * shown[:, place]
      message = behind * seen[place] + one_more * fake[place]
      message = np.where(
          goes_on[place][..., None], message @ self.transition.T,
          (message @ self.start)[..., None])
      behind = message / np.maximum(
          message.sum((1, 2), keepdims=True), _TINY)
    return found / np.maximum(found.sum((2, 3), keepdims=True), _TINY)

  def gapped(self, symbols, weights, hidden, asked):
    return gaps.summed(self, symbols, weights, hidden, asked)

  def entropy_rate(self, rng=None, tolerance=1e-3):
    """Bounds on the entropy rate, nats a symbol.

    Args:
      rng: `np.random.Generator`, or None for one of a fixed seed.
      tolerance: the most that the bounds lie apart, nats, unless 4 million
        symbols do not suffice.

    Returns:
      (lower, upper): equal and exact where a state and the next symbol tell
      the next state (Shannon 1948, section 7). Else the mean entropy of the
      next symbol given those before it, over sampled sequences without their
      beginnings, with the first state known and not known (Birch 1962), less
      and plus two standard errors. Where documents have a start of their own
      it is the rate that they have in the long run.
    """
    if self.stationary and self._follows():
      rows = np.where(self.transition > 0, self.transition, 1)
      within = -np.sum(self.emission * np.log(
          np.where(self.emission > 0, self.emission, 1)), 1)
      between = -np.sum(self.transition * np.log(rows), 1)
      rate = float(self.start @ (between + within))
      return rate, rate
    rng, law = rng or np.random.default_rng(0), self
    if not self.stationary:
      law = Chain(self.transition, self.emission, start=self._lasting())
    size = self.sentence_length or 1
    length = _BEGINNING + -(-192 // size) * size  # whole sentences
    found = np.empty((2, 0, 1 + len(self.start)))
    nothing = np.ones((length, 1, len(self.start)))
    states, _ = law._forward(nothing, nothing[..., :1] > 0)
    mean = states[_BEGINNING:, 0].mean(0)
    for _ in range(32):
      found = np.append(found, law._entropies(rng, 512, length), 1)
      lower, upper = (controlled(rows, mean) for rows in found)
      lower, upper = lower[0] - 2 * lower[1], upper[0] + 2 * upper[1]
      if upper - lower < tolerance:
        break
    return float(lower), float(upper)

  def _entropies(self, rng, count, length):
    """Of `count` sequences without their beginnings the mean entropy of the
    next symbol, and behind it the mean law of the state, `[2, count, 1 +
    K]`, given those before, with the first state known and not known."""
    symbols, began = self._draw(rng, count, length)
    given = self._given(self.evidence(symbols), None)
    found = []
    for first in np.eye(len(self.start))[began], None:
      states, _ = self._forward(*given, first)
      states = states[_BEGINNING:]
      laws = states @ self.emission
      entropy = -np.sum(laws * np.log(np.maximum(laws, _TINY)), -1)
      found.append(np.concatenate([entropy[..., None], states], -1).mean(0))
    return np.stack(found)

  def _lasting(self):
    """The law of the state far behind a document's start, `[K]`, where a
    sentence begins if the start is where one does."""
    steps = np.linalg.matrix_power(
        self.transition, self.sentence_length or 1)
    for _ in range(40):  # doubles the number of steps
      steps = steps @ steps
      steps /= steps.sum(1, keepdims=True)
    return self.start @ steps

  def _follows(self):
    """Whether a state and the next symbol always tell the next state."""
    ways = (self.transition > 0).astype(float) @ (self.emission > 0)
    return bool(np.all(ways <= 1))

  def _given(self, evidence, segments):
    """What is seen as likelihoods of states `[length, batch, K]` (by place
    first, since inference goes from place to place), and where a place has
    the segment of the one before it, bool `[length, batch, 1]`."""
    evidence = np.asarray(evidence, np.float64) @ self.emission.T
    evidence = np.ascontiguousarray(evidence.swapaxes(0, 1))
    goes_on = np.ones((*evidence.shape[:2], 1), bool)
    if segments is not None:
      segments = np.asarray(segments).T[..., None]
      goes_on[1:] = segments[1:] == segments[:-1]
    goes_on[0] = False
    return evidence, goes_on

  def _forward(self, evidence, goes_on, first=None):
    """p(state | evidence before), `[length, batch, K]`, and p(evidence |
    evidence before), `[length, batch]`."""
    states = np.empty_like(evidence)
    scales = np.empty((*evidence.shape[:2], 1))
    everywhere = goes_on[1:].all((1, 2))
    states[0] = self.start if first is None else first
    for place in range(len(evidence)):
      if place:
        np.matmul(filtered, self.transition, out=states[place])
        if not everywhere[place - 1]:
          states[place] = np.where(goes_on[place], states[place], self.start)
      filtered = states[place] * evidence[place]
      filtered.sum(-1, keepdims=True, out=scales[place])
      filtered /= np.maximum(scales[place], _TINY)
    return states, scales[..., 0]

  def _backward(self, evidence, goes_on):
    """p(evidence behind | state), `[length, batch, K]`, each row scaled."""
    messages = np.ones_like(evidence)
    everywhere = goes_on[1:].all((1, 2))
    for place in range(len(evidence) - 2, -1, -1):
      message = (evidence[place + 1] * messages[place + 1]) @ self.transition.T
      message /= np.maximum(message.sum(-1, keepdims=True), _TINY)
      if not everywhere[place]:
        message = np.where(goes_on[place + 1], message, 1)
      messages[place] = message
    return messages

  def _symbols(self, states):
    """Laws of states `[length, batch, K]`, unscaled, as laws of symbols
    `[batch, length, V]`."""
    states = states / np.maximum(states.sum(-1, keepdims=True), _TINY)
    return (states @ self.emission).swapaxes(0, 1)


def _of_one_set(sizes, places):
  """Chances of one set of noisy places by its size, up to a factor `[batch]`,
  given those of all sets of a size, `sizes [batch, n]`, of so many places."""
  size, places = np.arange(np.shape(sizes)[1]), np.asarray(places)[:, None]
  left = np.maximum(places - size + 1, 1)  # before the last one was chosen
  found = np.where((np.asarray(sizes) > 0) & (size <= places), np.log(
      np.maximum(sizes, _TINY)) + np.cumsum(
          np.log(np.maximum(size, 1) / np.where(size, left, 1)), 1), -np.inf)
  return np.exp(found - np.maximum(found.max(1, keepdims=True), -1e300))


def _later(values):
  """`values [batch, counts, states]` with a count one higher."""
  return np.concatenate([np.zeros_like(values[:, :1]), values[:, :-1]], 1)


def _earlier(values):
  """As `_later`, with a count one lower."""
  return np.concatenate([values[:, 1:], np.zeros_like(values[:, :1])], 1)


class _Alias:
  """Draws from one of several laws in constant time (Walker 1977)."""

  def __init__(self, rows):
    count = rows.shape[1]
    self._keep, self._other = rows * count, np.empty(rows.shape, np.int64)
    self._other[:] = np.arange(count)
    for keep, other in zip(self._keep, self._other, strict=True):
      small = [i for i in range(count) if keep[i] < 1]
      large = [i for i in range(count) if keep[i] >= 1]
      while small and large:
        least, most = small.pop(), large[-1]
        other[least] = most
        keep[most] -= 1 - keep[least]
        if keep[most] < 1:
          small.append(large.pop())
    self._count = count

  def draw(self, rng, rows):
    """One number for each of `rows`, int64 `[n]`."""
    place = rng.random(len(rows)) * self._count
    column = place.astype(np.int64)
    flat = rows * self._count + column
    return np.where(place - column < self._keep.ravel()[flat], column,
                    self._other.ravel()[flat])


def controlled(rows, mean):
  """Mean of the first column and its standard error. What the states' laws
  explain, whose mean is known, is taken out of the error."""
  values, states = rows[:, 0], rows[:, 1:] - mean
  # Laws sum to 1: without a bound that direction's slope would be noise.
  slopes, *_ = np.linalg.lstsq(states - states.mean(0),
                               values - values.mean(), rcond=1e-9)
  rest = values - states @ slopes
  return rest.mean(), rest.std() / np.sqrt(len(rest))


def _stationary(transition):
  """The law that `transition` leaves alone."""
  count = len(transition)
  system = np.vstack([transition.T - np.eye(count), np.ones((1, count))])
  law, *_ = np.linalg.lstsq(system, np.append(np.zeros(count), 1), rcond=None)
  return np.maximum(law, 0) / np.maximum(law, 0).sum()
