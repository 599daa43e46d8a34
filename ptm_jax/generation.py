"""Text from a trained run: what comes next, and what fills a blank.

Keys and values of what was read are kept, so that a further token costs one
row of every product and attention over what there is.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.load import encode_windows
from ptm_jax.objectives import autoregressive, base, masked
from ptm_jax.rng import stream

_NEVER = -1e30


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
          self.top_k, scores.shape[1]) - 1][:, None], _NEVER, scores)
    if self.top_p < 1:
      # The last token whose predecessors have less than this chance.
      last = jnp.sum(jnp.cumsum(chances, -1) - chances < self.top_p, -1) - 1
      scores = jnp.where(scores < jnp.take_along_axis(
          order, last[:, None], 1), _NEVER, scores)
    if self.min_p:
      scores = jnp.where(
          jax.nn.softmax(scores, -1) < self.min_p * chances[:, :1], _NEVER,
          scores)
    return scores


class Writer:
  """Continues texts with an autoregressive run.

  Args:
    run: `load.Loaded`.
    sampling: `Sampling`.

  Raises:
    ConfigError: the run's objective does not write from left to right.
  """

  def __init__(self, run, sampling=Sampling()):
    objective, model = run.objective, run.objective.model
    if (not isinstance(objective, autoregressive.Objective)
        or model.form not in ('decoder', 'prefix')):
      raise ConfigError(
          f'{name_of(objective)[1]} as {model.form} does not write from left to '
          'right: use a run of autoregressive, prefix_lm or '
          'fill_in_the_middle, or `fill` for a masked one')
    if (model.share_layers or model.enhanced_decoder or model.num_experts
        or model.positions in ('transformer_xl', 'disentangled')):
      raise ConfigError(
          'layers that share parameters or are run twice, or have experts or '
          'positions of Transformer-XL or DeBERTa, keep no cache, so they cannot '
          'write')
    sampling.validate()
    self._run, self._sampling = run, sampling
    # The cache is handed on from step to step.
    self._read = jax.jit(self._reading, static_argnames='length')
    self._next = jax.jit(self._writing, donate_argnames='cache')

  def write(self, prompts, max_tokens, seed=0):
    """Yields int32 `[batch]`, the next token of each prompt, so many times.

    Args:
      prompts: list of strings; '' starts a document.
      max_tokens: to write.
      seed: of the draws; a prompt's own do not depend on the others.

    Raises:
      ConfigError: prompt and text need more positions than there are.
    """
    run = self._run
    windows = encode_windows(run.tokenizer, prompts)
    stack = jax.vmap(run.objective.read)(windows)
    counts = jnp.sum(stack['segment_ids'] > 0, 1, dtype=jnp.int32)
    length = int(jnp.max(counts)) + max_tokens
    model = run.objective.model
    if model.learned_positions and length > model.max_length:
      raise ConfigError(
          f'{int(jnp.max(counts))} tokens of a prompt and {max_tokens} more '
          f'need {length} positions, and the model has {model.max_length}')
    keys = jax.vmap(lambda one: stream(jax.random.key(seed), 'generate', one))(
        jnp.arange(len(prompts)))
    scores, cache = self._read(run.params, stack, counts, length=max(
        length, stack['inputs'].shape[1]))
    seen = jnp.zeros(scores.shape, bool).at[
        jnp.arange(len(prompts))[:, None], stack['inputs']].set(True)
    for number in range(max_tokens):
      token, seen = self._choose(keys, scores, seen, number)
      yield np.asarray(token)
      if number + 1 < max_tokens:
        scores, cache = self._next(run.params, cache=cache, token=token,
                                   place=counts + number)

  @functools.partial(jax.jit, static_argnums=0)
  def _choose(self, keys, scores, seen, number):
    vocabulary = self._run.objective.vocabulary
    ids = jnp.arange(vocabulary.size)[None]
    text = (ids >= vocabulary.text_start) & (ids < vocabulary.text_end)
    token = self._sampling.choose(
        stream(keys, number), jnp.where(text, scores, _NEVER), seen)
    return token, seen.at[jnp.arange(token.shape[0]), token].set(True)

  def _scores(self, params, hidden):
    """Logits float32 `[batch, vocab]` of one row each."""
    objective = self._run.objective
    features, table, bias = base.apply_head(
        objective._head(), params, hidden[:, None], objective.model)
    scores = jnp.einsum('bnw,vw->bnv', features, table.astype(features.dtype),
                        preferred_element_type=jnp.float32)[:, 0]
    return scores if bias is None else scores + bias[None]

  def _apply(self, params, stack, cache):
    variables = {'params': params['trunk']}
    if cache is not None:
      variables['cache'] = cache
    hidden, changed = self._run.objective.trunk().apply(
        variables, stack, mutable=['cache'])
    return hidden, changed['cache']

  def _reading(self, params, stack, counts, length):
    """Scores behind each prompt, and the cache of `length` slots."""
    rows = stack['inputs'].shape
    stack = dict(
        stack, slots=jnp.broadcast_to(jnp.arange(rows[1])[None], rows),
        key_segment_ids=(jnp.arange(length)[None] < counts[:, None]).astype(
            jnp.int32))
    if self._run.objective.model.form == 'prefix':
      stack['prefix_length'] = counts
    hidden, cache = self._apply(params, stack, None)
    return self._scores(params, base.at(hidden, counts[:, None] - 1)[:, 0]
                        ), cache

  def _writing(self, params, cache, token, place):
    """Scores behind one more token of each row, at its place."""
    slots = jax.tree.leaves(cache)[0].shape[-3]  # [..., slots, heads, width]
    hidden, cache = self._apply(params, {
        'inputs': token[:, None], 'positions': place[:, None],
        'segment_ids': jnp.ones((token.shape[0], 1), jnp.int32),
        'slots': place[:, None],
        'key_segment_ids': (jnp.arange(slots)[None] <= place[:, None]).astype(
            jnp.int32)}, cache)
    return self._scores(params, hidden[:, 0]), cache


def fill(run, parts, top=5):
  """What a masked run puts between parts of a text, one token to each blank.

  Args:
    run: `load.Loaded` of an objective that recovers hidden tokens.
    parts: strings; there is a blank between any two neighbours.
    top: tokens to name.

  Returns:
    For each blank a list of `(text, chance)`, the likeliest first.

  Raises:
    ConfigError: the objective fills no blanks, or there is none.
  """
  objective = run.objective
  heads = [one for one in (
      objective, *getattr(objective, 'members', {}).values())
           if isinstance(one, masked.Cloze) and hasattr(one, 'mask_share')]
  if not heads or objective.model.form != 'encoder':
    raise ConfigError(f'{name_of(objective)[1]} fills no blanks: use a run of '
                      'masked LM, or `generate` for an autoregressive one')
  if len(parts) < 2:
    raise ConfigError('the text has no blank to fill')
  vocabulary = run.tokenizer.vocabulary
  ids = [run.tokenizer.encode(part) for part in parts]
  tokens = np.concatenate([ids[0], *(
      piece for part in ids[1:] for piece in ([vocabulary.mask_id], part))])
  windows = encode_windows(run.tokenizer, [''], length=len(tokens))
  windows.update(tokens=tokens[None].astype(np.int32),
                 segment_ids=np.ones((1, len(tokens)), np.int32),
                 positions=np.arange(len(tokens), dtype=np.int32)[None])
  states, _ = jax.jit(objective.features)(run.params, windows)
  blanks = 1 + np.flatnonzero(tokens == vocabulary.mask_id)  # behind [CLS]
  features, table, bias = base.apply_head(
      heads[0]._head(), run.params, states[:, blanks], objective.model)
  scores = np.array(features[0] @ table.T + (0 if bias is None else bias[None]),
                    np.float64)
  scores[:, :vocabulary.text_start] = scores[:, vocabulary.text_end:] = -np.inf
  chances = np.exp(scores - scores.max(-1, keepdims=True))
  chances /= chances.sum(-1, keepdims=True)
  return [[(run.tokenizer.decode([one]), float(row[one]))
           for one in np.argsort(-row)[:top].tolist()] for row in chances]
