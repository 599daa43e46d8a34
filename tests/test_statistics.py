"""Means over seeds, against scipy's t distribution."""

import math

import numpy as np
import pytest
from scipy import stats

from ptm_jax import statistics


@pytest.mark.parametrize('values', [
    [1.0, 2.0], [3.1, 2.9, 3.4], [-5.0, 0.0, 1e-3, 20.0],
    list(np.linspace(0, 1, 30)**2)], ids=len)
def test_the_interval_is_students(values):
  found = statistics.estimate(values)
  low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values),
                               stats.sem(values))
  assert found.mean == pytest.approx(np.mean(values))
  assert found.mean - found.half_width == pytest.approx(low)
  assert found.mean + found.half_width == pytest.approx(high)
  assert found.count == len(values)


def test_two_values_by_hand():
  # The 97.5 % quantile of t with one degree of freedom is tan(0.475 pi).
  found = statistics.estimate([4.0, 6.0])
  assert found.mean == 5
  assert found.half_width == pytest.approx(math.tan(0.475 * math.pi))


def test_one_value_has_no_interval():
  assert statistics.estimate([2.5]) == (2.5, None, 1)


def test_no_values_have_no_mean():
  with pytest.raises(ValueError, match='no values'):
    statistics.estimate([])


def test_any_iterable_will_do_and_equal_values_are_certain():
  found = statistics.estimate(value for value in (3, 3, 3))
  assert found == (3.0, 0.0, 3)


@pytest.mark.parametrize('values,above', [
    ([0.1], True), ([-0.1], False), ([0.0], False),
    # The half width of two values is 12.7 standard errors, of three 4.3.
    ([1.0, 1.1], True), ([1.0, 2.0], False), ([1.0, 1.6, 1.3], True),
    ([-1.0, -1.1], False), ([0.0, 0.0], False)])
def test_above_zero_means_by_more_than_the_interval(values, above):
  assert statistics.is_above(values) is above
