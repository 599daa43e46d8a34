"""A hidden Markov chain: a state that tends to stay, and symbols it favours.
"""

import dataclasses

import numpy as np

from ptm_jax import checks, config
from ptm_jax.sources.chain import Chain


@dataclasses.dataclass
class Source(config.Component):
  """`states` hidden states; each emits symbols from a law of its own.

  The defaults separate objectives: one symbol says a little about the state,
  its neighbours on both sides say more than those on the left, and much of
  the loss stays, since the symbols of a state overlap.

  Attributes:
    states, symbols: how many there are.
    stickiness: chance that a state stays, beside its draw; 0 is dense.
    concentration: of the Dirichlet law that symbols' chances are drawn from;
      small is peaked.
    seed: of the law.
  """

  states: int = 8
  symbols: int = 64
  stickiness: float = 0.8
  concentration: float = 0.1
  seed: int = 0

  def validate(self):
    checks.positive(self, 'source', 'states', 'concentration')
    checks.fraction(self, 'source', 'stickiness')
    checks.at_least(self, 'source', 2, 'symbols')

  def law(self):
    """The `Chain`."""
    rng = np.random.default_rng(self.seed)
    moves = rng.dirichlet(np.ones(self.states), self.states)
    stay = self.stickiness
    return Chain(stay * np.eye(self.states) + (1 - stay) * moves,
                 rng.dirichlet(np.full(self.symbols, self.concentration),
                               self.states))
