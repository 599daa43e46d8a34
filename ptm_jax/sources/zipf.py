"""Independent symbols of Zipf's law: nothing to learn but frequencies."""

import dataclasses

import numpy as np

from ptm_jax import checks, config
from ptm_jax.sources.chain import Chain


@dataclasses.dataclass
class Source(config.Component):
  """The k-th symbol has a chance in proportion to k**-exponent.

  Attributes:
    symbols: how many there are.
    exponent: 1 is Zipf's own.
  """

  symbols: int = 64
  exponent: float = 1.0

  def validate(self):
    checks.at_least(self, 'source', 2, 'symbols')
    checks.positive(self, 'source', 'exponent')

  def law(self):
    """The `Chain`, of one state."""
    shares = np.arange(1, self.symbols + 1.0) ** -self.exponent
    return Chain(np.ones((1, 1)), shares[None] / shares.sum())
