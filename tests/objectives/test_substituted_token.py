"""Random token substitution: its card's vector, the base rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.objectives import noise
from tests.objectives.cases import bound, corrupt
from tests.objectives.test_masked import rebuild  # noqa: F401
from tests.objectives.words import VOCABULARY, ids, random_windows, window

FIELDS = {'rate': 0.3}
LEARNS = {'detection': 0.5}


@pytest.mark.parametrize('shown,labels', [
    ('z', [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ('c', [0] * 10)])
def test_vector(monkeypatch, shown, labels):
  # Card 17: the third token becomes z; one that becomes itself is original.
  monkeypatch.setattr(noise, 'distinct_positions', lambda *arguments: (
      jnp.arange(10) == 3, jnp.asarray([3])))
  monkeypatch.setattr(jax.random, 'randint', lambda *arguments: (
      jnp.full((10,), ids(shown)[0] - VOCABULARY.text_start)))
  one = bound('substituted_token', length=8, rate=0.1).corrupt(
      jax.random.key(0), window('a b c d e f g h'))
  assert one['labels'].tolist() == labels
  assert one['weights'].tolist() == [1] * 10


def test_all_noise_is_uniform_text():
  batch = corrupt(bound('substituted_token', length=100, rate=0.15),
                  random_windows(100, 100))
  inputs = np.asarray(batch['inputs'])[np.asarray(batch['noise'])]
  counts = np.bincount(inputs - VOCABULARY.text_start, minlength=26)
  assert counts.sum() == 1500 and len(counts) == 26
  expected = 1500 / 26
  chi_square = np.sum((counts - expected) ** 2 / expected)
  assert chi_square < 52.6  # 99.9 % quantile with 25 degrees of freedom
  # One in 26 shows the original and has label 0.
  assert np.sum(batch['labels']) == pytest.approx(1500 * 25 / 26, abs=30)


def test_a_replaced_original_shows_nowhere():
  objective = bound('substituted_token', length=12)
  windows = random_windows(5, 12)
  before = corrupt(objective, windows)
  noise_ = np.asarray(before['noise'])[:, 1:-1]
  other = np.where(noise_, windows['tokens'] % 20 + 10, windows['tokens'])
  after = corrupt(objective, dict(windows, tokens=other.astype(np.int32)))
  assert np.any(after['targets'] != before['targets'])
  assert np.array_equal(after['inputs'], before['inputs'])
