"""Words of several symbols, drawn by a hidden Markov chain: for noise that
falls on whole words and spans."""

import dataclasses

import numpy as np

from ptm_jax import checks, config
from ptm_jax.errors import ConfigError
from ptm_jax.sources.chain import Chain

_LARGEST = 4096  # states: classes times the letters of all words


@dataclasses.dataclass
class Source(config.Component):
  """A class of words tends to stay; each draws words from a law of its own.

  Words have 1 to `longest` letters, all lengths alike, and are drawn from
  `seed`, first letters among the symbols below `word_starts` and the others
  among the rest, so that a symbol tells whether it begins a word.

  Attributes:
    classes: hidden states.
    words: how many different ones; each is in every class.
    longest: letters in the longest word.
    letters: symbols; half of them, rounded up, begin words.
    stickiness: chance that the class stays behind a word, beside its draw.
    concentration: of the Dirichlet law that words' chances are drawn from.
    seed: of the law.
  """

  classes: int = 4
  words: int = 64
  longest: int = 3
  letters: int = 32
  stickiness: float = 0.8
  concentration: float = 0.1
  seed: int = 0

  @property
  def symbols(self):
    return self.letters

  @property
  def word_starts(self):
    """Symbols below this one begin words."""
    return (self.letters + 1) // 2

  def validate(self):
    checks.positive(self, 'source', 'classes', 'words', 'longest',
                    'concentration')
    checks.at_least(self, 'source', 2, 'letters')
    checks.fraction(self, 'source', 'stickiness')
    if self.classes * self.words * self.longest > _LARGEST:
      raise ConfigError(
          f'source.classes={self.classes}, words={self.words} and longest='
          f'{self.longest} make more than {_LARGEST} states: lower one')

  def spellings(self):
    """The words, a list of arrays of symbols."""
    rng = np.random.default_rng(self.seed)
    lengths = rng.integers(1, self.longest + 1, self.words)
    return [np.append(rng.integers(0, self.word_starts), rng.integers(
        self.word_starts, self.letters, length - 1)) for length in lengths]

  def law(self):
    """The `Chain`, whose state is a class, a word and a place in it."""
    rng = np.random.default_rng([self.seed, 1])
    moves = (self.stickiness * np.eye(self.classes)
             + (1 - self.stickiness) * rng.dirichlet(
                 np.ones(self.classes), self.classes))
    chances = rng.dirichlet(np.full(self.words, self.concentration),
                            self.classes)
    spelled = self.spellings()
    places = [(word, place) for word, letters in enumerate(spelled)
              for place in range(len(letters))]
    first = np.array([place == 0 for _, place in places])
    last = np.array([place == len(spelled[word]) - 1
                     for word, place in places])
    # Of each class: the law of a word's first letter, and steps within words.
    begins = np.where(first, chances[:, [word for word, _ in places]], 0)
    within = np.eye(len(places), k=1) * ~last[:, None]
    steps = [[moves[a, b] * last[:, None] * begins[b] + (a == b) * within
              for b in range(self.classes)] for a in range(self.classes)]
    letters = [spelled[word][place] for word, place in places]
    return Chain(np.block(steps), np.eye(self.letters)[
        np.tile(letters, self.classes)], word_starts=self.word_starts)
