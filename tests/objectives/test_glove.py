"""GloVe: its card's counts and loss; words of several pieces."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax.data.annotations import cooccurrence
from ptm_jax.data.store import Store, Writer
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from tests.objectives.cases import bound, corrupt
from tests.objectives.test_word2vec import text
from tests.objectives.words import ids

FIELDS = {'window': 2}
LEARNS = {'glove': 1.6}


def rebuild(one):
  return one['inputs'][one['segment_ids'] > 0]


def store(path, *documents, flags=None):
  """Documents of letters, each a word unless flags say else."""
  writer = Writer(path)
  lengths = np.asarray([len(one.split()) for one in documents])
  writer.add(np.concatenate([ids(one) for one in documents]),
             np.asarray(flags or [1] * lengths.sum(), np.uint8), lengths)
  writer.close()
  return Store(path)


def marked(train, other, window):
  """X of the pairs of `other`, `[distance, token]`; 0 where there is none."""
  prepared = types.SimpleNamespace(
      stores={'train': train, 'validation': other})
  numbers = np.stack([cooccurrence.Annotator(window, distance).annotate(
      prepared, None)['validation'] for distance in range(1, window + 1)])
  return np.where(numbers, np.exp(cooccurrence.log_count(numbers)), 0)


def test_the_counts_of_the_card(tmp_path):
  one = store(tmp_path / 'one', 'a b c')
  assert marked(one, one, 2) == pytest.approx(
      np.asarray([[1, 1, 0], [0.5, 0, 0]]))


def test_counts_are_symmetric_stay_in_documents_and_are_of_the_train_split(
    tmp_path):
  # Of a and b: twice side by side in either order, once two apart.
  train = store(tmp_path / 'train', 'a b', 'b a', 'a c b', 'd d')
  other = store(tmp_path / 'other', 'b a d', 'd d e', 'd')
  # A word beside itself counts in both orders; unknown pairs are left out.
  assert marked(train, other, 2) == pytest.approx(np.asarray(
      [[2.5, 0, 0, 2, 0, 0, 0], [0] * 7]), rel=0.05)


def test_a_word_is_all_of_its_pieces(tmp_path):
  # ab c | a c: the pair (ab, c) is none of (a, c).
  train = store(tmp_path / 'train', 'a b c', 'a c a c',
                flags=[1, 0, 1, 1, 1, 1, 1])
  assert marked(train, train, 1)[0] == pytest.approx(
      [1, 0, 0, 3, 3, 3, 0], rel=0.05)


def batch_of(words, first, second=None, **fields):
  count = len(words.split())
  raw = text(words)
  for name, values in (('cooccurrence_1', first), ('cooccurrence_2', second)):
    raw[name] = np.asarray([values or [0] * count], np.uint8)
  raw.update((name, np.asarray([value])) for name, value in fields.items())
  objective = bound('glove', length=count, **FIELDS)
  return objective, corrupt(objective, raw)


def params_of(objective, scale):
  return jax.tree.map(
      lambda leaf: scale * jax.random.normal(jax.random.key(1), leaf.shape),
      meta.unbox(objective.init(jax.random.key(0))))


def test_the_loss_of_zero_vectors_is_that_of_the_card():
  objective, batch = batch_of('a b', [64, 0])  # X = 16
  term = objective.loss(None, params_of(objective, 0.0), batch)['glove']
  # Both orders, each with weight f / X.
  assert float(term.weight) * 16 == pytest.approx(2 * 0.252982, rel=1e-5)
  assert float(term.sum) * 16 == pytest.approx(2 * 1.944737, rel=1e-5)


def test_a_pass_over_the_text_adds_every_cell_with_its_weight(tmp_path):
  one = store(tmp_path / 'one', 'a b a a c b')
  numbers = [cooccurrence.Annotator(2, distance).annotate(
      types.SimpleNamespace(stores={'train': one}), None)['train'].tolist()
             for distance in (1, 2)]
  objective, batch = batch_of('a b a a c b', *numbers)
  weights = np.asarray(objective._weights(batch))[0]
  # By hand: ab 2 + 2/2, aa 2 (1 + 1/2), ac 1 + 1/2, bc 1.
  cells = {'ab': 3.0, 'aa': 3.0, 'ac': 1.5, 'bc': 1.0}
  expected = sum((1 if name == 'aa' else 2) * (x / 100)**0.75
                 for name, x in cells.items())
  assert 2 * weights.sum() == pytest.approx(expected, rel=0.03)


def test_a_score_is_the_product_of_sums_of_pieces_and_its_biases():
  objective, batch = batch_of('a b c', [64, 64, 0], flags=[1, 0, 1])
  params = params_of(objective, 0.5)
  term = objective.loss(None, params, batch)['glove']
  table = params['trunk']['token_embedding']['embedding']
  contexts = params['trunk']['context_embedding']['embedding']
  bias = params['biases']['embedding']
  a, b, c = ids('a b c')
  for order, (one, two, first, second) in enumerate((
      (table, contexts, 0, 1), (contexts, table, 1, 0))):
    score = ((one[a] + one[b]) @ two[c] + bias[a, first] + bias[b, first]
             + bias[c, second])
    assert float(term.nll[0, order]) == pytest.approx(
        float((score - np.log(16))**2), rel=1e-4)
  # What transfers is the sum of the two tables.
  states, _ = objective.features(params, text('a b c'))
  assert np.allclose(states[0], (table + contexts)[jnp.asarray([a, b, c])],
                     atol=1e-6)


def test_a_constant_is_scored_by_its_squared_error():
  objective = bound('glove', **FIELDS)
  counts = np.zeros(300)
  counts[[32, 64]] = 3, 1  # X = 1 and 16, so ln X = 0 and ln 16
  assert objective.constant('glove', counts) == pytest.approx(
      3 / 16 * np.log(16)**2)


@pytest.mark.parametrize('fields,found', [
    ({'window': 0}, '0'), ({'x_max': 0.0}, '0.0'), ({'power': 2.0}, '2.0')])
def test_bad_fields_are_one_line(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'glove')(**fields).validate()
