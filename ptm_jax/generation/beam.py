"""Beam search: the likeliest text, as far as a few candidates tell."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.errors import ConfigError
from ptm_jax.generation import decoding
from ptm_jax.generation.sampling import NEVER
from ptm_jax.load import encode_windows


@dataclasses.dataclass(frozen=True)
class Search:
  """How many candidates are kept and how they are compared.

  Attributes:
    width: candidates of each text. Those that end among the best `width` are
      set aside, and a text is done when there are as many of them; so a width
      of 1 is greedy writing.
    length_penalty: alpha of ((5 + tokens) / 6)**alpha, by which log-likelihoods
      are divided, `</s>` being one of the tokens; 0 compares them as they are
      (Wu et al. 2016, arXiv:1609.08144, section 7).
  """

  width: int = 4
  length_penalty: float = 0.6

  def validate(self):
    """Raises ConfigError if a number cannot work."""
    if self.width < 1:
      raise ConfigError(f'--beam={self.width}: at least 1 candidate is kept')
    if self.length_penalty < 0:
      raise ConfigError(f'--length_penalty={self.length_penalty} is negative; '
                        '0 turns it off')

  def penalty(self, tokens):
    """What a log-likelihood of so many tokens is divided by."""
    return ((5.0 + tokens) / 6.0) ** self.length_penalty


class Searcher:
  """Writes the best text that a beam finds.

  Args:
    run: `load.Loaded`.
    search: `Search`.
    more: ids besides text and `</s>` that it may write.

  Attributes:
    decoder: `decoding.Decoder`.

  Raises:
    ConfigError: the run's objective does not write from left to right.
  """

  def __init__(self, run, search=Search(), more=()):
    self.decoder = decoding.Decoder(run)
    search.validate()
    self._run, self._search = run, search
    self._allowed = decoding.writable(
        run.objective.vocabulary, run.objective.writes_end, more)

  def write(self, prompts, max_tokens, length=None):
    """The best continuation of each prompt.

    Args:
      prompts: list of strings.
      max_tokens: to write; a candidate that has not ended by then counts as
        it is.
      length: tokens that the prompts are padded to; None is the longest.

    Returns:
      int32 `[batch, max_tokens]`, padding behind `</s>`, and float32
      `[batch]`, the log-likelihoods divided by their penalties.

    Raises:
      ConfigError: prompt and text need more positions than there are.
    """
    windows = encode_windows(self._run.tokenizer, prompts, length)
    return self.search(self.decoder.prompt(windows), max_tokens)

  def search(self, stack, max_tokens, params=None):
    """As `write`, behind a stack that `Decoder.prompt` describes; with other
    parameters than the run's if some are given."""
    self.decoder.check(stack, max_tokens)
    return jax.tree.map(np.asarray, self._write(
        params or self._run.params, stack, max_tokens=max_tokens))

  @functools.partial(jax.jit, static_argnames=('self', 'max_tokens'))
  def _write(self, params, stack, max_tokens):
    width, (batch, _) = self._search.width, stack['inputs'].shape
    state = self.decoder.read(params, stack, room=max_tokens)
    state = decoding.take(state, jnp.repeat(jnp.arange(batch), width))
    texts = jnp.full((batch, width, max_tokens), decoding.behind_the_end(
        self._run.objective.vocabulary), jnp.int32)
    # All candidates are the same at first, and one of them goes on.
    live = jnp.where(jnp.arange(width)[None] > 0, NEVER,
                     jnp.zeros((batch, width)))
    none = jnp.full((batch, width), NEVER)
    number, state, texts, live, ended, ended_scores = jax.lax.while_loop(
        lambda beams: (beams[0] < max_tokens) & ~jnp.all(self._done(
            beams[0], beams[3], beams[5], max_tokens)),
        lambda beams: self._step(params, max_tokens, *beams),
        (jnp.int32(0), state, texts, live, texts, none))
    # What has not ended stands beside what has, unless the text was done.
    cut = jnp.where(jnp.all(ended_scores > NEVER, 1)[:, None], NEVER,
                    live / self._search.penalty(number))
    scores = jnp.concatenate([ended_scores, cut], 1)
    best = jnp.argmax(scores, 1)[:, None]
    found = jnp.concatenate([ended, texts], 1)
    return (jnp.take_along_axis(found, best[..., None], 1)[:, 0],
            jnp.take_along_axis(scores, best, 1)[:, 0])

  def _done(self, number, live, ended_scores, max_tokens):
    """bool `[batch]`: enough candidates have ended, or none that goes on can
    become better than the best of them."""
    del number
    hope = jnp.max(live, 1) / self._search.penalty(max_tokens)
    return jnp.all(ended_scores > NEVER, 1) | (
        jnp.max(ended_scores, 1) >= hope)

  def _step(self, params, max_tokens, number, state, texts, live, ended,
            ended_scores):
    """One more token of all candidates."""
    batch, width = live.shape
    vocab, eos_id = self._allowed.shape[0], (
        self._run.objective.vocabulary.eos_id)
    done = self._done(number, live, ended_scores, max_tokens)[:, None]
    logs = jax.nn.log_softmax(
        jnp.where(self._allowed[None], state['scores'], NEVER))
    logs = jnp.where(self._allowed[None], logs, NEVER)
    total = (live[..., None] + logs.reshape(batch, width, vocab)).reshape(
        batch, -1)
    # Of twice as many, at most half end: enough are left to go on.
    best, place = jax.lax.top_k(total, min(2 * width, total.shape[1]))
    parent, token = place // vocab, (place % vocab).astype(jnp.int32)
    candidates = jnp.take_along_axis(texts, parent[..., None], 1).at[
        :, :, number].set(token)
    ends = token == eos_id
    # Those that end among the best go to the others that have.
    closing = ends & (jnp.arange(best.shape[1])[None] < width) & ~done & (
        best > 0.5 * NEVER)
    ended_scores, order = jax.lax.top_k(jnp.concatenate([
        ended_scores, jnp.where(closing, best / self._search.penalty(
            number + 1.0), NEVER)], 1), width)
    ended = jnp.take_along_axis(jnp.concatenate([ended, candidates], 1),
                                order[..., None], 1)
    live, order = jax.lax.top_k(jnp.where(ends, NEVER, best), width)
    texts = jnp.take_along_axis(candidates, order[..., None], 1)
    token = jnp.take_along_axis(token, order, 1)
    rows = width * jnp.arange(batch)[:, None] + jnp.take_along_axis(
        parent, order, 1)
    state = self.decoder.next(
        params, decoding.take(state, rows.reshape(-1)), token.reshape(-1))
    return number + 1, state, texts, live, ended, ended_scores
