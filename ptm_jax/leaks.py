"""Two proofs that nothing a prediction must not see reaches it.

The first differentiates: the score of a prediction must not change with the
embedding of any position that the objective does not declare visible, to
exactly zero. The second changes the data: with the noise fixed, another token
in a place that is scored must move no input that this prediction sees, save
what the objective declares exempt. Both are exact on a small model of the
objective's own kind, and hold for any size of it.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import meta

from ptm_jax import losses
from ptm_jax.data.flags import DOCUMENT_START, SENTENCE_START, WORD_START
from ptm_jax.data.vocabulary import Vocabulary
from ptm_jax.models import memory
from ptm_jax.rng import example_keys

# What a stack reads of a corrupted batch, behind the stack's prefix.
_FIELDS = ('inputs', 'positions', 'block_positions', 'segment_ids',
           'token_types')
# Documents in a window and tokens of padding that a proof goes through.
_PACKINGS = ((1, 0), (3, 0), (1, 3), (2, 2))


@dataclasses.dataclass
class Verdict:
  """What a proof found of one term.

  Attributes:
    proof: 'derivative' or 'data'.
    term: of the loss.
    checked: predictions (derivative) or changed targets (data) looked at.
    leaks: where something leaks, a few words each; empty if the proof holds.
    blind: fraction of what may be seen that has no influence at all.
  """

  proof: str
  term: str
  checked: int
  leaks: list
  blind: float = 0.0


class Prover:
  """Proves one bound objective; its programs are compiled once.

  Args:
    objective: bound to a small model, no dropout.
    seed: of the parameters, which are large so that every path shows.

  Attributes:
    corrupt: raw windows -> a corrupted batch, with fixed noise.
  """

  def __init__(self, objective, seed=0):
    self.objective = objective
    self.params = _large(objective, seed)
    self._derivatives = jax.jit(self._differentiate)
    self._scored = jax.jit(self._targets)
    self.corrupt = jax.jit(self._corrupt)

  def _corrupt(self, windows):
    """A batch of raw windows, corrupted with fixed noise."""
    keys = example_keys(jax.random.key(0), windows['index'], windows['epoch'])
    return jax.vmap(self.objective.corrupt)(keys, windows)

  def derivative(self, batch):
    """The first proof on a corrupted batch: a `Verdict` for each term."""
    found, weights = jax.tree.map(
        np.asarray, self._derivatives(self.params, batch))
    verdicts = []
    for term, stacks in self.objective.visibility(batch).items():
      scored = (weights[term] > 0)[..., None]
      verdict = Verdict('derivative', term, int(scored.sum()), [])
      seen = blind = 0
      for stack, derivative in found[term].items():
        allowed = np.zeros(derivative.shape, bool)
        if stack in stacks:
          allowed |= np.asarray(stacks[stack])
        for row, prediction, place in np.argwhere(
            (derivative != 0) & ~allowed & scored)[:3]:
          verdict.leaks.append(f'{stack}[{place}] reaches prediction '
                               f'{prediction} of example {row}')
        seen += np.sum(allowed & scored)
        blind += np.sum(allowed & scored & (derivative == 0))
      verdict.blind = float(blind / max(seen, 1))
      verdicts.append(verdict)
    return verdicts

  def data(self, windows):
    """The second proof on raw windows: a `Verdict` for each term whose
    targets are in the data; none for one that the objective exempts."""
    rows, length = windows['tokens'].shape
    repeated = {name: np.repeat(value, length, 0)
                for name, value in windows.items()}
    place = np.tile(np.arange(length), rows)
    copies = np.arange(rows * length)
    # Every row once for each place, with that place's token changed, in the
    # text or in its translation; the example's number, and so its noise, stays.
    before = self.corrupt(repeated)
    found = {}
    for side in ('', 'partner_') if self.objective.partner == 'aligned' else (
        '',):
      after = self.corrupt(dict(repeated, **{f'{side}tokens': self._changed(
          repeated[f'{side}tokens'], copies, place)}))
      real = repeated[f'{side}segment_ids'][copies, place] > 0
      for one in self._shown(before, after, real, place, length):
        if one.term in found:
          one.checked += found[one.term].checked
          one.leaks = found[one.term].leaks + one.leaks
        found[one.term] = one
    return list(found.values())

  def _changed(self, tokens, copies, place):
    """Each copy with another token in its place."""
    vocabulary = self.objective.vocabulary
    first, size = vocabulary.text_start, (
        vocabulary.text_end - vocabulary.text_start)
    tokens = tokens.copy()
    tokens[copies, place] = (tokens[copies, place] - first + 1) % size + first
    return tokens

  def _shown(self, before, after, real, place, length):
    """A `Verdict` for each term: what shows a target that was changed."""
    old, weights = jax.tree.map(np.asarray, self._scored(self.params, before))
    new, _ = jax.tree.map(np.asarray, self._scored(self.params, after))
    visibility = self.objective.visibility(before)
    exempt = self.objective.exempt(before)
    verdicts = []
    for term in visibility:
      allowed = exempt.get(term, {})
      if allowed is None:
        continue
      # Predictions of each copy whose target is the token that was changed.
      moved = (old[term] != new[term]) & (weights[term] > 0) & real[:, None]
      verdict = Verdict('data', term, int(moved.sum()), [])
      for stack, seen in visibility[term].items():
        different = _differences(before, after, stack.removesuffix('inputs'))
        different &= ~np.asarray(allowed.get(stack, False))
        leaks = moved[..., None] & np.asarray(seen) & different[:, None]
        for copy, prediction, input_ in np.argwhere(leaks)[:3]:
          verdict.leaks.append(
              f'token {place[copy]} of example {copy // length} is the target '
              f'of prediction {prediction} and shows in {stack}[{input_}]')
      verdicts.append(verdict)
    return verdicts

  def _targets(self, params, batch):
    # Only what is returned is computed: no network runs.
    terms = self.objective.loss(None, params, batch)
    return ({name: term.targets for name, term in terms.items()},
            {name: term.factors for name, term in terms.items()})

  def _differentiate(self, params, batch):
    """The largest derivative of each prediction with respect to each place's
    embedding, `{term: {stack: [batch, predictions, length]}}`, and weights.
    """
    table = params['trunk']['token_embedding']['embedding']
    width = table.shape[1]
    offsets = {
        stack: jnp.zeros((seen.shape[0], seen.shape[-1], width))
        for stacks in self.objective.visibility(batch).values()
        for stack, seen in stacks.items()}

    def nll(offsets):
      moved = dict(batch, **{f'{stack.removesuffix("inputs")}offset': value
                             for stack, value in offsets.items()})
      with losses.plain(), memory.with_gradient():
        terms = self.objective.loss(None, params, moved)
      return ({name: term.nll for name, term in terms.items()},
              {name: term.factors for name, term in terms.items()})

    values, pullback, weights = jax.vjp(nll, offsets, has_aux=True)
    result = {}
    for term, value in values.items():
      # One prediction at a time, of all examples at once: they are
      # independent.
      def pull(one, term=term):
        return pullback({name: one if name == term else jnp.zeros_like(other)
                         for name, other in values.items()})[0]
      ones = jnp.broadcast_to(jnp.eye(value.shape[1])[:, None, :],
                              (value.shape[1],) + value.shape)
      result[term] = {stack: jnp.abs(grad).max(-1).swapaxes(0, 1)
                      for stack, grad in jax.lax.map(pull, ones).items()}
    return result, weights


def _large(objective, seed):
  """Random parameters of order 1, around 1 for a norm's scales. They are
  numpy's: the program that initialises takes longer to compile than a proof.
  """
  shapes = meta.unbox(jax.eval_shape(objective.init, jax.random.key(seed)))
  rng = np.random.default_rng(seed)
  def draw(path, leaf):
    centre = float(getattr(path[-1], 'key', None) == 'scale')
    return jnp.asarray(centre + 0.4 * rng.standard_normal(leaf.shape),
                       leaf.dtype)
  return jax.tree_util.tree_map_with_path(draw, shapes)


def _differences(before, after, prefix):
  """Where a stack's inputs differ, bool `[batch, stack length]`."""
  different = False
  for field in _FIELDS:
    if prefix + field in before:
      different |= (np.asarray(before[prefix + field])
                    != np.asarray(after[prefix + field]))
  return different


def random_windows(vocabulary, count, length, segments=1, padding=0, seed=0,
                   fields=(), partner=None):
  """Raw windows of random text: `segments` documents each, padded at the end,
  with words of about 2 tokens and sentences of about 4; `fields` are planes
  of annotators; with a `partner`, its fields as well.

  Returns:
    dict of `[count, length]` and `[count]` arrays, as `Windows` gives them.
  """
  rng = np.random.default_rng(seed)
  rows = {name: [] for name in ('tokens', 'segment_ids', 'positions', 'flags')}
  for _ in range(count):
    real = length - padding
    starts = np.sort(rng.choice(np.arange(1, real), segments - 1,
                                replace=False))
    starts = np.concatenate([[0], starts]).astype(int)
    segment = np.searchsorted(starts, np.arange(real), 'right')
    first = np.isin(np.arange(real), starts)
    sentence = first | (rng.random(real) < 0.25)
    word = sentence | (rng.random(real) < 0.5)
    flags = (word * WORD_START | sentence * SENTENCE_START
             | first * DOCUMENT_START)
    for name, values in (
        ('tokens', rng.integers(vocabulary.text_start, vocabulary.text_end,
                                real)),
        ('segment_ids', segment), ('flags', flags),
        ('positions', np.arange(real) - starts[segment - 1])):
      rows[name].append(np.pad(values, (0, padding)))
  return {
      **{name: np.stack(values).astype(
          np.uint8 if name == 'flags' else np.int32)
         for name, values in rows.items()},
      **{field: rng.integers(0, 3, (count, length)).astype(np.uint8)
         for field in fields},
      **(_partner_fields(vocabulary, count, length, seed, fields)
         if partner else {}),
      'index': np.arange(count, dtype=np.int32),
      'epoch': np.zeros(count, np.int32)}


def _partner_fields(vocabulary, count, length, seed, fields):
  windows = random_windows(vocabulary, count, length, seed=seed + 1,
                           fields=fields)
  return {f'partner_{name}': windows[name]
          for name in ('tokens', 'segment_ids', 'flags', *fields)}


def num_windows(objective, fewest=3):
  """So many that every objective that an example may be drawn is drawn."""
  return fewest if objective.kinds == 1 else 4 * objective.kinds


def prove(objective, model, length=24, letters=40):
  """Both proofs for an objective on small windows of all packings.

  Args:
    objective: a component, as an experiment has it.
    model: `config.Model`; its kind is kept, its size is not.
    length: raw tokens in a window; as many more as it takes to fit.
    letters: ids of text in the vocabulary.

  Returns:
    A `Verdict` for each proof and term, over all packings.

  Raises:
    ConfigError: the objective cannot be bound to so short a window.
  """
  small = dataclasses.replace(
      model, depth=4 if model.num_experts else 2, width=16, num_heads=2,
      num_experts=min(model.num_experts, 4), num_kv_heads=None, mlp_dim=None,
      embedding_width=None, max_length=512, dropout=0.0, attention_dropout=0.0,
      dtype='float32', param_dtype='float32', remat=False, scan_layers=False)
  vocabulary = Vocabulary(7 + letters + 100)
  length = objective.fitting(length)
  prover = Prover(objective.bind(small, vocabulary, length))
  found = {}
  for segments, padding in _PACKINGS:
    windows = random_windows(
        vocabulary, num_windows(objective) * objective.group_size, length,
        segments, padding,
        fields=objective.raw_fields(), partner=objective.partner)
    for one in (*prover.derivative(prover.corrupt(windows)),
                *prover.data(windows)):
      if (one.proof, one.term) in found:
        before = found[one.proof, one.term]
        one.checked += before.checked
        one.leaks = before.leaks + one.leaks
        one.blind = max(before.blind, one.blind)
      found[one.proof, one.term] = one
  return list(found.values())
