"""Masked next-token prediction: its card's vectors, the rate's schedule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import noise
from tests.objectives.cases import bound, corrupt
from tests.objectives.words import random_windows, show, window

FIELDS = {'final_rate': 0.3, 'causal_share': 0.5}
LEARNS = {'mntp': 3.8}
TEXT = window('a b c d e')


def rebuild(one):
  text = np.concatenate([[0], one['targets'][:-1]])
  shown = np.where(one['noise'], text, one['inputs'])
  return shown[one['segment_ids'] > 0][1:]


def scored(one, weights):
  return show(np.where(np.asarray(one[weights]) > 0, one['targets'], 0))


def test_vector_of_a_masked_row(monkeypatch):
  # Card 13: hide c, the third of five tokens.
  hidden = jnp.asarray([0, 0, 0, 1, 0, 0], bool)
  monkeypatch.setattr(noise, 'distinct_positions',
                      lambda *arguments: (hidden, jnp.asarray([3])))
  objective = bound('masked_next_token', length=5, rate=0.2, final_rate=0.2,
                    mask_share=1.0, random_share=0.0, causal_share=0.0)
  one = objective.corrupt(jax.random.key(0), TEXT)
  assert show(one['inputs']) == '<s> a b [M] d e'
  assert scored(one, 'weights') == '. . c . . .'
  assert one['predicted'].tolist() == [2]
  assert int(one['prefix_length']) == 6, 'all positions are seen'
  assert set(objective.coefficients()) == {'mntp'}


def test_vector_of_a_causal_row():
  objective = bound('masked_next_token', length=5, causal_share=0.999)
  one = objective.corrupt(jax.random.key(0), TEXT)
  assert show(one['inputs']) == '<s> a b c d e'
  assert scored(one, 'causal_weights') == 'a b c d e .'
  assert scored(one, 'weights') == '. . . . . .'
  assert int(one['prefix_length']) == 0


def test_a_second_document_begins_unpredicted():
  objective = bound('masked_next_token', length=6, causal_share=0.999)
  one = objective.corrupt(jax.random.key(0), window('a b c d e .',
                                                    '1 1 2 2 2 0'))
  assert show(one['inputs']) == '<s> a b c d e .'
  assert scored(one, 'causal_weights') == 'a b . d e . .'


@pytest.mark.parametrize('progress,expected', [(0, 30), (0.5, 23), (1, 15)])
def test_the_rate_falls_with_the_run(progress, expected):
  # Of 100 tokens, <s> counted: 30 at first, 22.5 half way, 15 at the end.
  objective = bound('masked_next_token', length=99, rate=0.3, final_rate=0.15)
  rebuilt = objective.rebuilt(objective.numbers, np.float32(progress))
  assert abs(int(rebuilt.count(100)) - expected) <= (progress == 0.5)
  assert int(objective.count(100)) == 15, 'evaluation has the final rate'


def test_share_of_causal_rows():
  objective = bound('masked_next_token', length=8, causal_share=1 / 16)
  batch = corrupt(objective, random_windows(1600, 8))
  share = np.mean(np.asarray(batch['prefix_length']) == 0)
  assert share == pytest.approx(1 / 16, abs=0.02)
  # The means are weighted by the shares, as in the released code.
  assert objective.coefficients() == {'mntp': 15 / 16, 'lm': 1 / 16}


@pytest.mark.parametrize('fields,found', [
    ({'final_rate': 0.0}, '0.0'), ({'causal_share': 1.0}, '1.0'),
    ({'unit': 'entity'}, 'entity')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'masked_next_token')(**fields).validate()
