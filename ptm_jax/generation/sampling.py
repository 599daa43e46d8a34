"""How the next token is chosen among scored ones."""

import dataclasses

import jax
import jax.numpy as jnp

from ptm_jax.errors import ConfigError

NEVER = -1e30  # score of a token that must not be written


@dataclasses.dataclass(frozen=True)
class Sampling:
  """How the next token is chosen.

  Attributes:
    temperature: divides the scores; 0 takes the likeliest token.
    top_k: only so many of the likeliest tokens; 0 is no limit.
    top_p: only the fewest likeliest tokens of at least this chance together
      (Holtzman et al. 2020, arXiv:1904.09751, section 3.1); 1 is no limit.
    min_p: only tokens of at least this share of the likeliest one's chance
      (Nguyen et al. 2024, arXiv:2407.01082); 0 is no limit.
    repetition_penalty: scores above 0 of tokens that have occurred are divided
      by it, others multiplied (Keskar et al. 2019, arXiv:1909.05858, section
      4.1); 1 is none.
  """

  temperature: float = 1.0
  top_k: int = 0
  top_p: float = 1.0
  min_p: float = 0.0
  repetition_penalty: float = 1.0

  def validate(self):
    """Raises ConfigError if a number cannot work."""
    if self.temperature < 0 or self.top_k < 0:
      raise ConfigError(f'--temperature={self.temperature} --top_k={self.top_k}'
                        ': neither may be negative; 0 turns it off')
    if not 0 < self.top_p <= 1 or not 0 <= self.min_p <= 1:
      raise ConfigError(f'--top_p={self.top_p} must lie in (0, 1] and --min_p='
                        f'{self.min_p} in [0, 1]')
    if self.repetition_penalty <= 0:
      raise ConfigError(f'--repetition_penalty={self.repetition_penalty} must '
                        'be above 0; 1 is none')

  def choose(self, keys, scores, seen):
    """The next token of each row.

    Args:
      keys: one jax key per row.
      scores: float32 `[batch, vocab]`, logits.
      seen: bool `[batch, vocab]`, tokens that have occurred.

    Returns:
      int32 `[batch]`.
    """
    penalised = jnp.where(scores > 0, scores / self.repetition_penalty,
                          scores * self.repetition_penalty)
    scores = jnp.where(seen, penalised, scores)
    if not self.temperature:
      return jnp.argmax(scores, -1).astype(jnp.int32)
    scores = self._kept(scores / self.temperature)
    return jax.vmap(jax.random.categorical)(keys, scores).astype(jnp.int32)

  def _kept(self, scores):
    order = jnp.sort(scores, -1)[:, ::-1]
    chances = jax.nn.softmax(order, -1)
    if self.top_k:
      scores = jnp.where(scores < order[:, min(
          self.top_k, scores.shape[1]) - 1][:, None], NEVER, scores)
    if self.top_p < 1:
      # The last token whose predecessors have less than this chance.
      last = jnp.sum(jnp.cumsum(chances, -1) - chances < self.top_p, -1) - 1
      scores = jnp.where(scores < jnp.take_along_axis(
          order, last[:, None], 1), NEVER, scores)
    if self.min_p:
      scores = jnp.where(
          jax.nn.softmax(scores, -1) < self.min_p * chances[:, :1], NEVER,
          scores)
    return scores
