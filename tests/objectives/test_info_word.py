"""InfoWord: its card's vector, the law of lengths, the contrast by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import info_word
from tests.objectives.cases import bound, corrupt
from tests.objectives.words import random_windows, show, window

FIELDS = {'group': 2, 'rate': 0.25, 'mean_length': 2.0}
LEARNS = {'mlm': 3.8, 'dim': 1.7}


def rebuild(one):
  text = np.where(one['noise'] | one['ngram'], one['targets'], one['inputs'])
  return text[one['segment_ids'] > 0][1:-1]


def test_vector(monkeypatch):
  # Card 20: n-gram 2-4; masked LM keeps what it chose (all but a billionth).
  monkeypatch.setattr(jax.random, 'normal', lambda key: 0.0)
  monkeypatch.setattr(jax.random, 'randint',
                      lambda key, shape, *rest: jnp.full(shape, 2, jnp.int32))
  one = bound('info_word', length=8, rate=0.1, mean_length=3.0, longest=8,
              mask_share=1e-9, random_share=0.0).corrupt(
                  jax.random.key(0), window('a b c d e f g h'))
  assert show(one['inputs']) == '[CLS] a b [M] [M] [M] f g h [SEP]'
  assert show(one['ngram_inputs']) == '[CLS] c d e [SEP]' + 5 * ' .'
  assert one['ngram_segment_ids'].tolist() == [1] * 5 + [0] * 5


def test_law_of_lengths():
  # Normal(5, 1), rounded: .383 of them 5, .242 either 4 or 6.
  batch = corrupt(bound('info_word', length=40, mean_length=5.0),
                  random_windows(1500, 40))
  counts = np.bincount(np.asarray(batch['ngram']).sum(1), minlength=11)
  for length, share in ((4, .242), (5, .383), (6, .242), (7, .061)):
    assert counts[length] / 1500 == pytest.approx(share, abs=0.05)


def test_the_ngram_lies_in_the_first_document():
  batch = corrupt(bound('info_word'), random_windows(40, 12, 3))
  first = np.asarray(batch['segment_ids']) == 1
  assert not np.any(np.asarray(batch['ngram']) & ~first)
  assert np.all(np.asarray(batch['ngram']).any(1))


def test_contrast_by_hand():
  # Two groups of two; in the second both n-grams are the same.
  states = np.sqrt(2) * jnp.asarray([[1., 0.], [0., 2.], [1., 1.], [1., 1.]])
  others = jnp.asarray([[1., 0.], [3., 1.], [1., 0.], [0., 1.]])
  contents = jnp.asarray([[1, 2], [1, 3], [4, 4], [4, 4]])
  term = info_word.contrast(states, others, contents, jnp.ones(4), 2)
  # The scores are [[1, 3], [0, 2]]: the first takes the wrong one.
  np.testing.assert_allclose(
      term.nll[:, 0], [np.log(1 + np.e**2), np.log(1 + np.e**-2), 0, 0],
      atol=1e-6)
  assert term.correct[:, 0].tolist() == [False, True, True, True]
  assert term.targets[:, 0].tolist() == [0, 1, 0, 1]
  # An example without text is no negative and has no weight.
  alone = info_word.contrast(states, others, contents,
                             jnp.asarray([1., 0., 1., 1.]), 2)
  assert float(alone.nll[0, 0]) == pytest.approx(0, abs=1e-6)
  assert alone.weights[:, 0].tolist() == [1, 0, 1, 1]


def test_groups_that_do_not_fill_the_batch_are_refused():
  with pytest.raises(ConfigError, match='group=3'):
    info_word.contrast(*4 * [jnp.ones((4, 2))], 3)


@pytest.mark.parametrize('fields,found', [
    ({'group': 1}, '1'), ({'mean_length': 0.0}, '0.0'),
    ({'length_deviation': -1.0}, '-1.0')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'info_word')(**fields).validate()
