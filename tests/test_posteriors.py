"""A model's predictions beside the best ones."""

import itertools
import json

import jax
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import posteriors
from ptm_jax.objectives import autoregressive
from tests.eager import eager
from tests.sources.test_chain import joint
from tests.test_floors import (EXACT, LAW, MODEL, SYMBOLS, VOCABULARY, bind,
                               windows)

LENGTH = 3


@pytest.fixture(scope='module')
def case():
  """An untrained model on every text of a length, each equally often."""
  objective = bind('autoregressive', length=LENGTH)
  params = meta.unbox(eager(objective.init, jax.random.key(0)))
  texts = np.array(list(itertools.product(range(SYMBOLS), repeat=LENGTH)))
  raw = {name: np.asarray(value, np.int32)
         for name, value in windows(texts).items()}
  return objective, params, texts, raw


def test_the_mean_divergence_is_the_excess_over_the_floor(case):
  objective, params, texts, raw = case
  (term, found), = posteriors.compare(objective, params, raw, LAW).items()
  assert term == 'lm' and found['ideal'].shape == (27, LENGTH, SYMBOLS)
  chance = joint(LAW, LENGTH).ravel()
  own = np.take_along_axis(found['model'], texts[..., None], 2)[..., 0]
  best = np.take_along_axis(found['ideal'], texts[..., None], 2)[..., 0]
  excess = chance @ np.sum(np.log(best / own), 1)
  assert excess > 0.1
  assert chance @ found['divergence'].sum(1) == pytest.approx(excess, 1e-6)
  # Each text's chance by the model, and by the law, is the product.
  assert np.prod(best, 1) == pytest.approx(chance, abs=1e-12)
  assert np.all(found['model'].sum(-1) < 1)  # it has other tokens too


@pytest.mark.parametrize('name,terms', [
    ('bidirectional_lm', ['backward', 'forward']), ('permutation', ['plm']),
    ('fragment', ['seq2seq']), ('span_corruption', ['seq2seq'])])
def test_terms_of_other_objectives_are_asked_for_every_symbol(
    case, name, terms):
  *_, raw = case
  objective = bind(name, length=LENGTH, **EXACT.get(name, {}))
  params = meta.unbox(eager(objective.init, jax.random.key(0)))
  found = posteriors.compare(objective, params, raw, LAW)
  assert sorted(found) == terms
  for one in found.values():
    real = one['factors'] > 0
    assert np.all(one['divergence'][real] > 0)
    np.testing.assert_allclose(one['ideal'][real].sum(-1), 1, atol=1e-10)
    assert np.all(one['model'][real].sum(-1) < 1)


def test_a_term_whose_targets_are_made_within_the_loss_is_left_out(case):
  _, params, _, raw = case

  class Fixed(autoregressive.Objective):
    """It is scored on the first symbol, whatever the targets."""

    def score(self, params, hidden, batch):
      return super().score(params, hidden, dict(
          batch, targets=batch['targets'] * 0 + VOCABULARY.text_start))

  objective = Fixed().bind(MODEL, VOCABULARY, LENGTH)
  assert posteriors.compare(objective, params, raw, LAW) == {}


def test_what_the_report_reads(tmp_path):
  found = {'mlm': {'ideal': np.full((3, 3, 2), 0.5),
                   'model': np.full((3, 3, 2), 0.25),
                   'divergence': np.array([[7, 8, 9.0], [0.1, 9.0, 0.3],
                                           [0.3, 0.2, 9.0]]),
                   # The first window has no prediction.
                   'factors': np.array([[0, 0, 0], [1.0, 0, 1], [1, 1, 0]])}}
  assert posteriors.metrics(found) == {
      'floor/mlm/divergence': pytest.approx(0.9 / 4)}
  posteriors.write(found, tmp_path)
  written = json.loads((tmp_path / 'posterior.json').read_text())['mlm']
  assert written['divergence'] == [0.1, 0.3]
  assert written['mean_divergence'] == [0.2, 0.2, 0.3]
  assert written['ideal'] == [[0.5, 0.5]] * 2
