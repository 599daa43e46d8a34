"""The step: a golden per objective, learning, and a step that must not
happen. All cases of one objective share one compiled program.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax import budget, config
from ptm_jax.data.corpora import python_docs
from ptm_jax.data.vocabulary import Vocabulary
from ptm_jax.find import find, names
from ptm_jax.step import (_add, make_hparams, make_init, make_train_step,
                          read_clock)
from tests.eager import eager
from tests.objectives.cases import case
from tests.objectives.words import VOCABULARY, random_windows

GOLDENS = pathlib.Path(__file__).parent / 'goldens'
OBJECTIVES = names('objectives')
# Objectives with other fields than their defaults.
VARIANTS = {
    'permutation_memory': ('permutation', {'num_segments': 2}),
    # Its published spans are longer than these windows.
    'mixture_of_denoisers': ('mixture_of_denoisers', {
        'mean_lengths': (2.0, 16.0), 'densities': (0.25, 0.5)})}
_BUILT = {}


def build(name):
  """Objective, initial state and jitted step, made once per objective."""
  if name not in _BUILT:
    kind, fields = VARIANTS.get(name, (name, {}))
    objective = find('objectives', kind)(**fields).bind(
        config.Model(depth=2, width=32, num_heads=2, positions='rotary'),
        VOCABULARY, 16)
    optimizer = config.Optimizer(learning_rate=1e-2, schedule='constant',
                                 warmup_steps=5, weight_decay=0.0)
    init = make_init(objective, optimizer, 60)
    state = eager(init, jax.random.key(0), make_hparams(objective, optimizer))
    _BUILT[name] = (objective, state,
                    jax.jit(make_train_step(objective, optimizer, 60)))
  return _BUILT[name]


@pytest.mark.parametrize('name', sorted({*OBJECTIVES, *VARIANTS}))
def test_golden_step(name):
  """Renew with: python -m tests.test_step NAME"""
  found = golden(name)
  path = GOLDENS / f'{name}.json'
  assert path.exists(), f'it has none yet: python -m tests.test_step {name}'
  expected = json.loads(path.read_text())
  for key in expected.keys() | found.keys():
    assert found.get(key) == pytest.approx(expected.get(key), rel=1e-4), (
        f'{key} of the first update of {name} has changed. If the change to '
        'initialisation, random streams, corruption, model, loss or optimizer '
        'was meant, every earlier run of this objective is no longer '
        'reproducible: say so in BUILD_NOTES.md and renew with python -m '
        'tests.test_step. If it was not meant, it is a bug')


def golden(name):
  """Numbers of the first update on fixed windows."""
  _, state, step = build(name)
  state, measured = step(state, random_windows(8, 16, 2))
  return {
      'loss': float(measured['loss']),
      'grad_norm': float(measured['grad_norm']),
      'param_norm': float(measured['param_norm']),
      **{f'sum/{term}': float(value)
         for term, value in measured['sums'].items()},
      **{f'weight/{term}': float(value)
         for term, value in measured['weights'].items()}}


@pytest.mark.parametrize('name', [
    name for name in OBJECTIVES if case(name).LEARNS])
def test_one_batch_is_learnt(name):
  objective, state, step = build(name)
  windows = random_windows(8, 16)
  losses = []
  for epoch in range(60):
    # The same text under fresh noise, as in training.
    state, measured = step(state, dict(
        windows, epoch=np.full(8, epoch, np.int32)))
    losses.append({term: float(measured['sums'][term] / weight)
                   for term, weight in measured['weights'].items()})
  for term, limit in case(name).LEARNS.items():
    # A member of a mixture or a schedule is not in every batch.
    found = [one[term] for one in losses if np.isfinite(one[term])]
    last = np.mean(found[-10:])
    assert last < limit < found[0], f'{term} learnt only to {last}'


@pytest.mark.parametrize('name', OBJECTIVES)
def test_a_step_that_is_not_finite_changes_nothing_but_the_counts(name):
  _, state, step = build(name)
  bad = jax.tree.map(lambda x: x, state)
  bad['params']['trunk']['token_embedding']['embedding'] = state['params'][
      'trunk']['token_embedding']['embedding'].at[10, 0].set(jnp.nan)
  after, measured = step(bad, random_windows(8, 16))
  assert not measured['finite']
  for key in ('params', 'opt_state', 'hparams'):
    for old, new in zip(jax.tree.leaves(bad[key]), jax.tree.leaves(after[key]),
                        strict=True):
      assert np.array_equal(old, new, equal_nan=True)
  assert int(after['step']) == 1
  assert int(after['counts']['skipped']) == 1
  assert read_clock(after['counts']['tokens_seen']) == 0


@pytest.mark.parametrize('name', OBJECTIVES)
def test_clocks_count_tokens(name):
  objective, state, step = build(name)
  state, measured = step(state, random_windows(8, 16, padding=3))
  # A partner is read as well, and has no padding here.
  partners = 8 * 16 if objective.partner else 0
  assert read_clock(state['counts']['tokens_seen']) == 8 * 13 + partners
  assert read_clock(state['counts']['tokens_with_loss']) == int(
      max(measured['weights'].values()))  # GloVe's weights are fractions


def test_a_clock_counts_past_2_to_the_31():
  clock = jnp.zeros((2,), jnp.uint32)
  for _ in range(5):
    clock = _add(clock, jnp.int32(2**29 + 1))
  assert read_clock(clock) == 5 * (2**29 + 1)
  assert read_clock(np.asarray([5, 4], np.uint32)) == 2**32 + 5


def test_training_flops_agree_with_the_formula():
  """6 x parameters in matrix products x tokens, and attention's products."""
  width, length, batch, depth = 32, 16, 8, 2
  objective, _, _ = build('autoregressive')
  layer = 12 * width**2
  attention = 2 * length * width
  per_token = depth * (layer + attention) + VOCABULARY.size * width
  assert budget.training_flops(objective, batch) == (
      6 * per_token * batch * length)


def test_flops_count_the_generator_and_only_predicted_heads():
  # A vocabulary that weighs more than the trunk.
  cost = {name: budget.training_flops(find('objectives', name)().bind(
      config.Model(depth=2, width=16, num_heads=2), Vocabulary(2000), 16), 8)
          for name in ('autoregressive', 'masked', 'replaced_token')}
  # 3 predictions of 18 tokens instead of 16 of 16 pay for the vocabulary.
  assert cost['masked'] < 0.4 * cost['autoregressive']
  assert cost['replaced_token'] > 1.2 * cost['masked']


@pytest.mark.parametrize('clock,amount,steps', [
    ('tokens', 1280, 10), ('loss_tokens', 160, 10), ('steps', 0, 50)])
def test_budgets_become_steps(clock, amount, steps):
  objective, _, _ = build('masked')
  settings = config.Experiment(
      objective, python_docs.Corpus(),
      data=config.Data(raw_length=16, batch_size=8),
      budget=config.Budget(clock, amount))
  # 16 + 2 tokens, 15 % of them: 3 predictions, so 24 a batch.
  expected = 160 // 24 if clock == 'loss_tokens' else steps
  assert budget.settle(settings, objective).num_steps == expected


if __name__ == '__main__':
  for one in sys.argv[1:] or [*OBJECTIVES, *VARIANTS]:
    written = GOLDENS / f'{one}.json'
    written.write_text(json.dumps(golden(one), indent=1) + '\n')
    print(written)
