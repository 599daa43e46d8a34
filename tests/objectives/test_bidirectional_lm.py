"""Bidirectional LM: its card's vectors in both forms, what each tower reads."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.leaks import Prover
from ptm_jax.models.two_tower import turn
from tests.objectives.cases import MODEL, bound
from tests.objectives.words import random_windows, show, window

FIELDS = {}
LEARNS = {'forward': 2.5, 'backward': 2.5}


def rebuild(one):
  return one['forward_targets'][one['weights'] > 0]


def test_vector():
  one = bound('bidirectional_lm', length=4).corrupt(
      jax.random.key(0), window('a b c d'))
  assert show(one['forward_inputs']) == '<s> a b c'
  assert show(one['forward_targets']) == 'a b c d'
  assert show(one['backward_inputs']) == '</s> d c b'
  assert show(one['backward_targets']) == 'd c b a'
  assert one['weights'].tolist() == [1, 1, 1, 1]


def test_documents_start_anew_in_both_directions():
  one = bound('bidirectional_lm', length=6).corrupt(
      jax.random.key(0), window('a b c d e .', '1 1 2 2 2 0'))
  assert show(one['forward_inputs']) == '<s> a <s> c d .'
  assert show(one['backward_inputs']) == '</s> e d </s> b .'
  assert show(one['backward_targets']) == 'e d c b a .'
  assert one['backward_positions'].tolist() == [0, 1, 2, 0, 1, 0]


def test_cloze_sees_all_but_the_token():
  objective = bound('bidirectional_lm', length=4, cloze=True)
  batch = jax.tree.map(lambda x: x[None], objective.corrupt(
      jax.random.key(0), window('a b c d')))
  seen = {name: np.asarray(value[0, 2]) for name, value
          in objective.visibility(batch)['cloze'].items()}
  # c: the forward tower has read <s> a b, the backward one </s> d.
  assert show(batch['forward_inputs'][0][seen['forward_inputs']]) == '<s> a b'
  assert show(batch['backward_inputs'][0][seen['backward_inputs']]) == '</s> d'


def test_cloze_does_not_leak():
  shared = Prover(bound('bidirectional_lm', cloze=True))
  windows = random_windows(2, 12, 2, 2)
  (one,) = shared.derivative(shared.corrupt(windows))
  assert not one.leaks and one.checked and one.blind < 0.05, one
  (one,) = shared.data(windows)
  assert not one.leaks and one.checked


def test_turning_twice_changes_nothing():
  segments = jnp.asarray([[1, 1, 2, 0], [1, 1, 1, 1]])
  values = jnp.arange(8).reshape(2, 4)
  turned = turn(values, segments)
  assert turned.tolist() == [[2, 1, 0, 3], [7, 6, 5, 4]]
  assert np.array_equal(turn(turned, segments), values)


def test_features_are_both_towers_and_as_wide_as_the_model():
  objective = bound('bidirectional_lm', length=6)
  params = Prover(objective).params
  windows = random_windows(2, 6)
  read = jax.jit(objective.features)
  states, mask = read(params, windows)
  assert states.shape == (2, 8, 8) and mask.all()
  # Changing the last token moves forward states there alone, backward ones
  # everywhere up to it.
  other = dict(windows, tokens=np.where(np.arange(6) == 5, 9,
                                        windows['tokens']))
  moved = np.asarray(read(params, other)[0] != states)
  moved = np.any(moved.reshape(2, 8, 2, 4), -1)
  assert not moved[:, :6, 0].any() and moved[:, 6:, 0].all()
  assert moved[:, :7, 1].all() and not moved[:, 7, 1].any()
  depths, _ = jax.jit(objective.all_features)(params, windows)
  assert [one.shape for one in depths] == [(2, 8, 8)] * 3
  np.testing.assert_allclose(depths[-1], states, atol=1e-5)


def test_an_odd_model_is_refused():
  with pytest.raises(ConfigError, match='num_heads=1 must be even'):
    bound('bidirectional_lm', model=dataclasses.replace(MODEL, num_heads=1))
