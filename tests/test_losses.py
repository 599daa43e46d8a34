"""Losses by hand, and the chunked cross entropy against the plain one."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax import losses

VOCAB, WIDTH = 11, 4
cross_entropy = jax.jit(losses.cross_entropy)
sample = jax.jit(losses.sample)


def draw(batch=3, n=5, seed=0, dtype=np.float32):
  """Features, table, bias, targets and weights, some of them 0."""
  rng = np.random.default_rng(seed)
  weights = rng.uniform(0, 2, (batch, n)) * (rng.random((batch, n)) < 0.7)
  return (rng.normal(size=(batch, n, WIDTH)).astype(dtype),
          rng.normal(size=(VOCAB, WIDTH)).astype(dtype),
          rng.normal(size=(VOCAB,)).astype(dtype),
          rng.integers(0, VOCAB, (batch, n)).astype(np.int32),
          weights.astype(np.float32))


def logits_as(*rows):
  """Features, table and bias whose logits are the logarithms of `rows`."""
  features = np.log(np.array([rows], np.float32))
  return features, np.eye(len(rows[0]), dtype=np.float32), None


def test_cross_entropy_by_hand():
  weights = np.array([[1.0, 0.5]], np.float32)
  term = cross_entropy(*logits_as([1, 1, 2], [6, 3, 1]), np.array([[2, 1]]),
                       weights)
  nll = [math.log(2), math.log(10 / 3)]
  np.testing.assert_allclose(term.nll, [nll], rtol=1e-6)
  assert float(term.sum) == pytest.approx(nll[0] + 0.5 * nll[1])
  assert term.weight == 1.5
  assert term.correct.tolist() == [[True, False]]
  assert term.targets.tolist() == [[2, 1]]
  assert term.weights.tolist() == [[1.0, 0.5]]


def test_the_gradient_by_hand():
  # weight * (probability - 1 at the target).
  def loss(bias):
    return losses.cross_entropy(
        jnp.zeros((1, 2, 2)), jnp.ones((4, 2)), bias, jnp.array([[0, 3]]),
        jnp.array([[1.0, 2.0]])).sum
  np.testing.assert_allclose(
      jax.jit(jax.grad(loss))(jnp.zeros(4)),
      np.array([0.25 - 1, 0.25, 0.25, 0.25]) + 2 * np.array(
          [0.25, 0.25, 0.25, 0.25 - 1]), rtol=1e-6)


@pytest.mark.parametrize('target,bias,expected', [
    (0, 200.0, 0.0), (1, 200.0, 200.0), (0, -300.0, 300.0)])
def test_large_logits_do_not_overflow(target, bias, expected):
  zeros = np.zeros((2, 2), np.float32)
  term = cross_entropy(zeros[None, :1], zeros,
                       np.array([bias, 0], np.float32),
                       np.array([[target]]), np.ones((1, 1), np.float32))
  assert float(term.sum) == pytest.approx(expected)


@pytest.mark.parametrize('rows_at_once,batch,n,has_bias', [
    (100, 3, 5, True),  # one chunk
    (5, 3, 5, True),    # three chunks
    (5, 3, 5, False),
    (4, 3, 5, True),    # four would not divide, five do
    (3, 1, 13, True),   # nothing near divides a prime: padded rows
])
def test_chunks_change_nothing(monkeypatch, rows_at_once, batch, n, has_bias):
  monkeypatch.setattr(losses, '_CHUNK', rows_at_once * VOCAB)
  features, table, bias, targets, weights = draw(batch, n)
  arrays = (features, table, bias) if has_bias else (features, table)

  @jax.jit
  def run(*arrays):
    def gradients(function):
      def loss(features, table, bias=None):
        term = function(features, table, bias, targets, weights)
        return 3 * term.sum, term  # a cotangent that is not 1
      return jax.value_and_grad(
          loss, argnums=tuple(range(len(arrays))), has_aux=True)(*arrays)
    # What is computed without a gradient is other code.
    alone = losses.cross_entropy(*(*arrays, None)[:3], targets, weights)
    return (alone, gradients(losses.cross_entropy),
            gradients(losses.plain_cross_entropy))

  alone, ((_, one), grads), ((_, other), plain_grads) = run(*arrays)
  assert len(grads) == len(arrays)
  for a, b in zip(jax.tree.leaves((one, alone, grads)),
                  jax.tree.leaves((other, other, plain_grads)), strict=True):
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_a_chunk_never_holds_more_logits_than_it_may(monkeypatch):
  monkeypatch.setattr(losses, '_CHUNK', 3 * VOCAB)
  sizes = []
  logits = losses._logits
  monkeypatch.setattr(losses, '_logits', lambda features, table, bias: (
      sizes.append(features.shape[0]) or logits(features, table, bias)))
  jax.eval_shape(losses.cross_entropy, *draw(3, 5))
  jax.eval_shape(losses.cross_entropy, *draw(1, 13))
  assert sizes and max(sizes) <= 3


def test_what_has_no_weight_has_no_gradient():
  features, table, bias, targets, weights = draw()
  grad = jax.jit(jax.grad(lambda x: losses.cross_entropy(
      x, table, bias, targets, weights).sum))(features)
  assert not weights.all()
  assert np.array_equal(np.any(np.asarray(grad) != 0, -1), weights > 0)
  nothing = cross_entropy(features, table, bias, targets, 0 * weights)
  assert nothing.sum == 0 and nothing.weight == 0


def test_targets_of_weight_0_are_ignored():
  features, table, bias, targets, weights = draw()
  other = np.where(weights > 0, targets, (targets + 1) % VOCAB)
  one = cross_entropy(features, table, bias, targets, weights)
  same = cross_entropy(features, table, bias, other, weights)
  assert one.sum == same.sum and one.weight == same.weight
  assert not np.array_equal(one.nll, same.nll)


def test_an_id_past_the_vocabulary_is_not_learnt_in_silence():
  features, table, bias, targets, weights = draw()
  targets[0, 0], weights[0, 0] = VOCAB, 1
  term = cross_entropy(features, table, bias, targets, weights)
  # Not finite, so that the step does not happen.
  assert np.isnan(term.sum)
  assert np.isnan(term.nll).sum() == 1


def test_sums_over_parts_are_the_sum_over_all():
  features, table, bias, targets, weights = draw()
  whole = cross_entropy(features, table, bias, targets, weights)
  total = weight = 0
  for part in np.eye(3, dtype=np.float32):  # one example at a time
    term = cross_entropy(features, table, bias, targets,
                         weights * part[:, None])
    total, weight = total + float(term.sum), weight + float(term.weight)
  assert total == pytest.approx(float(whole.sum), rel=1e-6)
  assert weight == pytest.approx(float(whole.weight), rel=1e-6)


def test_ties_with_the_target_count_as_correct():
  features, table, bias, targets, weights = draw()
  assert not cross_entropy(features, table, bias, targets,
                           weights).correct.all()
  assert cross_entropy(0 * features, table, 0 * bias, targets,
                       weights).correct.all()


def test_half_precision_sums_in_single():
  features, table, bias, targets, weights = draw(dtype=jnp.bfloat16)

  @jax.jit
  def run(features, table, bias):
    def loss(features, table, bias):
      return losses.cross_entropy(features, table, bias, targets, weights).sum
    exact = losses.plain_cross_entropy(
        *(x.astype(jnp.float32) for x in (features, table, bias)), targets,
        weights).sum
    return *jax.value_and_grad(loss, (0, 1, 2))(features, table, bias), exact

  total, grads, exact = run(features, table, bias)
  assert total.dtype == jnp.float32
  assert [grad.dtype for grad in grads] == [jnp.bfloat16] * 3
  # The products of rounded numbers are exact in single precision.
  assert float(total) == pytest.approx(float(exact), rel=1e-6)


binary_cross_entropy = jax.jit(losses.binary_cross_entropy)


def test_binary_cross_entropy_by_hand():
  logits = np.log(np.array([[3, 3, 1 / 3, 1]], np.float32))
  term = binary_cross_entropy(
      logits, np.array([[1, 0, 0, 1]]), np.array([[1, 1, 2, 0]], np.float32))
  nll = [math.log(4 / 3), math.log(4), math.log(4 / 3), math.log(2)]
  np.testing.assert_allclose(term.nll, [nll], rtol=1e-6)
  assert float(term.sum) == pytest.approx(nll[0] + nll[1] + 2 * nll[2])
  assert term.weight == 4
  assert term.correct.tolist() == [[True, False, True, False]]


def test_binary_cross_entropy_and_its_gradient_hold_at_extremes():
  logits = np.array([[500, -500, 500, 0]], np.float32)
  labels, ones = np.array([[1, 0, 0, 1]]), np.ones((1, 4), np.float32)
  term = binary_cross_entropy(logits, labels, ones)
  np.testing.assert_allclose(term.nll, [[0, 0, 500, math.log(2)]], rtol=1e-6)
  grad = jax.jit(jax.grad(lambda x: losses.binary_cross_entropy(
      x, labels, ones).sum))(logits)
  # sigmoid - label.
  np.testing.assert_allclose(grad, [[0, 0, 1, -0.5]], atol=1e-6)


def test_binary_cross_entropy_of_half_precision_is_single():
  term = binary_cross_entropy(np.ones((1, 4), jnp.bfloat16),
                              np.array([[1, 0, 0, 1]]), np.ones((1, 4)))
  assert term.nll.dtype == term.sum.dtype == jnp.float32


DRAWS = 20000


def frequencies(probabilities, temperature=1.0):
  """How often `sample` gives each id."""
  vocab = len(probabilities)
  with np.errstate(divide='ignore'):
    bias = np.log(np.asarray(probabilities, np.float32))
  # Two examples, since each has a key of its own.
  ids = sample(jax.random.split(jax.random.key(0)),
               np.ones((2, DRAWS // 2, 1), np.float32),
               np.zeros((vocab, 1), np.float32), bias, temperature)
  assert ids.shape == (2, DRAWS // 2) and ids.dtype == np.int32
  assert ids.min() >= 0 and ids.max() < vocab
  return np.bincount(np.asarray(ids).reshape(-1), minlength=vocab) / DRAWS


def assert_close(found, probabilities):
  """Within 5 standard errors of a binomial count."""
  probabilities = np.asarray(probabilities)
  error = np.sqrt(probabilities * (1 - probabilities) / DRAWS)
  assert np.all(np.abs(found - probabilities) <= 5 * error + 1e-9)


@pytest.mark.parametrize('temperature', [1.0, 0.5, 2.0])
def test_samples_follow_the_distribution(temperature):
  probabilities = np.array([0.5, 0.05, 0.0, 0.3, 0.15])
  expected = probabilities ** (1 / temperature)
  assert_close(frequencies(probabilities, temperature),
               expected / expected.sum())


def test_samples_follow_it_over_several_blocks_of_ids():
  probabilities = np.random.default_rng(3).dirichlet(np.ones(150))
  assert 2 * losses._BLOCK < 150
  found = frequencies(probabilities)
  assert_close(found, probabilities)
  # The blocks themselves, which is where a search in two goes wrong.
  for start in range(0, 150, losses._BLOCK):
    share = probabilities[start:start + losses._BLOCK].sum()
    assert_close(found[start:start + losses._BLOCK].sum(), share)


def test_a_sample_depends_on_its_own_key_and_row_only(monkeypatch):
  features, table, bias, _, _ = draw(3, 13)
  keys = jax.random.split(jax.random.key(1), 3)
  whole = np.asarray(sample(keys, features, table, bias, 1.0))
  alone = sample(keys[1:2], features[1:2], table, bias, 1.0)
  assert np.array_equal(whole[1], alone[0])
  swapped = sample(keys[::-1], features[::-1], table, bias, 1.0)
  assert np.array_equal(whole[::-1], swapped)
  assert not np.array_equal(whole, sample(keys[::-1], features, table, bias,
                                          1.0))
  monkeypatch.setattr(losses, '_CHUNK', 4 * VOCAB)
  parts = jax.jit(lambda *x: losses.sample(*x))(keys, features, table, bias,
                                                1.0)
  assert np.array_equal(whole, parts)


def test_the_end_of_the_distribution_is_an_id():
  # A uniform number next to 1 must not run past the last id.
  uniform = np.array([np.nextafter(np.float32(1), 0), 0], np.float32)
  ids = jax.jit(losses._invert)(np.ones((2, 70), np.float32), uniform)
  assert ids.tolist() == [69, 0]


def test_a_sum_whose_mean_is_over_other_weights():
  term = losses.binary_cross_entropy(
      jnp.zeros((1, 3)), jnp.zeros((1, 3), jnp.int32),
      jnp.asarray([[0., 2., 3.]]))
  assert term.factors.tolist() == [[0, 2, 3]]
  other = term.over(jnp.asarray([[1., 1., 1.]]))
  assert float(other.sum) == float(term.sum) == pytest.approx(5 * np.log(2))
  assert float(other.weight) == 3 and other.weights.tolist() == [[1, 1, 1]]
  assert other.factors.tolist() == [[0, 2, 3]]
