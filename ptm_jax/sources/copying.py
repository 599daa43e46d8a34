"""Segments that are repeated, of a length that each document has to show: for
induction, the copying of what followed the last time."""

import dataclasses

import numpy as np

from ptm_jax import checks, config
from ptm_jax.errors import ConfigError
from ptm_jax.sources.law import Law


@dataclasses.dataclass
class Source(config.Component):
  """A document draws a length, and is a sequence of segments of that length:
  each repeats the one before it by the chance `repeat`, or is new.

  All lengths are equally likely, and so are all symbols of a new segment.

  Attributes:
    symbols: how many there are.
    shortest, longest: segments, symbols.
    repeat: chance that a segment repeats the one before it, in (0, 1).
  """

  symbols: int = 64
  shortest: int = 5
  longest: int = 8
  repeat: float = 0.8

  def validate(self):
    checks.at_least(self, 'source', 2, 'symbols')
    checks.positive(self, 'source', 'shortest')
    checks.fraction(self, 'source', 'repeat', open_low=True)
    if not self.shortest <= self.longest <= 64:
      raise ConfigError(f'source.longest={self.longest} must lie between '
                        f'shortest={self.shortest} and 64')

  def law(self):
    """The `Copying`."""
    return Copying(self.symbols, range(self.shortest, self.longest + 1),
                   self.repeat)


class Copying(Law):
  """Segments that repeat.

  Segments between two new ones are a run; given where runs begin, the places
  of a segment are independent. So all is a sum over runs, as in Adams and
  MacKay 2007, arXiv:0710.3742, section 2; a document of B segments has B**2 /
  2 runs.

  Args:
    num_symbols: V.
    lengths: of segments, ints, equally likely.
    repeat: chance that a segment repeats the one before it.
  """

  def __init__(self, num_symbols, lengths, repeat):
    self.num_symbols, self.lengths = num_symbols, tuple(lengths)
    self.repeat = repeat

  def sample(self, rng, count, length):
    size = rng.choice(self.lengths, count)[:, None]
    segment, place = np.divmod(np.arange(length)[None], size)
    new = rng.random((count, length)) >= self.repeat
    new[:, 0] = True
    # The segment that each one repeats.
    origin = np.maximum.accumulate(
        np.where(new, np.arange(length), 0), 1)
    origin = np.take_along_axis(origin, segment, 1)
    drawn = rng.integers(0, self.num_symbols, (count, length))
    return np.take_along_axis(drawn, origin * size + place, 1)

  def posterior(self, evidence):
    return self._mixed(evidence, _around)

  def forward(self, evidence):
    return self._mixed(evidence, _before)

  def _mixed(self, evidence, ask):
    """`ask` of each length of segments; these are weighed by what it says of
    all symbols together."""
    rows, length, symbols = evidence.shape
    found, scales = [], []
    with np.errstate(divide='ignore', invalid='ignore'):
      for size in self.lengths:
        segments = np.pad(evidence, ((0, 0), (0, -length % size), (0, 0)),
                          constant_values=1).reshape(rows, -1, size, symbols)
        chances, scale = ask(segments, np.log(self.repeat),
                             np.log1p(-self.repeat))
        found.append(chances.reshape(rows, -1, symbols)[:, :length])
        scales.append(scale.reshape(rows, -1)[:, :length])
      weights = np.exp(scales - np.max(scales, 0))
    total = np.einsum('lrp,lrpv->rpv', weights, np.asarray(found))
    return total / np.maximum(total.sum(-1, keepdims=True), 1e-300)

  def entropy_rate(self):
    # The segments' length is soon told; each depends on the one before it.
    rates = []
    for size in self.lengths:
      # In nats a segment; any one other than the last has the chance `other`.
      log_other = np.log1p(-self.repeat) - size * np.log(self.num_symbols)
      same = self.repeat + np.exp(log_other)
      rates.append((-same * np.log(same) - (1 - same) * log_other) / size)
    rate = float(np.mean(rates))
    return rate, rate


def _runs(segments):
  """Likelihoods of symbols in runs of segments.

  Args:
    segments: evidence, `[rows, segments, size, V]`.

  Returns:
    `products`, where `products[first, last]` is the product of the evidence
    from `first` up to `last`, `[rows, size, V]`, by place; and ln of its mean
    over symbols, summed over places, `[rows]`.
  """
  count = segments.shape[1]
  products, chances = {}, {}
  for first in range(count):
    product = np.ones_like(segments[:, 0])
    products[first, first - 1] = product
    for last in range(first, count):
      product = product * segments[:, last]
      products[first, last] = product
      chances[first, last] = np.log(product.mean(-1)).sum(-1)
  products[count, count - 1] = np.ones_like(segments[:, 0])
  return products, chances


def _ends(chances, count, repeat, new):
  """ln p of the evidence up to each segment where a run ends with it, in a
  list `[rows]` that begins with that of no segment at all."""
  ends = [np.zeros_like(chances[0, 0])]
  for last in range(count):
    ends.append(np.logaddexp.reduce([
        ends[first] + (last - first) * repeat + new * (first > 0)
        + chances[first, last] for first in range(last + 1)]))
  return ends


def _before(segments, repeat, new):
  """p(symbol and evidence before it), scaled, `[rows, segments, size, V]`,
  and the ln of the scale, `[rows, segments, size]`."""
  products, chances = _runs(segments)
  count = segments.shape[1]
  ends = _ends(chances, count, repeat, new)
  terms = []
  for own in range(count):
    parts, scales = [], []
    for first in range(own + 1):
      earlier = products[first, own - 1]
      without = np.log(earlier.mean(-1))
      with_own = np.log(products[first, own].mean(-1))
      outside = ends[first] + (own - first) * repeat + new * (first > 0)
      scales.append(outside[:, None] + _sum_before(with_own)
                    + _sum_behind(without))
      parts.append(earlier)
    terms.append(_added(parts, scales))
  return tuple(np.stack(one, 1) for one in zip(*terms, strict=True))


def _around(segments, repeat, new):
  """As `_before`, of a symbol and the evidence at all other places."""
  products, chances = _runs(segments)
  count = segments.shape[1]
  ends = _ends(chances, count, repeat, new)
  mirrored = {(count - 1 - last, count - 1 - first): value
              for (first, last), value in chances.items()}
  begins = _ends(mirrored, count, repeat, new)[::-1]
  terms = []
  for own in range(count):
    parts, scales = [], []
    for first in range(own + 1):
      for last in range(own, count):
        without = np.log(products[first, last].mean(-1))
        outside = ends[first] + begins[last + 1] + (last - first) * repeat + (
            new * ((first > 0) + (last < count - 1)))
        scales.append(outside[:, None] + _sum_before(without)
                      + _sum_behind(without))
        parts.append(products[first, own - 1] * products[own + 1, last])
    terms.append(_added(parts, scales))
  return tuple(np.stack(one, 1) for one in zip(*terms, strict=True))


def _sum_before(values):
  """Sums of what stands before each place, along the last axis."""
  return np.cumsum(np.pad(values[..., :-1], ((0, 0), (1, 0))), -1)


def _sum_behind(values):
  """Sums of what stands behind each place, along the last axis."""
  return _sum_before(values[..., ::-1])[..., ::-1]


def _added(parts, scales):
  """Sum of `exp(scales) * parts`, scaled by its largest, and ln of that."""
  scales = np.asarray(scales)
  largest = np.maximum(np.max(scales, 0), -1e300)
  weights = np.exp(scales - largest)
  return np.einsum('krp,krpv->rpv', weights, np.asarray(parts)), largest
