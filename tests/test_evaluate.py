"""Scores on held-out windows, against their formulas."""

import math
import types

import numpy as np
import pytest

from ptm_jax import evaluate, losses


def test_entropy_by_hand():
  assert losses.entropy(np.array([1, 1])) == pytest.approx(math.log(2))
  assert losses.entropy(np.array([0, 7, 0])) == 0
  assert losses.entropy(np.array([2.0, 0, 1, 1])) == pytest.approx(
      1.5 * math.log(2))


def test_entropy_is_the_loss_of_the_best_constant_predictor():
  counts = np.array([5, 1, 0, 3])
  targets = np.repeat(np.arange(4), counts)
  def loss(predicted):
    return np.mean(-np.log(predicted[targets]))
  best = losses.entropy(counts)
  assert best == pytest.approx(loss(counts / counts.sum()))
  draw = np.random.default_rng(0)
  for _ in range(20):
    assert best < loss(draw.dirichlet(np.ones(4)))


def test_ratio_error_of_equal_weights_is_that_of_a_mean():
  totals = np.array([1.0, 4.0, 2.0, 7.0])
  assert evaluate.ratio_error(totals, np.ones(4)) == pytest.approx(
      totals.std(ddof=1) / 2)


def test_ratio_error_by_hand():
  # Ratio 10/5 = 2; residuals 3 - 2 and 7 - 8; sqrt(2/1 * (1 + 1)) / 5.
  assert evaluate.ratio_error(
      np.array([3.0, 7.0]), np.array([1.0, 4.0])) == pytest.approx(2 / 5)


def test_ratio_error_passes_over_windows_without_predictions():
  totals, weights = np.array([3.0, 7.0, 4.0]), np.array([1.0, 4.0, 2.0])
  assert evaluate.ratio_error(
      np.array([3.0, 0, 7.0, 4.0, 0]), np.array([1.0, 0, 4.0, 2.0, 0])
  ) == pytest.approx(evaluate.ratio_error(totals, weights))


def test_ratio_error_of_one_window_is_unknown():
  assert math.isnan(evaluate.ratio_error(np.array([2.0, 0]), np.array([3., 0])))


def test_ratio_error_is_the_spread_of_the_ratio():
  draw = np.random.default_rng(1)
  weights = draw.integers(5, 15, (2000, 400)).astype(float)
  totals = 2 * weights + draw.normal(size=weights.shape) * 3
  ratios = totals.sum(1) / weights.sum(1)
  errors = [evaluate.ratio_error(*row) for row in zip(totals, weights)]
  assert np.mean(errors) == pytest.approx(ratios.std(), rel=0.1)


STATE = {'params': None, 'hparams': None}


class Program:
  """Stands for a compiled program of two trials: a batch is its result."""

  def evaluate(self, state, batch):
    assert state == STATE
    return batch

  def put_evaluation(self, batch):
    return batch

  def split(self, result):
    return result


def sums(total, weight, correct, targets):
  return {'lm': {'sum': np.array(total), 'weight': np.array(weight),
                 'correct': np.array(correct), 'targets': np.array(targets)}}


def test_batches_are_joined_before_anything_is_divided():
  batches = [
      [sums([2.0, 4.0], [1.0, 2.0], [1, 0], [1, 2]), sums([0.], [1.], [1],
                                                          [1, 0])],
      [sums([9.0, 0.0], [3.0, 0.0], [2, 0], [3, 0]), sums([8.], [3.], [0],
                                                          [0, 3])]]
  one, other = evaluate.evaluate(
      Program(), STATE, batches, types.SimpleNamespace(
      likelihood='lm', constant=lambda _, counts: losses.entropy(counts)),
      types.SimpleNamespace(piece_bytes=np.array([2, 5])))
  assert one == pytest.approx({
      'lm/nll': 15 / 6,
      'lm/nll_se': evaluate.ratio_error(np.array([2.0, 4.0, 9.0]),
                                        np.array([1.0, 2.0, 3.0])),
      'lm/constant_nll': losses.entropy(np.array([4, 2])),
      'lm/accuracy': 3 / 6, 'lm/weight': 6,
      'bits_per_byte': 15 / math.log(2) / (4 * 2 + 2 * 5)})
  assert other['lm/nll'] == 2 and other['lm/accuracy'] == 0.25


def test_only_a_likelihood_has_bits_per_byte_and_no_weight_no_score():
  batches = [[sums([2.0], [1.0], [1], [1, 0])]]
  scores, = evaluate.evaluate(
      Program(), STATE, batches, types.SimpleNamespace(
      likelihood=None, constant=lambda _, counts: losses.entropy(counts)),
      types.SimpleNamespace(piece_bytes=np.array([2, 5])))
  assert 'bits_per_byte' not in scores and scores['lm/nll'] == 2
  scores, = evaluate.evaluate(
      Program(), STATE, [[sums([0.0], [0.0], [0], [0, 0])]],
      types.SimpleNamespace(
      likelihood='lm', constant=lambda _, counts: losses.entropy(counts)),
      types.SimpleNamespace(piece_bytes=np.array([2, 5])))
  assert scores == {}
