"""Deshuffling: its vector, packed documents, all orders alike."""

import collections

import jax
import jax.numpy as jnp
import numpy as np

from tests.objectives.cases import bound
from tests.objectives.words import random_windows, show, window

FIELDS = {}
LEARNS = {'seq2seq': 2.9}


def rebuild(one):
  return one['targets'][one['weights'] > 0][:-1]


def test_vector(monkeypatch):
  # Sorting by these numbers gives d a h c f b e g.
  draws = jnp.asarray([1., 5., 3., 0., 6., 4., 7., 2.])
  monkeypatch.setattr(jax.random, 'uniform', lambda *_: draws)
  objective = bound('deshuffling', length=8)
  one = objective.corrupt(jax.random.key(0), window('a b c d e f g h'))
  assert show(one['encoder_inputs']) == 'd a h c f b e g </s>'
  assert show(one['targets']) == 'a b c d e f g h </s>'
  assert show(one['decoder_inputs']) == '<s> a b c d e f g h'
  assert one['weights'].tolist() == [1] * 9


def test_documents_keep_their_own_tokens():
  objective = bound('deshuffling')
  windows = random_windows(8, 12, 3, 2)
  keys = jax.random.split(jax.random.key(1), 8)
  batch = jax.vmap(objective.corrupt)(keys, windows)
  for row in range(8):
    segments = windows['segment_ids'][row]
    assert batch['encoder_segment_ids'][row][:12].tolist()[:10] == (
        segments.tolist()[:10])
    for segment in set(segments.tolist()) - {0}:
      assert sorted(batch['encoder_inputs'][row][:12][segments == segment]
                    ) == sorted(windows['tokens'][row][segments == segment])


def test_all_orders_are_equally_likely():
  objective = bound('deshuffling', length=3)
  one = jax.tree.map(jnp.asarray, window('a b c'))
  found = jax.vmap(lambda key: objective.corrupt(key, one)['encoder_inputs'])(
      jax.random.split(jax.random.key(0), 3000))
  counts = collections.Counter(map(tuple, np.asarray(found)[:, :3].tolist()))
  assert len(counts) == 6
  # Four standard deviations of 500 of 3000.
  assert all(abs(count - 500) < 82 for count in counts.values())
