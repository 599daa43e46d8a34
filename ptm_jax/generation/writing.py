"""Texts continued token by token, greedily or by drawing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.generation import decoding
from ptm_jax.generation.sampling import NEVER, Sampling
from ptm_jax.load import encode_windows
from ptm_jax.rng import stream

_AT_ONCE = 8  # tokens written before the host looks at them


class Writer:
  """Continues texts; of an encoder-decoder, writes what follows from them.

  Args:
    run: `load.Loaded`.
    sampling: `Sampling`.
    more: ids besides text and `</s>` that it may write.

  Attributes:
    decoder: `decoding.Decoder`.

  Raises:
    ConfigError: the run's objective does not write from left to right.
  """

  def __init__(self, run, sampling=Sampling(), more=()):
    self.decoder = decoding.Decoder(run)
    sampling.validate()
    self._run, self._sampling = run, sampling
    self._allowed = decoding.writable(
        run.objective.vocabulary, run.objective.writes_end, more)

  def write(self, prompts, max_tokens, seed=0, at_once=_AT_ONCE):
    """Yields int32 `[batch]`, the next token of each prompt, until all have
    ended or so many times; behind its `</s>` a text has padding.

    Args:
      prompts: list of strings; '' starts a document.
      max_tokens: to write.
      seed: of the draws; a prompt's own do not depend on the others.
      at_once: tokens that are written before the first of them is given.

    Raises:
      ConfigError: prompt and text need more positions than there are.
    """
    windows = encode_windows(self._run.tokenizer, prompts)
    yield from self.go_on(self.decoder.prompt(windows), max_tokens, seed,
                          at_once)

  def go_on(self, stack, max_tokens, seed=0, at_once=_AT_ONCE):
    """As `write`, behind a stack that `Decoder.prompt` describes."""
    run, (count, _) = self._run, stack['inputs'].shape
    self.decoder.check(stack, max_tokens)
    keys = jax.vmap(lambda one: stream(jax.random.key(seed), 'generate', one))(
        jnp.arange(count))
    state = self.decoder.read(run.params, stack, room=max_tokens)
    seen = jnp.zeros(state['scores'].shape, bool).at[
        jnp.arange(count)[:, None], stack['inputs']].set(True)
    going = state, seen, jnp.zeros((count,), bool)
    for number in range(0, max_tokens, at_once):
      steps = min(at_once, max_tokens - number)
      going, tokens = self._some(run.params, keys, going, number, steps)
      yield from np.asarray(tokens)
      if np.all(np.asarray(going[2])):
        return

  # What was written is handed on from call to call.
  @functools.partial(jax.jit, static_argnames=('self', 'steps'),
                     donate_argnames='going')
  def _some(self, params, keys, going, number, steps):
    """Writes `steps` tokens, int32 `[steps, batch]`."""
    vocabulary = self._run.objective.vocabulary
    eos_id, padding = vocabulary.eos_id, decoding.behind_the_end(vocabulary)

    def one(going, number):
      state, seen, ended = going
      token = self._sampling.choose(
          stream(keys, number),
          jnp.where(self._allowed[None], state['scores'], NEVER), seen)
      token = jnp.where(ended, padding, token)
      seen = seen.at[jnp.arange(token.shape[0]), token].set(True)
      return (self.decoder.next(params, state, token), seen,
              ended | (token == eos_id)), token

    return jax.lax.scan(one, going, number + jnp.arange(steps))
