"""Masked LM: its vector, exact counts, bad fields."""

import dataclasses

import jax
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from tests.objectives.cases import MODEL, bound
from tests.objectives.words import VOCABULARY, ids, show, window

FIELDS = {'rate': 0.3}
LEARNS = {'mlm': 3.5}


def rebuild(one):
  inputs = np.where(one['noise'], one['targets'], one['inputs'])
  return inputs[one['segment_ids'] > 0][1:-1]


def test_masked_arranges_cls_and_sep():
  objective = bound('masked', length=6)
  arranged = objective.arrange(None, window('a b c d e .', '1 1 2 2 2 0'))
  assert show(arranged['tokens']) == '[CLS] a b c d e [SEP] .'
  assert arranged['segment_ids'].tolist() == [1, 1, 1, 2, 2, 2, 2, 0]
  assert arranged['positions'].tolist() == [0, 1, 2, 0, 1, 2, 3, 0]
  assert arranged['candidates'].tolist() == [
      False, True, True, True, True, True, False, False]


@pytest.mark.parametrize('mask_share,random_share,expected', [
    (1.0, 0.0, '[M]'), (0.0, 0.0, 'kept')])
def test_masked_vector(mask_share, random_share, expected):
  # Card 4: L = 10 with special tokens, two of them predicted.
  objective = bound('masked', length=8, rate=0.15, mask_share=mask_share,
                    random_share=random_share)
  batch = objective.corrupt(jax.random.key(1), window('a b c d e f g h'))
  noise = np.asarray(batch['noise'])
  assert noise.sum() == batch['weights'].sum() == 2
  original = ids('[CLS] a b c d e f g h [SEP]')
  assert np.array_equal(batch['targets'], original)
  shown = np.where(noise, VOCABULARY.mask_id, original)
  assert np.array_equal(
      batch['inputs'], original if expected == 'kept' else shown)
  assert set(np.flatnonzero(noise)) == set(np.asarray(batch['predicted']))


@pytest.mark.parametrize('length,expected', [
    (8, 2), (62, 10), (126, 19), (18, 3), (1, 1)])
def test_masked_count_is_python_round(length, expected):
  # .15 x 10 = 1.5 -> 2; x 64 = 9.6 -> 10; x 128 = 19.2 -> 19; x 20 = 3.
  objective = bound('masked', length=128, rate=0.15)
  assert objective.numbers['num_predictions'][length + 2] == expected


def test_masked_never_predicts_more_than_asked():
  objective = bound('masked', length=128, rate=0.15, max_predictions=7)
  assert objective.sizes['predictions'] == 7
  assert objective.numbers['num_predictions'].max() == 7


def test_a_form_that_does_not_fit_is_refused():
  with pytest.raises(ConfigError, match='it fits encoder'):
    bound('masked', 'decoder')


def test_a_window_longer_than_the_positions_is_refused():
  with pytest.raises(ConfigError, match='66 positions'):
    bound('masked', length=64,
          model=dataclasses.replace(MODEL, max_length=64))


@pytest.mark.parametrize('fields,found', [
    ({'rate': -0.1}, '-0.1'), ({'rate': 0.0}, '0.0'), ({'rate': 1.0}, '1.0'),
    ({'mask_share': 0.9, 'random_share': 0.2}, '0.9'),
    ({'max_predictions': 0}, '0')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'masked')(**fields).validate()
