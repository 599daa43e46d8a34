"""Shuffled-token detection: its card's vector, all permutations."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.objectives import noise
from tests.objectives.cases import bound
from tests.objectives.test_masked import rebuild  # noqa: F401
from tests.objectives.words import ids, show, window

FIELDS = {'rate': 0.3}
LEARNS = {'detection': 0.5}
MOVED = jnp.isin(jnp.arange(8), jnp.asarray([1, 4, 6]))


def test_vector(monkeypatch):
  # Card 18: places 1, 4, 6 (b e g) receive g b e.
  scores = jnp.asarray([0, .5, 0, 0, .9, 0, .1, 0])
  monkeypatch.setattr(jax.random, 'uniform', lambda *arguments: scores)
  shown = noise.show_shuffled(
      None, jnp.asarray(ids('a b c d e f g h')), MOVED)
  assert show(shown) == 'a g c d b f e h'
  assert (shown != ids('a b c d e f g h')).astype(int).tolist() == [
      0, 1, 0, 0, 1, 0, 1, 0]


def test_equal_tokens_that_change_places_are_original():
  one = bound('shuffled_token', length=8, rate=0.5).corrupt(
      jax.random.key(0), window('a a a a a a a a'))
  assert np.sum(one['noise']) == 5 and not np.any(one['labels'])


def test_all_permutations_are_equally_likely():
  text = jnp.asarray(ids('a b c d e f g h'))
  shown = jax.jit(jax.vmap(lambda key: noise.show_shuffled(key, text, MOVED)))(
      jax.random.split(jax.random.key(0), 6000))
  counts = collections.Counter(map(tuple, np.asarray(shown).tolist()))
  assert len(counts) == 6
  for count in counts.values():
    assert count == pytest.approx(1000, abs=115)  # 4 standard errors
