"""What every law of a source can be asked, from one posterior of its own."""

import numpy as np

from ptm_jax.sources import gaps


class Law:
  """A law over documents of symbols 0 ... V - 1.

  A law has `sample`, `posterior` and `entropy_rate`; all else follows from
  these, at a cost of one posterior a place. What knows a faster way overrides
  it.

  Attributes:
    num_symbols: V.
    stationary: whether a piece of a document has the same law anywhere, so
      that windows may cut documents.
    word_starts: symbols below this one begin words, and no others do; None is
      every symbol. Noise that falls on whole words tells where they begin.
    sentence_length: symbols in each sentence of a document, or None.
    counts_noise: whether `among_noise` holds for any law of how many places
      are noise.
  """

  num_symbols: int
  stationary = False
  word_starts = None
  sentence_length = None
  counts_noise = False

  def sample(self, rng, count, length):
    """Draws documents: int64 `[count, length]`.

    Args:
      rng: `np.random.Generator`.
      count, length: of the documents, symbols.
    """
    raise NotImplementedError

  def posterior(self, evidence):
    """p(symbol | evidence at all other places), `[batch, length, V]`, each
    row one document from its start."""
    raise NotImplementedError

  def entropy_rate(self):
    """Bounds on the entropy rate, nats a symbol: (lower, upper), equal where
    it is exact."""
    raise NotImplementedError

  def evidence(self, symbols):
    """What symbols that are seen say: float64 `[batch, length, V]`, 1 at the
    symbol and 0 elsewhere; all 1 where `symbols` is negative (unseen)."""
    symbols = np.asarray(symbols)[..., None]
    return np.where(symbols < 0, 1.0, symbols == np.arange(self.num_symbols))

  def of_starts(self, symbols):
    """What it says of each symbol whether it begins a word, as `evidence`."""
    if self.word_starts is None:
      return np.ones((*np.shape(symbols), self.num_symbols))
    begins = np.asarray(symbols)[..., None] < self.word_starts
    return 1.0 * (begins == (np.arange(self.num_symbols) < self.word_starts))

  def around(self, evidence, segments=None):
    """p(symbol | evidence at all other places of its segment), `[batch,
    length, V]`. The place's own evidence, if any, is to be multiplied in.

    Args:
      evidence: float64 `[batch, length, V]`, the likelihood of what is seen
        of each place given each symbol; all 1 where nothing is.
      segments: int `[batch, length]`, documents that are independent of each
        other; 0 is left out. None is one document.
    """
    return self._by_document(self.posterior, evidence, segments)

  def before(self, evidence, segments=None):
    """p(symbol | evidence before it in its segment); otherwise as `around`."""
    return self._by_document(self.forward, evidence, segments)

  def behind(self, evidence, segments=None):
    """p(symbol | evidence behind it in its segment); otherwise as `around`."""
    return self._by_document(self._from_behind, evidence, segments)

  def forward(self, evidence):
    """As `posterior`, given the evidence before each place alone."""
    return self._one_side(evidence, np.less)

  def _from_behind(self, evidence):
    return self._one_side(evidence, np.greater)

  def log_likelihood(self, symbols, segments=None):
    """ln p of the symbols of each row, nats, float64 `[batch]`; negative ones
    are summed out."""
    return self.log_evidence(self.evidence(symbols), segments)

  def log_evidence(self, evidence, segments=None):
    """ln p of what is seen, as `log_likelihood`; `evidence` as of `around`."""
    chances = np.sum(evidence * self.before(evidence, segments), -1)
    real = True if segments is None else np.asarray(segments) > 0
    with np.errstate(divide='ignore'):
      return np.sum(np.where(real, np.log(chances), 0), 1)

  def among_noise(self, clean, noisy, sizes, segments):
    """Joint laws of a place's symbol and of its being noise, given all that
    is shown of a row.

    Here places are taken as noise independently, as often as in the mean; a
    law that `counts_noise` counts the places.

    Args:
      clean, noisy: float64 `[batch, length, V]`, the likelihood of what is
        shown of each place given each symbol, if it is no noise and if it is;
        noise never falls where `noisy` is all 0.
      sizes: float64 `[batch, n]`, the chances that 0 ... n - 1 places are
        noise; all sets of as many places are equally likely.
      segments: int `[batch, length]`, as of `around`.

    Returns:
      float64 `[batch, length, 2, V]`, no noise first; each place sums to 1.
    """
    mean = np.asarray(sizes) @ np.arange(np.shape(sizes)[1])
    places = np.any(noisy, 2) & (np.asarray(segments) > 0)
    rate = mean / np.maximum(places.sum(1), 1)
    rate = (rate[:, None] * places)[..., None]
    each = (1 - rate) * clean, rate * noisy
    around = self.around(sum(each), segments)
    found = np.stack([around * one for one in each], 2)
    return found / np.maximum(found.sum((2, 3), keepdims=True), 1e-300)

  def gapped(self, symbols, weights, hidden, asked):
    """How texts go on in one of their gaps, whose lengths are not known.

    Args:
      symbols: int `[rows, slots]`, each a text from its start: symbols,
        `gaps.GAP` for a gap, and `gaps.OVER` behind the text.
      weights: float64 `[rows, gaps, n]`, for each gap in its order the weight
        of its having 0 ... n - 1 symbols, at least up to `hidden`.
      hidden: int `[rows]`, symbols of all gaps together.
      asked: int `[rows]`, the number of the gap.

    Returns:
      float64 `[rows, V + 1]`: the law of the gap's first symbol, and last the
      chance that it has none.
    """
    return gaps.enumerated(self, symbols, weights, hidden, asked)

  def _one_side(self, evidence, seen):
    length = evidence.shape[1]
    found = np.empty_like(evidence)
    for place in range(length):
      shown = seen(np.arange(length), place)[:, None]
      found[:, place] = self.posterior(np.where(shown, evidence, 1))[:, place]
    return found

  def _by_document(self, ask, evidence, segments):
    """`ask` of each document in a row of its own."""
    evidence = np.asarray(evidence, np.float64)
    if segments is None:
      return ask(evidence)
    segments = np.asarray(segments)
    places = np.arange(segments.shape[1])
    starts = np.diff(segments, axis=1, prepend=-1) != 0
    first = np.maximum.accumulate(np.where(starts, places, 0), 1)
    document = np.cumsum(starts).reshape(segments.shape) - 1
    own = np.ones((document.max() + 1, *evidence.shape[1:]))
    own[document, places - first] = np.where(
        (segments > 0)[..., None], evidence, 1)
    return ask(own)[document, places - first]

