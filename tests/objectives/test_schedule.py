"""Schedules: one objective, then another; what a phase leaves alone."""

import jax
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import budget, config
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import (autoregressive, masked, masked_next_token,
                                phases, replaced_token, span_corruption)
from ptm_jax.step import make_hparams, make_init, make_train_step
from tests.eager import eager
from tests.objectives import test_masked
from tests.objectives.cases import MODEL, bound, corrupt
from tests.objectives.words import VOCABULARY, random_windows

FIELDS = {'members': {'autoregressive': autoregressive.Objective(),
                      'masked': masked.Objective(rate=0.3)},
          'shares': {'masked': 3.0}}
LEARNS = {'masked_mlm': 3.6}


def rebuild(one):
  return test_masked.rebuild({
      key.removeprefix('masked/'): value for key, value in one.items()})


def test_phases_begin_where_the_shares_say():
  found = bound('schedule').phases()
  assert [phase.share for phase in found] == [0.25, 0.75]
  assert phases.starts(found, 8) == [0, 2]
  assert [int(phases.current(found, 8, step)) for step in range(8)] == [
      0, 0, 1, 1, 1, 1, 1, 1]
  # The heads differ, the trunk is one.
  assert [phase.networks for phase in found] == [
      ('trunk', 'head'), ('trunk', 'masked_head')]


def test_a_phase_is_the_member_alone_and_leaves_other_heads_as_they_are():
  optimizer = config.Optimizer(learning_rate=1e-2, schedule='constant',
                               warmup_steps=0, weight_decay=0.1)
  both = bound('schedule', shares={})
  alone = both.members['autoregressive']
  assert alone.model.form == 'decoder' and both.model.form == 'encoder'
  step = jax.jit(make_train_step(both, optimizer, 4))
  state = start = eager(make_init(both, optimizer, 4), jax.random.key(0),
                        make_hparams(both, optimizer))
  one = eager(make_init(alone, optimizer, 4), jax.random.key(0),
              make_hparams(alone, optimizer))
  one_step = jax.jit(make_train_step(alone, optimizer, 4))
  for number in range(4):
    windows = random_windows(8, 12, 2, seed=number)
    before, (state, measured) = state, step(state, windows)
    trained, left = (('head', 'masked_head') if number < 2 else
                     ('masked_head', 'head'))
    weights = measured['weights']
    assert (weights['autoregressive_lm'] > 0) == (number < 2)
    assert (weights['masked_mlm'] > 0) == (number >= 2)
    for tree in 'params', 'opt_state':
      changed = {
          jax.tree_util.keystr(path) for (path, old), new in zip(
              jax.tree_util.tree_leaves_with_path(before[tree]),
              jax.tree.leaves(state[tree]), strict=True)
          if not np.array_equal(old, new)}
      assert not any(f"['{left}']" in path for path in changed)
      assert any("['trunk']" in path for path in changed)
      assert any(f"['{trained}']" in path for path in changed) or (
          trained == 'head')  # tied, without bias: it has no parameters
    if number < 2:
      one, _ = one_step(one, windows)
      for ours, theirs in zip(
          jax.tree.leaves(state['params']['trunk']),
          jax.tree.leaves(one['params']['trunk']), strict=True):
        assert np.allclose(ours, theirs, atol=1e-6)
  assert not np.array_equal(
      start['params']['masked_head']['bias'],
      state['params']['masked_head']['bias'])


def test_the_same_head_is_shared():
  objective = bound('schedule', shares={}, members={
      'first': masked.Objective(rate=0.3),
      'second': masked.Objective(rate=0.5)})
  assert set(objective.networks()) == {'trunk', 'head'}
  params = meta.unbox(eager(objective.init, jax.random.key(0)))
  batch = corrupt(objective, random_windows(4, 12))
  terms = objective.loss(None, params, batch)
  assert float(terms['first_mlm'].weight) < float(terms['second_mlm'].weight)


def test_what_a_member_schedules_runs_over_its_own_phase():
  objective = bound('schedule', shares={}, members={
      'first': masked_next_token.Objective(),
      'second': masked_next_token.Objective()})
  found = objective.rebuilt(objective.numbers, 0.75).members
  assert float(found['first'].progress) == 1.0
  assert float(found['second'].progress) == 0.5


def test_flops_are_the_mean_of_the_phases():
  both = bound('schedule')
  first, second = (budget.training_flops(member, 4)
                   for member in both.members.values())
  assert first != second
  assert budget.training_flops(both, 4) == pytest.approx(
      0.25 * first + 0.75 * second)


@pytest.mark.parametrize('fields,found', [
    ({'members': {'a': masked.Objective()}}, 'at least two'),
    ({'members': {'a': masked.Objective(),
                  'b': find('objectives', 'schedule')()}},
     'members.b is trained in phases'),
    ({'shares': {'masked': 0.0}}, 'never trained'),
    ({'shares': {'x': 1.0}}, "names \\['x'\\]")])
def test_what_is_no_schedule_is_one_line(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'schedule')(**{**FIELDS, **fields}).validate()


def test_trunks_that_differ_are_refused():
  with pytest.raises(ConfigError, match='b has another trunk than a'):
    find('objectives', 'schedule')({
        'a': masked.Objective(), 'b': span_corruption.Objective(
            noise_density=0.4, mean_noise_span_length=2.0)}).bind(
                MODEL, VOCABULARY, 12)


def test_replaced_tokens_may_follow():
  objective = bound('schedule', shares={}, members={
      'masked': masked.Objective(rate=0.3),
      'electra': replaced_token.Objective(rate=0.3)})
  params = jax.eval_shape(objective.init, jax.random.key(0))
  assert {'trunk', 'head', 'generator', 'generator_head'} < set(params)
