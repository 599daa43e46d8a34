"""word2vec: its card's pairs, losses and laws; words of several pieces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from tests.objectives.cases import bound, corrupt
from tests.objectives.words import ids, random_windows, window

FIELDS = {'architecture': 'cbow', 'window': 2, 'negatives': 2,
          'subsample': 0.5, 'group': 2}
LEARNS = {'skip_gram': 0.52}
PLAIN = {'architecture': 'skip_gram', 'window': 1, 'negatives': 5,
         'subsample': 1.0, 'group': 1}


def rebuild(one):
  return one['inputs'][one['segment_ids'] > 0]


def text(words, flags=None, segments=None, frequency=None):
  """A batch of one raw window, each token a word unless flags say else."""
  raw = window(words, segments)
  count = len(raw['tokens'])
  raw['flags'] = np.asarray([1] * count if flags is None else flags, np.uint8)
  raw['frequency'] = np.asarray(
      [0] * count if frequency is None else frequency, np.uint8)
  return {name: np.asarray(value)[None] for name, value in raw.items()}


def pairs(batch, words):
  """What is told from what: {'a': ['b']}."""
  names, found = words.split(), {}
  for word, others in enumerate(np.asarray(batch['neighbours'][0])):
    for one, weight in zip(others, batch['weights'][0][word], strict=True):
      if weight:
        found.setdefault(names[word], []).append(names[one])
  return found


def test_the_pairs_of_the_card():
  words = 'a b c d'
  batch = corrupt(bound('word2vec', length=4, **PLAIN), text(words))
  assert pairs(batch, words) == {'a': ['b'], 'b': ['a', 'c'],
                                 'c': ['b', 'd'], 'd': ['c']}


@pytest.mark.parametrize('architecture,count', [('skip_gram', 6),
                                                ('cbow', 4)])
def test_the_loss_of_zero_vectors_is_that_of_the_card(architecture, count):
  objective = bound('word2vec', length=4, **{
      **PLAIN, 'architecture': architecture})
  batch = corrupt(objective, text('a b c d'))
  params = jax.tree.map(jnp.zeros_like, meta.unbox(
      objective.init(jax.random.key(0))))
  term = objective.loss(None, params, batch)[architecture]
  weights = np.asarray(term.weights).reshape(-1, 6)
  # Drawn words that are the right one count for nothing.
  assert np.sum(weights[:, 0]) == count and np.sum(weights) <= 6 * count
  assert float(term.sum / term.weight) == pytest.approx(np.log(2))
  coefficient = objective.coefficients()[architecture]
  assert coefficient * np.log(2) == pytest.approx(4.158883)


def test_cbow_is_the_mean_of_the_neighbours():
  objective = bound('word2vec', length=4, **{
      **PLAIN, 'architecture': 'cbow', 'negatives': 1})
  batch = corrupt(objective, text('a b c d'))
  params = jax.tree.map(
      lambda leaf: jax.random.normal(jax.random.key(1), leaf.shape),
      meta.unbox(objective.init(jax.random.key(0))))
  term = objective.loss(None, params, batch)['cbow']
  table = params['trunk']['token_embedding']['embedding']
  contexts = params['contexts']['embedding']
  a, b, c, _ = ids('a b c d')
  score = (table[a] + table[c]) / 2 @ contexts[b]
  right = np.asarray(term.nll).reshape(4, 2)[1, 0]
  assert right == pytest.approx(float(jax.nn.softplus(-score)), 1e-5)


def test_a_word_is_the_sum_of_its_pieces_and_stays_in_its_document():
  words = 'a b c d e f'  # ab, c | d, ef
  objective = bound('word2vec', length=6, **PLAIN)
  batch = corrupt(objective, text(words, [1, 0, 1, 7, 1, 0], '1 1 1 2 2 2'))
  kept = np.asarray(objective._pairs(batch))[0]
  near = np.asarray(batch['neighbours'][0])
  found = [(word, int(near[word, one])) for word, one in np.argwhere(kept)]
  assert found == [(0, 1), (1, 0), (2, 3), (3, 2)]
  params = jax.tree.map(
      lambda leaf: jax.random.normal(jax.random.key(1), leaf.shape),
      meta.unbox(objective.init(jax.random.key(0))))
  term = objective.loss(None, params, batch)['skip_gram']
  table = params['trunk']['token_embedding']['embedding']
  contexts = params['contexts']['embedding']
  a, b, c, *_ = ids(words)
  score = (table[a] + table[b]) @ contexts[c]
  # Word 0 and its neighbour behind it, the right word first.
  right = np.asarray(term.nll).reshape(6, 2, 6)[0, 1, 0]
  assert right == pytest.approx(float(jax.nn.softplus(-score)), 1e-5)


def test_frequent_words_are_dropped_by_the_law_and_neighbours_close_up():
  objective = bound('word2vec', length=12, **{**PLAIN, 'subsample': 0.25})
  words = ' '.join('abababababab')
  raw = text(words, frequency=[0, 16] * 6)  # f = 1 and 1 / 4
  keys = jax.random.split(jax.random.key(0), 400)
  one = {name: value[0] for name, value in raw.items()}
  batch = jax.vmap(objective.corrupt, (0, None))(keys, one)
  dropped = np.asarray(batch['noise']).mean(0)
  assert np.all(dropped[1::2] == 0)
  # 1 - sqrt(1 / 4) of 2400 draws.
  assert abs(dropped[::2].mean() - 0.5) < 4 * np.sqrt(.25 / 2400)
  for row in range(400):
    kept = np.flatnonzero(~np.asarray(batch['noise'][row]))
    for word, after in zip(kept, kept[1:]):
      assert after in np.asarray(batch['neighbours'][row, word])[
          np.asarray(batch['weights'][row, word]) > 0]


def test_negatives_follow_the_frequency_to_the_power_of_three_quarters():
  words = ' '.join('a' * 16 + 'b')
  objective = bound('word2vec', length=17, **{**PLAIN, 'negatives': 400})
  frequency = np.round(-8 * np.log2([16 / 17] * 16 + [1 / 17]))
  batch = corrupt(objective, text(words, frequency=frequency))
  params = jax.tree.map(jnp.ones_like, meta.unbox(
      objective.init(jax.random.key(0))))
  # Scores tell who was drawn.
  params['contexts']['embedding'] = params['contexts']['embedding'].at[
      ids('b')[0]].set(-1)
  term = objective.loss(None, params, batch)['skip_gram']
  nll = np.asarray(term.nll).reshape(17, 2, 401)[1:15, :, 1:]
  share = np.mean(nll > 1)  # a negative that is `a` scores high, so badly
  assert abs(share - 8 / 9) < 4 * np.sqrt(8 / 81 / nll.size) + 0.005


@pytest.mark.parametrize('fields,found', [
    ({'architecture': 'glove'}, 'glove'), ({'window': 0}, '0'),
    ({'negatives': 0}, '0'), ({'subsample': 0.0}, '0.0'),
    ({'subsample': 2.0}, '2.0')])
def test_bad_fields_are_one_line(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'word2vec')(**fields).validate()


def test_groups_that_do_not_fill_the_batch_are_refused():
  objective = bound('word2vec', length=12, group=4)
  batch = corrupt(objective, random_windows(6, 12))
  params = meta.unbox(objective.init(jax.random.key(0)))
  with pytest.raises(ConfigError, match='group=4'):
    objective.loss(None, params, batch)
