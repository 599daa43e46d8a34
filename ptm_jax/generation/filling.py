"""What fills the blanks of a text: a token each, or as many as it takes."""

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.generation import beam, decoding
from ptm_jax.generation.sampling import NEVER, Sampling
from ptm_jax.load import encode_windows
from ptm_jax.objectives import base, masked, masked_diffusion
from ptm_jax.rng import stream


def writes(objective):
  """Whether it writes what fills a blank: see `objectives.blanks`."""
  return hasattr(objective, 'ask')


def infill(run, parts, max_tokens=32, search=beam.Search()):
  """Writes what a run puts between parts of a text, of any length.

  Args:
    run: `load.Loaded` of an objective that `writes`.
    parts: strings; there is a blank between any two neighbours.
    max_tokens: to write at once.
    search: `beam.Search`.

  Returns:
    A list of strings, one for each blank, and the whole text; None instead of
    the list where the run wrote another text than asked, without the parts.

  Raises:
    ConfigError: the objective fills no blanks, there is none, or the text has
      too many tokens.
  """
  _check(run.objective, parts, writes(run.objective))
  tokenizer, objective = run.tokenizer, run.objective
  ids = [tokenizer.encode(part).tolist() for part in parts]
  vocabulary, filled = objective.vocabulary, []
  ends = vocabulary.eos_id, decoding.behind_the_end(vocabulary)
  while len(filled) < len(parts) - 1:
    question = objective.ask(ids, filled)
    searcher = beam.Searcher(run, search, question.more)
    (written,), _ = searcher.search(
        _stack(run, searcher.decoder, question), max_tokens)
    written = [one for one in written.tolist()
               if one not in ends]
    answer = objective.answer(ids, written)
    if answer is None:
      return None, tokenizer.decode(written)
    filled += answer
  texts = [tokenizer.decode(blank) for blank in filled]
  return texts, ''.join(
      piece for pair in zip(parts, [*texts, '']) for piece in pair)


def _stack(run, decoder, question):
  """What is read of a `blanks.Question`."""
  windows = _windows(run, question.ids)
  if question.behind is None:
    return decoder.prompt(windows)
  stack = jax.vmap(run.objective.read)(windows)
  count = stack['inputs'].shape[1]
  behind = dict(question.behind,
                segment_ids=[1] * len(question.behind['inputs']))
  return {**{name: jnp.concatenate(
      [rows, jnp.asarray([behind[name]], jnp.int32)], 1)
             for name, rows in stack.items()},
          'prefix_length': jnp.full((1,), count, jnp.int32)}


def _windows(run, ids):
  """A raw window of one text, given as ids."""
  windows = encode_windows(run.tokenizer, [''], length=max(len(ids), 1))
  if len(ids):
    windows.update(tokens=np.asarray([ids], np.int32),
                   segment_ids=np.ones((1, len(ids)), np.int32),
                   positions=np.arange(len(ids), dtype=np.int32)[None])
  return windows


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
  tokens, scores = _hidden(run, parts)
  scores = np.array(scores(run.params, tokens), np.float64)
  chances = np.exp(scores - scores.max(-1, keepdims=True))
  chances /= chances.sum(-1, keepdims=True)
  return [[(run.tokenizer.decode([one]), float(row[one]))
           for one in np.argsort(-row)[:top].tolist()] for row in chances]


def unmask(run, parts, steps=None, sampling=Sampling(temperature=0.0), seed=0):
  """Fills blanks of a token each one after the other, each seeing those
  before it: of what would be put into them, the surest stays.

  For masked diffusion this is the way back from `[MASK]` to text, with the
  order of Chang et al. 2022, arXiv:2202.04200, section 3.2, and Nie et al.
  2025, arXiv:2502.09992, section 2.4, in place of a random one.

  Args:
    run, parts: as for `fill`.
    steps: between 1 and the number of blanks; None is one for each. In a step
      the same share of the blanks is filled.
    sampling: `Sampling`, of a token's choice.
    seed: of the draws.

  Returns:
    A list of strings, one for each blank.
  """
  sampling.validate()
  tokens, scores = _hidden(run, parts)
  places = np.flatnonzero(tokens == run.objective.vocabulary.mask_id)
  steps = min(steps or len(places), len(places))
  hidden, none = np.ones(len(places), bool), jnp.zeros((1, 1), bool)
  for step in range(steps):
    rows = scores(run.params, tokens)
    keys = stream(jax.random.split(jax.random.key(seed), len(places)), step)
    chosen = np.asarray(sampling.choose(keys, rows, none))
    sure = np.asarray(jax.nn.log_softmax(rows))[np.arange(len(places)), chosen]
    left = len(places) * (steps - 1 - step) // steps
    best = np.argsort(np.where(hidden, -sure, np.inf), kind='stable')
    now = best[:hidden.sum() - left]
    tokens[places[now]], hidden[now] = chosen[now], False
  return [run.tokenizer.decode([one]) for one in tokens[places].tolist()]


def _hidden(run, parts):
  """The text with a `[MASK]` in each blank, int32 `[n]`, and a function of
  parameters and such a text that gives its blanks' scores, `[blanks, vocab]`.
  """
  objective, vocabulary = run.objective, run.tokenizer.vocabulary
  heads = [one for one in (
      objective, *getattr(objective, 'members', {}).values())
           if isinstance(one, masked_diffusion.Objective)
           or isinstance(one, masked.Cloze) and hasattr(one, 'mask_share')]
  _check(objective, parts, heads and objective.model.form == 'encoder')
  mask_id = vocabulary.mask_id
  ids = [run.tokenizer.encode(part) for part in parts]
  tokens = np.concatenate([ids[0], *(
      piece for part in ids[1:] for piece in ([mask_id], part))]).astype(
          np.int32)
  places = 1 + np.flatnonzero(tokens == mask_id)  # behind [CLS]
  model, count = objective.model, len(tokens) + 2
  if model.learned_positions and count > model.max_length:
    raise ConfigError(f'the text with its blanks needs {count} positions, and '
                      f'the model has {model.max_length}')
  text = decoding.writable(vocabulary, False)

  @jax.jit
  def scores(params, tokens):
    windows = dict(_windows(run, [0] * tokens.shape[0]), tokens=tokens[None])
    states, _ = objective.features(params, windows)
    features, table, bias = base.apply_head(
        heads[0]._head(), params, states[:, places], objective.model)
    found = features[0] @ table.T
    found = found if bias is None else found + bias[None]
    return jnp.where(text[None], found.astype(jnp.float32), NEVER)

  return tokens, scores


def _check(objective, parts, fits):
  if not fits:
    raise ConfigError(
        f'{name_of(objective)[1]} fills no blanks: use a run of masked LM, '
        'masked_diffusion, fill_in_the_middle, blank_infilling, '
        'span_corruption or denoising, or `generate` for what comes next')
  if len(parts) < 2:
    raise ConfigError('the text has no blank to fill')
