"""Two languages joined by a hidden mapping: for objectives that translate."""

import dataclasses

import numpy as np

from ptm_jax import checks, config
from ptm_jax.errors import ConfigError
from ptm_jax.sources.law import Law
from ptm_jax.sources.markov import Source as Markov

_LARGEST = 1024  # words of a language


@dataclasses.dataclass
class Source(config.Component):
  """A sentence of a first language, a Markov chain, and then its translation
  word for word; a document is a sequence of such pairs.

  Each word has one translation, drawn from `seed`; by the chance `noise`
  any word of the second language stands in its place. The first half of the
  symbols is the first language.

  Attributes:
    words: of a language.
    sentence_length: symbols in each sentence.
    noise: chance of any word in place of the translation, in [0, 1).
    concentration: of the Dirichlet law that the chain's chances are drawn
      from.
    seed: of the law.
  """

  words: int = 32
  sentence_length: int = 8
  noise: float = 0.1
  concentration: float = 0.2
  seed: int = 0

  @property
  def symbols(self):
    return 2 * self.words

  def validate(self):
    checks.positive(self, 'source', 'sentence_length', 'concentration')
    checks.at_least(self, 'source', 2, 'words')
    checks.fraction(self, 'source', 'noise')
    if self.words > _LARGEST:
      raise ConfigError(f'source.words={self.words} is above {_LARGEST}')

  def law(self):
    """The `Cipher`."""
    chain = Markov(symbols=self.words, concentration=self.concentration,
                   seed=self.seed).law()
    mapping = np.random.default_rng([self.seed, 1]).permutation(self.words)
    channel = ((1 - self.noise) * np.eye(self.words)[mapping]
               + self.noise / self.words)
    return Cipher(chain, channel, self.sentence_length)


class Reading(Law):
  """The first sentence of each pair alone, as a text whose translation is not
  part of it.

  Args:
    cipher: the `Cipher`.
  """

  def __init__(self, cipher):
    self._chain, self.channel = cipher.chain, cipher.channel
    self.num_symbols = cipher.num_symbols

  def sample(self, rng, count, length):
    return self._chain.sample(rng, count, length)

  def posterior(self, evidence):
    words = len(self.channel)
    found = np.zeros_like(evidence)
    found[..., :words] = self._chain.around(evidence[..., :words])
    return found

  def entropy_rate(self):
    return self._chain.entropy_rate()


class Cipher(Law):
  """Pairs of sentences.

  Args:
    chain: `chain.Chain` of the first language, whose state is its word.
    channel: float64 `[words, words]`, of the translation given the word.
    sentence_length: symbols in each sentence.
  """

  def __init__(self, chain, channel, sentence_length):
    self.chain, self.channel = chain, np.asarray(channel, np.float64)
    self.num_symbols = 2 * len(self.channel)
    self.sentence_length = sentence_length

  def sample(self, rng, count, length):
    size, words = self.sentence_length, len(self.channel)
    pairs = -(-length // (2 * size))
    first = self.chain.sample(rng, count * pairs, size)
    ends = np.cumsum(self.channel, 1)
    second = np.empty_like(first)
    for place in range(size):
      second[:, place] = np.minimum(np.sum(
          rng.random((len(first), 1)) > ends[first[:, place]], 1), words - 1)
    both = np.concatenate([first, words + second], 1)
    return both.reshape(count, -1)[:, :length]

  def posterior(self, evidence):
    size, words = self.sentence_length, len(self.channel)
    rows, length, _ = evidence.shape
    short = -length % (2 * size)
    evidence = np.pad(evidence, ((0, 0), (0, short), (0, 0)),
                      constant_values=1)
    pairs = evidence.reshape(-1, 2, size, 2 * words)
    first, second = pairs[:, 0, :, :words], pairs[:, 1, :, words:]
    told = second @ self.channel.T
    around = self.chain.around(first * told)
    found = np.zeros_like(pairs)
    found[:, 0, :, :words] = around * told
    found[:, 1, :, words:] = (around * first) @ self.channel
    found /= np.maximum(found.sum(-1, keepdims=True), 1e-300)
    return found.reshape(rows, -1, 2 * words)[:, :length]

  def entropy_rate(self):
    def entropy(chances):
      return -np.sum(chances * np.log(np.maximum(chances, 1e-300)), -1)
    size = self.sentence_length
    rate, _ = self.chain.entropy_rate()
    start = self.chain.start
    total = entropy(start) + (size - 1) * rate
    # Every place of a stationary chain has the law `start`.
    total += size * (start @ entropy(self.channel))
    return float(total / (2 * size)), float(total / (2 * size))
