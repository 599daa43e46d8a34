"""SimCSE: its card's vector, two dropouts, equal texts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import sentence_contrastive
from tests.eager import eager
from tests.objectives.cases import bound, corrupt
from tests.objectives.test_token_document import rebuild  # noqa: F401
from tests.objectives.words import random_windows

FIELDS = {'group': 2}
LEARNS = {'contrast': 0.5}


def test_vector():
  # Card 36: cosines [[.9, .1], [.2, .8]] at temperature 1; the states' lengths
  # do not count.
  cosines = np.asarray([[.9, .1], [.2, .8]])
  states = np.concatenate([np.eye(2), np.zeros((2, 1))], 1)
  others = np.stack([
      [.9, .2, np.sqrt(1 - .85)], [.1, .8, np.sqrt(1 - .65)]])
  np.testing.assert_allclose(states @ others.T, cosines)
  term = sentence_contrastive.cosine_contrast(
      jnp.asarray(3 * states), jnp.asarray(2 * others),
      jnp.asarray([[1], [2]]), jnp.ones(2), 2, 1.0)
  np.testing.assert_allclose(term.nll[:, 0], [.371101, .437488], atol=1e-5)
  assert float(term.sum / term.weight) == pytest.approx(.404294, abs=1e-5)


def test_both_readings_have_their_own_dropout(monkeypatch):
  objective, seen = bound('sentence_contrastive'), []
  monkeypatch.setattr(
      sentence_contrastive, 'cosine_contrast',
      lambda states, others, *rest: seen.append((states, others)))
  params = {'trunk': eager(objective.trunk().init, jax.random.key(0),
                           *objective.networks()['trunk'][1])['params']}
  batch = corrupt(objective, random_windows(2, 12))
  objective.loss(jax.random.split(jax.random.key(1), 2), params, batch)
  objective.loss(None, params, batch)
  (one, two), (same, again) = seen
  assert not np.allclose(one, two, atol=1e-3)
  assert np.array_equal(same, again)


@pytest.mark.parametrize('fields,found', [
    ({'group': 1}, '1'), ({'temperature': 0.0}, '0.0'),
    ({'dropout': 0.0}, '0.0')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'sentence_contrastive')(**fields).validate()
