"""MPNet: its card's vector and shares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.objectives import noise, permutation, permuted_masked
from tests.objectives.cases import bound, corrupt
from tests.objectives.test_permutation import rebuild  # noqa: F401
from tests.objectives.words import random_windows, show, window

FIELDS = {'rate': 0.4}
LEARNS = {'plm': 3.23}


def test_vector(monkeypatch):
  # d, f, b are predicted in this order.
  hidden = jnp.asarray([0, 0, 1, 0, 1, 0, 1, 0], bool)
  monkeypatch.setattr(noise, 'distinct_positions', lambda *_: (hidden, None))
  monkeypatch.setattr(permutation, 'draw_ranks', lambda *_: jnp.asarray(
      [0, 0, 3, 0, 1, 0, 2, 0], jnp.int32))
  objective = bound('permuted_masked', length=6, mask_share=1.0,
                    random_share=0.0)
  one = objective.corrupt(jax.random.key(0), window('a b c d e f'))
  assert show(one['inputs']) == '[CLS] a b c d e f [SEP]' + 6 * ' [M]'
  assert one['positions'][8:].tolist() == [2, 4, 6] * 2
  assert show(one['targets']) == 'b d f'
  seen = np.asarray(objective.seen(
      jax.tree.map(lambda x: x[None], one))[0])
  def read(row):
    return (show(one['inputs'][:8][seen[row][:8]]),
            one['positions'][8:11][seen[row][8:]].tolist())
  context = '[CLS] a c e [SEP]'
  assert read(12) == ('[CLS] a c e [SEP]', [2, 4, 6])  # predicts d
  assert read(13) == ('[CLS] a c d e [SEP]', [2, 6])  # f
  assert read(11) == ('[CLS] a c d e f [SEP]', [2])  # b
  assert [read(row) for row in (1, 8, 9, 10)] == [(context, [2, 4, 6])] * 4
  assert read(4) == ('[CLS] a c d e [SEP]', [2, 6])  # d itself
  assert read(2) == ('[CLS] a b c d e f [SEP]', [])  # b, the last


def test_every_prediction_sees_every_place_once():
  objective = bound('permuted_masked')
  batch = corrupt(objective, random_windows(4, 12, 2, 3))
  seen = np.asarray(objective.seen(batch))[:, -6:]
  for row in range(4):
    places = np.concatenate([np.arange(14), batch['predicted'][row]])
    for query in np.flatnonzero(batch['weights'][row]):
      assert sorted(places[seen[row, query]]) == list(range(14))


def test_shares():
  batch = corrupt(bound('permuted_masked', length=62), random_windows(80, 62))
  scored = np.asarray(batch['weights'], bool)
  masks = np.asarray(batch['inputs'])[:, -scored.shape[1]:][scored]
  assert scored.sum() == 80 * 26  # round(.4 * 64)
  assert (masks == 4).mean() == pytest.approx(0.8, abs=0.03)
  assert np.asarray(batch['kept'])[scored].mean() == pytest.approx(
      0.1, abs=0.03)


def test_bad_shares_are_refused():
  with pytest.raises(ConfigError, match='mask_share=0.9'):
    permuted_masked.Objective(mask_share=0.9, random_share=0.2).validate()
