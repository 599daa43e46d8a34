"""Texts of which parts are hidden, and with them how long these parts are.

A row has symbols and gaps. Each gap's length has a law, and of all gaps
together the length is known; what goes on in one of them is a sum over all
lengths that fit. See `law.Law.gapped`.
"""

import numpy as np

GAP, OVER = -1, -2  # in place of a symbol: a gap, and what is behind the text


def enumerated(law, symbols, weights, hidden, asked):
  """As `Law.gapped`, by way of every combination of lengths."""
  found = np.zeros((len(symbols), law.num_symbols + 1))
  for row, text in enumerate(np.asarray(symbols)):
    text = text[text != OVER]
    gaps = np.flatnonzero(text == GAP)
    own = weights[row, :len(gaps)]
    sizes = np.array([one for one in _sums(hidden[row], len(gaps))
                      if np.all(np.take_along_axis(
                          own, np.array(one)[:, None], 1) > 0)])
    times = np.ones((len(sizes), len(text)), np.int64)
    times[:, gaps] = sizes
    texts = np.array([np.repeat(text, one) for one in times])
    scores = law.log_likelihood(texts) + np.sum(
        np.log(own[np.arange(len(gaps)), sizes]), 1)
    scores = np.exp(scores - scores.max())
    goes_on = sizes[:, asked[row]] > 0
    found[row, -1] = scores[~goes_on].sum()
    if goes_on.any():
      chances = law.around(law.evidence(texts[goes_on]))
      place = times[goes_on, :gaps[asked[row]]].sum(1)
      found[row, :-1] = scores[goes_on] @ chances[
          np.arange(len(place)), place]
  return found / found.sum(1, keepdims=True)


def _sums(total, count):
  """All tuples of `count` lengths that sum up to `total`."""
  if count == 1:
    yield (total,)
    return
  for first in range(total + 1):
    for rest in _sums(total - first, count - 1):
      yield (first, *rest)


def summed(chain, symbols, weights, hidden, asked):
  """As `Law.gapped`, of a `chain.Chain`: by the state of the next symbol and
  the number of hidden ones so far, in powers of the transition."""
  symbols, weights = np.asarray(symbols), np.asarray(weights, np.float64)
  gap = symbols == GAP
  number = np.maximum(np.cumsum(gap, 1) - 1, 0)
  here = gap & (number == np.asarray(asked)[:, None])
  place = np.argmax(here, 1)
  own = weights[np.arange(len(symbols)), asked]
  before = np.zeros((len(symbols), weights.shape[2], len(chain.start)))
  behind = np.zeros_like(before)
  before[:, 0], behind[:, 0] = chain.start, 1
  columns = np.arange(symbols.shape[1])
  for values, order, side, forward in (
      (before, columns, columns < place[:, None], True),
      (behind, columns[::-1], columns > place[:, None], False)):
    transition = chain.transition if forward else chain.transition.T
    for column in order:
      rows = np.flatnonzero(side[:, column] & (symbols[:, column] >= 0))
      seen = chain.emission.T[symbols[rows, column]][:, None]
      values[rows] = (values[rows] * seen @ transition if forward else
                      values[rows] @ transition * seen)
      through = np.flatnonzero(side[:, column] & gap[:, column])
      if len(through):
        values[through] = _across(
            values[through], weights[through, number[through, column]],
            transition)
      values /= np.maximum(values.sum((1, 2), keepdims=True), 1e-300)
  first = own * (np.arange(own.shape[1]) > 0)
  rest = _across(behind, first, chain.transition.T)
  left = np.asarray(hidden)[:, None] - np.arange(own.shape[1])
  def of_rest(values):  # by the number of hidden ones before the asked gap
    return np.where((left >= 0)[..., None], np.take_along_axis(
        values, np.maximum(left, 0)[..., None], 1), 0)
  goes_on = np.sum(before * of_rest(rest), 1) @ chain.emission
  stops = own[:, :1] * np.sum(before * of_rest(behind), (1, 2))[:, None]
  found = np.concatenate([goes_on, stops], 1)
  return found / found.sum(1, keepdims=True)


def _across(values, weights, transition):
  """`values [rows, n, states]`, by numbers of hidden symbols, beyond a gap of
  0 ... n - 1 symbols with `weights [rows, n]`."""
  total, moved = weights[:, :1, None] * values, values
  for size in range(1, values.shape[1]):
    moved = moved @ transition
    moved = np.concatenate([np.zeros_like(moved[:, :1]), moved[:, :-1]], 1)
    total = total + weights[:, size, None, None] * moved
  return total
