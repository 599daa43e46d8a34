"""Word structural objective: its card's vector, groups and their orders."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import noise, units
from tests.objectives.cases import bound, corrupt
from tests.objectives.words import ids, random_windows, show

FIELDS = {'rate': 0.15, 'shuffle_rate': 0.2}
LEARNS = {'mlm': 3.8, 'order': 3.5}
GROUP = jnp.isin(jnp.arange(8), jnp.asarray([3, 4, 5]))


def rebuild(one):
  text = np.where(one['noise'] | one['shuffled'], one['targets'],
                  one['inputs'])
  return text[one['segment_ids'] > 0][1:-1]


def test_vector(monkeypatch):
  # Card 19: the trigram d e f is shown as e f d.
  draws = jnp.asarray([0, 0, 0, .9, .1, .5, 0, 0])
  monkeypatch.setattr(jax.random, 'uniform', lambda *arguments: draws)
  shown = noise.show_shuffled_groups(
      None, jnp.asarray(ids('a b c d e f g h')), GROUP, 3)
  assert show(shown) == 'a b c e f d g h'


def test_all_orders_are_equally_likely_and_groups_keep_apart():
  text = jnp.asarray(ids('a b c d e f g h'))
  both = jnp.arange(8) < 6  # two groups that touch
  shown = np.asarray(jax.jit(jax.vmap(
      lambda key: noise.show_shuffled_groups(key, text, both, 3)))(
          jax.random.split(jax.random.key(0), 6000)))
  for part in shown[:, :3], shown[:, 3:6]:
    counts = collections.Counter(map(tuple, part.tolist()))
    assert len(counts) == 6
    for count in counts.values():
      assert count == pytest.approx(1000, abs=115)  # 4 standard errors


def test_groups_are_whole_and_avoid_what_is_not_allowed():
  allowed = jnp.asarray([0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0], bool)
  segments = jnp.asarray([1] * 7 + [2] * 5)
  # Places 1-3 and 7-9 or 8-10: nothing else fits.
  chosen = np.asarray(jax.vmap(lambda key: units.groups(
      key, allowed, segments, 5, 3))(jax.random.split(jax.random.key(0), 20)))
  found = {tuple(np.flatnonzero(row).tolist()) for row in chosen}
  assert found == {(1, 2, 3, 7, 8, 9), (1, 2, 3, 8, 9, 10)}


def test_share_of_shuffled_tokens_and_no_mask_among_them():
  batch = corrupt(bound('word_structure', length=118, rate=0.15,
                        shuffle_rate=0.05), random_windows(30, 118))
  shuffled = np.asarray(batch['shuffled'])
  assert np.all(shuffled.sum(1) == 6), '5 % of 120 tokens, in 2 groups'
  assert not np.any(shuffled & np.asarray(batch['noise']))


@pytest.mark.parametrize('fields,found', [
    ({'shuffle_rate': 0.0}, '0.0'), ({'group_length': 1}, '1')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'word_structure')(**fields).validate()
