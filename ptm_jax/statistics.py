"""Means over seeds and how sure they are."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit


class Estimate(NamedTuple):
  """A mean over runs.

  Attributes:
    mean: of the values.
    half_width: of the 95 % t-interval; None where one value gives none.
    count: number of values.
  """

  mean: float
  half_width: float | None
  count: int


def estimate(values):
  """Mean and 95 % t-interval of independent values.

  Args:
    values: numbers, one per seed.

  Returns:
    `Estimate`.

  Raises:
    ValueError: there is no value.
  """
  values = np.asarray(list(values), np.float64)
  count = len(values)
  if not count:
    raise ValueError('no values to average')
  if count == 1:
    return Estimate(float(values[0]), None, 1)
  error = values.std(ddof=1) / math.sqrt(count)
  return Estimate(float(values.mean()),
                  float(stdtrit(count - 1, 0.975) * error), count)


def is_above(values):
  """Whether the mean of paired differences is above 0 by more than its 95 %
  interval; of a single one, whether it is above 0."""
  one = estimate(values)
  return one.mean > (one.half_width or 0.0)
