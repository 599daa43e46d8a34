"""Nested brackets of several kinds: a Dyck language of bounded depth.

The stack of open brackets has finitely many values, so the language is a
Markov chain over them. Reference: Hewitt et al. 2020, arXiv:2010.07515,
section 2, for Dyck-(k, m).
"""

import dataclasses
import itertools

import numpy as np

from ptm_jax import checks, config
from ptm_jax.errors import ConfigError
from ptm_jax.sources.chain import Chain

_LARGEST = 4096  # states: stacks, and the symbol that led to each


@dataclasses.dataclass
class Source(config.Component):
  """Symbol j < `kinds` opens a bracket of kind j, `kinds` + j closes it.

  All kinds are equally likely to be opened; only the innermost bracket can be
  closed. A document is cut out of an endless sequence, so what it closes at
  first may have been opened before it.

  Attributes:
    kinds: of brackets.
    depth: most brackets that are open at once; there one is closed.
    opening: chance to open one where both can happen, in (0, 1).
  """

  kinds: int = 2
  depth: int = 4
  opening: float = 0.5

  @property
  def symbols(self):
    """How many there are."""
    return 2 * self.kinds

  def validate(self):
    checks.positive(self, 'source', 'kinds', 'depth')
    checks.fraction(self, 'source', 'opening', open_low=True)
    # The states are listed only where there cannot be too many.
    if self.depth > 64 or self.kinds ** self.depth > _LARGEST or (
        len(self._states()) > _LARGEST):
      raise ConfigError(f'source.kinds={self.kinds} and depth={self.depth} '
                        f'make more than {_LARGEST} states: lower one')

  def law(self):
    """The `Chain`, whose state is the stack and the last symbol."""
    states = self._states()
    number = {state: row for row, state in enumerate(states)}
    transition = np.zeros((len(states), len(states)))
    for (stack, _), row in zip(states, transition, strict=True):
      opening = (1.0 if not stack else 0.0 if len(stack) == self.depth
                 else self.opening)
      if opening:
        for kind in range(self.kinds):
          row[number[(*stack, kind), kind]] = opening / self.kinds
      if stack:
        row[number[stack[:-1], self.kinds + stack[-1]]] = 1 - opening
    return Chain(transition, np.eye(self.symbols)[[
        symbol for _, symbol in states]])

  def _states(self):
    """Every (stack, symbol that led to it)."""
    return [(stack, symbol) for size in range(self.depth + 1)
            for stack in itertools.product(range(self.kinds), repeat=size)
            for symbol in (*stack[-1:], *(
                range(self.kinds, 2 * self.kinds) if size < self.depth
                else ()))]
