"""Positions: the published formulas, by hand."""

import math

import jax
import numpy as np
import pytest

from ptm_jax.models import positions
from tests.models import reference
from tests.models.stacks import apply, model


def test_sinusoids_by_hand():
  found = jax.jit(lambda x: positions.sinusoids(x, 4))(np.array([[0, 1, 7]]))
  # Rates 1 and 10000 ** (-1 / 2), sines first.
  np.testing.assert_allclose(found, [[
      [0, 0, 1, 1],
      [math.sin(1), math.sin(0.01), math.cos(1), math.cos(0.01)],
      [math.sin(7), math.sin(0.07), math.cos(7), math.cos(0.07)]]], rtol=1e-5)


rotate = jax.jit(positions.rotate)


def test_rotation_by_hand():
  x = np.array([1.0, 10, 0, 0], np.float32).reshape(1, 1, 1, 4)
  found = rotate(x, np.array([[3]]))
  # Pairs (0, 2) and (1, 3), at rates 1 and 0.01.
  np.testing.assert_allclose(
      found[0, 0, 0], [math.cos(3), 10 * math.cos(0.03), math.sin(3),
                       10 * math.sin(0.03)], rtol=1e-5)
  np.testing.assert_array_equal(rotate(x, np.array([[0]])), x)


def test_rotated_products_depend_on_the_distance_only():
  rng = np.random.default_rng(0)
  query, key = rng.normal(size=(2, 1, 1, 1, 4)).astype(np.float32)
  def product(q, k):
    return float(np.sum(rotate(query, np.array([[q]]))
                        * rotate(key, np.array([[k]]))))
  assert product(3, 5) == pytest.approx(product(100, 102), rel=1e-3)
  assert product(3, 5) != pytest.approx(product(5, 3), rel=1e-2)
  assert product(3, 5) != pytest.approx(product(3, 6), rel=1e-2)


def test_rotation_keeps_the_dtype():
  x = jax.ShapeDtypeStruct((1, 2, 1, 4), 'bfloat16')
  at = jax.ShapeDtypeStruct((1, 2), np.int32)
  assert jax.eval_shape(positions.rotate, x, at).dtype == 'bfloat16'


@pytest.mark.parametrize('bidirectional,expected', [
    # Half of the 32 for each direction, of which 8 are exact.
    (True, {0: 0, -1: 1, -7: 7, 1: 17, 7: 23, -8: 8, -12: 9, 16: 26, -64: 14,
            -127: 15, -128: 15, -5000: 15, 128: 31, 5000: 31}),
    (False, {0: 0, 1: 0, 99: 0, -1: 1, -15: 15, -16: 16, -32: 21, -64: 26,
             -127: 31, -128: 31, -5000: 31})])
def test_buckets_by_hand(bidirectional, expected):
  found = positions.bucket(np.array(list(expected)), bidirectional)
  assert found.tolist() == list(expected.values())


@pytest.mark.parametrize('bidirectional', [True, False])
def test_buckets_follow_the_paper_everywhere(bidirectional):
  relative = np.arange(-200, 200)
  found = positions.bucket(relative, bidirectional)
  expected = np.array([reference.bucket(int(one), bidirectional)
                       for one in relative])
  # In single precision an edge may round to the bucket beside it.
  assert np.mean(found != expected) < 0.02
  assert np.abs(found - expected).max() <= 1
  assert found.dtype == np.int32 and 0 <= found.min() and found.max() == 31


def test_a_relative_bias_is_a_row_of_its_table_per_bucket():
  module = positions.RelativeBias(model(), bidirectional=True)
  at = np.array([[0, 1, 2], [5, 0, 1]], np.int32)
  table = np.arange(64, dtype=np.float32).reshape(32, 2)
  found = apply(module, {'embedding': table}, at, at)
  assert found.shape == (2, 2, 3, 3)
  # Buckets: itself 0, one to the left 1, one to the right 17.
  np.testing.assert_array_equal(found[0, 0], 2 * np.array(
      [[0, 17, 18], [1, 0, 17], [2, 1, 0]]))
  np.testing.assert_array_equal(found[0, 1], found[0, 0] + 1)
  np.testing.assert_array_equal(found[1, 0, 0], 2 * np.array([0, 5, 4]))


def test_alibi_by_hand():
  at = np.array([[0, 1, 3]], np.int32)
  found = jax.jit(positions.alibi, static_argnums=2)(at, at, 8)
  assert found.shape == (1, 8, 3, 3) and found.dtype == np.float32
  distance = np.array([[0, 1, 3], [1, 0, 2], [3, 2, 0]])
  # The slopes of 8 heads: 1/2, 1/4 ... 1/256.
  for head in range(8):
    np.testing.assert_allclose(found[0, head], -distance / 2.0 ** (head + 1))
