"""Sentences of a random context-free grammar: for structure that no chain has.

References: Lari and Young 1990, Computer Speech and Language 4, for inside and
outside; Jelinek and Lafferty 1991, Computational Linguistics 17, for prefixes.
"""

import dataclasses
import functools

import numpy as np

from ptm_jax import checks, config
from ptm_jax.errors import ConfigError
from ptm_jax.sources.chain import controlled
from ptm_jax.sources.law import Law

_LONGEST, _MOST = 64, 32  # symbols in a sentence, nonterminals
_AT_ONCE = 64  # sentences in one table
_TINY = 1e-300  # what is impossible divides to 0


@dataclasses.dataclass
class Source(config.Component):
  """A sentence is a tree of a probabilistic grammar in Chomsky normal form,
  given that it has `length` symbols.

  Each nonterminal becomes two by its own chance, which is mostly low or high,
  or is a symbol; the first one is the root. Sentences are independent: a
  document of `length` symbols is one of them, a shorter one how one begins.

  Attributes:
    nonterminals, symbols: how many there are.
    length: of a sentence, symbols, at most 64.
    rule_concentration: of the Dirichlet laws that the chances of pairs of
      nonterminals are drawn from.
    concentration: the same, of symbols.
    seed: of the laws.
  """

  nonterminals: int = 16
  symbols: int = 64
  length: int = 64
  rule_concentration: float = 0.005
  concentration: float = 0.05
  seed: int = 0

  def validate(self):
    checks.positive(self, 'source', 'nonterminals', 'length',
                    'rule_concentration', 'concentration')
    checks.at_least(self, 'source', 2, 'symbols')
    for name, most in ('nonterminals', _MOST), ('length', _LONGEST):
      if (value := getattr(self, name)) > most:
        raise ConfigError(f'source.{name}={value} is above {most}')

  def law(self):
    """The `Grammar`."""
    rng, count = np.random.default_rng(self.seed), self.nonterminals
    # Never 0 or 1, so that each nonterminal can have any length.
    branching = 0.01 + 0.98 * rng.beta(0.2, 0.2, (count, 1))
    pairs = rng.dirichlet(np.full(count**2, self.rule_concentration), count)
    emission = (1 - branching) * rng.dirichlet(
        np.full(self.symbols, self.concentration), count)
    rules = (branching * pairs).reshape(count, count, count)
    return Grammar(rules, emission, self.length)


class Grammar(Law):
  """Sentences of one length, each the leaves of a tree of its own.

  Each span is scaled, so nothing underflows. The posteriors of 64 sentences
  of 64 symbols take .8 s of 8 nonterminals and 1.7 s of 16 on one busy core,
  those given one side as long; the time grows with the length's third power.

  Args:
    rules: float64 `[N, N, N]`, chance that the first becomes the other two.
    emission: float64 `[N, V]`, chance that it becomes the symbol.
    length: of a sentence, symbols.
  """

  def __init__(self, rules, emission, length):
    self.rules, self.emission = rules, emission
    self.num_symbols, self.length = emission.shape[1], length

  def sample(self, rng, count, length):
    rows = self._sentences(rng, count * -(-length // self.length))
    return rows.reshape(count, -1)[:, :length]

  def posterior(self, evidence):
    return self._asked(evidence, lambda inside: (inside, inside))

  def forward(self, evidence):
    # The outside of a span needs what is behind it as right siblings alone.
    return self._asked(evidence, lambda inside: (inside, self._unseen))

  def _from_behind(self, evidence):
    return self._asked(evidence, lambda inside: (self._unseen, inside))

  def entropy_rate(self, rng=None, tolerance=1e-3):
    """Bounds on a sentence's entropy, nats a symbol.

    Args:
      rng: `np.random.Generator`, or None for one of a fixed seed.
      tolerance: between the bounds, nats, if 16,384 sentences suffice.

    Returns:
      (lower, upper): the mean entropy of the next symbol given those before
      it, over sampled sentences, less and plus two standard errors.
    """
    rng = rng or np.random.default_rng(0)
    # Whose symbols are likely explains much of the error.
    own = self.emission.T / self.emission.sum(1)
    nothing = np.ones((1, self.length, self.num_symbols))
    mean = self.posterior(nothing)[0].mean(0) @ own
    rows = np.empty((0, 1 + len(mean)))
    for _ in range(32):
      laws = self.forward(self.evidence(self.sample(rng, 512, self.length)))
      entropy = -np.sum(laws * np.log(np.maximum(laws, _TINY)), -1)
      rows = np.append(rows, np.concatenate(
          [entropy[..., None], laws @ own], -1).mean(1), 0)
      found, error = controlled(rows, mean)
      if 4 * error < tolerance:
        break
    return float(found - 2 * error), float(found + 2 * error)

  @functools.cached_property
  def _unseen(self):
    """The inside of a sentence of which nothing is seen."""
    return self._inside(np.ones((1, self.length, self.num_symbols)))

  @functools.cached_property
  def _splits(self):
    """By size of a span, sums of the chances of its parts, `[N, (size - 1) *
    N * N]`: the left one's size, what it is, and what the right one is."""
    chances, logs = (each[0, 0] for each in self._unseen.by_start())
    found = {}
    for size in range(2, self.length + 1):
      scale = logs[1:size] + logs[size - 1:0:-1]
      pairs = np.einsum('abc,kb,kc,k->akbc', self.rules, chances[1:size],
                        chances[size - 1:0:-1], np.exp(scale - scale.max()))
      found[size] = np.cumsum(pairs.reshape(len(pairs), -1), 1)
    return found

  def _sentences(self, rng, count):
    """Draws trees from the root down, int64 `[count, length]`."""
    # At the place where a span begins: its size, and what it is.
    sizes = np.zeros((count, self.length), np.int64)
    kinds = np.zeros_like(sizes)
    sizes[:, 0] = self.length
    for size in range(self.length, 1, -1):
      rows, starts = np.nonzero(sizes == size)
      left, one, other = np.unravel_index(
          _draw(rng, self._splits[size], kinds[rows, starts]),
          (size - 1, *self.rules.shape[1:]))
      middles = starts + left + 1
      sizes[rows, starts], kinds[rows, starts] = left + 1, one
      sizes[rows, middles], kinds[rows, middles] = size - left - 1, other
    return _draw(rng, np.cumsum(self.emission, 1), kinds.ravel()).reshape(
        kinds.shape)

  def _asked(self, evidence, siblings):
    """Laws of symbols, where `siblings` makes of the inside what is seen of
    those to the left and of those to the right."""
    rows, length, symbols = evidence.shape
    evidence = np.pad(evidence, ((0, 0), (0, -length % self.length), (0, 0)),
                      constant_values=1).reshape(-1, self.length, symbols)
    found = np.empty_like(evidence)
    for start in range(0, len(evidence), _AT_ONCE):
      part = slice(start, start + _AT_ONCE)
      given = siblings(self._inside(evidence[part]))
      found[part] = self._outside(*given, len(found[part])) @ self.emission
    found /= np.maximum(found.sum(-1, keepdims=True), _TINY)
    return found.reshape(rows, -1, symbols)[:, :length]

  def _inside(self, evidence):
    """p(evidence in a span | its nonterminal), a `_Spans`."""
    spans = _Spans(len(evidence), self.length, len(self.rules))
    spans.put(1, evidence @ self.emission.T, 0)
    for size in range(2, self.length + 1):
      pairs, scale = _pairs(
          spans.by_start(slice(-size), slice(1, size)),
          spans.by_end(slice(size, None), slice(size - 1, 0, -1)))
      spans.put(size, pairs @ self.rules.reshape(len(self.rules), -1).T, scale)
    return spans

  def _outside(self, left, right, rows):
    """p(nonterminal of a place and evidence outside), scaled, `[rows, length,
    N]`, where `left` and `right` are the inside of siblings on that side."""
    count = len(self.rules)
    spans = _Spans(rows, self.length, count)
    spans.put(self.length, np.eye(count)[:1], 0)  # the root
    # From a parent and a sibling to the left part, and to the right one.
    to_left = self.rules.swapaxes(1, 2).reshape(-1, count)
    to_right = self.rules.reshape(-1, count)
    for size in range(self.length - 1, 0, -1):
      larger, smaller = slice(size + 1, None), slice(1, -size)
      one, one_scale = _pairs(spans.by_start(slice(-size), larger),
                              right.by_start(slice(size, None), smaller))
      other, other_scale = _pairs(spans.by_end(slice(size, None), larger),
                                  left.by_end(slice(-size), smaller))
      scale = np.maximum(one_scale, other_scale)
      one *= np.exp(one_scale - scale)[..., None]
      other *= np.exp(other_scale - scale)[..., None]
      spans.put(size, one @ to_left + other @ to_right, scale)
    return spans.by_start(slice(-1), 1)[0]


class _Spans:
  """What is known of each span: values, scaled to a sum of 1, float64 `[rows,
  places, sizes, N]`, and the ln of the scale `[rows, places, sizes]`. By where
  spans start and by where they end, 0 ... length; sizes 0 ... length."""

  def __init__(self, rows, length, count):
    shape = rows, length + 1, length + 1
    self._values = np.zeros((2, *shape, count))
    self._scales = np.full((2, *shape), -np.inf)

  def by_start(self, places=slice(None), sizes=slice(None)):
    return self._values[0][:, places, sizes], self._scales[0][:, places, sizes]

  def by_end(self, places, sizes):
    return self._values[1][:, places, sizes], self._scales[1][:, places, sizes]

  def put(self, size, values, scale):
    """Sets spans of a size in order: `[rows, spans, N]`, ln `[rows, spans]`."""
    total = values.sum(-1)
    with np.errstate(divide='ignore'):
      scale = scale + np.log(total)
    values = values / np.maximum(total, _TINY)[..., None]
    for which, places in enumerate((slice(-size), slice(size, None))):
      self._values[which][:, places, size] = values
      self._scales[which][:, places, size] = scale


def _pairs(one, other):
  """Sums of outer products over sizes, flat, scaled, and the ln of that."""
  scales = one[1] + other[1]
  largest = np.maximum(scales.max(-1), -1e300)
  weights = np.exp(scales - largest[..., None])[..., None]
  pairs = (one[0] * weights).swapaxes(-1, -2) @ other[0]
  return pairs.reshape(*largest.shape, -1), largest


def _draw(rng, ends, kinds):
  """A number for each of `kinds`, a row of sums of chances, int64 `[n]`."""
  found, at = np.empty(len(kinds), np.int64), rng.random(len(kinds))
  for kind, row in enumerate(ends):
    own = kinds == kind
    found[own] = np.searchsorted(row, at[own] * row[-1], side='right')
  return np.minimum(found, ends.shape[1] - 1)
