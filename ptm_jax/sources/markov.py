"""A Markov chain of some order: each symbol depends on those just before it.
"""

import dataclasses

import numpy as np

from ptm_jax import checks, config
from ptm_jax.errors import ConfigError
from ptm_jax.sources.chain import Chain

_LARGEST = 4096  # states: all that the last symbols may have been


@dataclasses.dataclass
class Source(config.Component):
  """The next symbol's law is drawn for every sequence of `order` symbols.

  Attributes:
    order: symbols that the next one depends on.
    symbols: how many there are.
    concentration: of the Dirichlet law that chances are drawn from.
    seed: of the law.
  """

  order: int = 1
  symbols: int = 32
  concentration: float = 0.2
  seed: int = 0

  def validate(self):
    checks.positive(self, 'source', 'order', 'concentration')
    checks.at_least(self, 'source', 2, 'symbols')
    if self.symbols ** self.order > _LARGEST:
      raise ConfigError(f'source.symbols={self.symbols} to the power of order='
                        f'{self.order} is above {_LARGEST}: lower one')

  def law(self):
    """The `Chain`, whose state is the last `order` symbols."""
    count = self.symbols ** self.order
    rows = np.random.default_rng(self.seed).dirichlet(
        np.full(self.symbols, self.concentration), count)
    transition = np.zeros((count, count))
    states = np.arange(count)
    for symbol in range(self.symbols):
      transition[states, states * self.symbols % count + symbol] = (
          rows[:, symbol])
    return Chain(transition, np.eye(self.symbols)[states % self.symbols])
