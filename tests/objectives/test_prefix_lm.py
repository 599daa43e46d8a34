"""Prefix LM: its card's vectors in both forms, the law of the length."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.cases import bound
from tests.objectives.words import show, window

FIELDS = {}
LEARNS = {'lm': 2.5}
TEXT = window('a b c d e f')


def rebuild(one):
  return one['targets'][one['segment_ids'] > 0]


@pytest.fixture
def cut_at_3(monkeypatch):
  monkeypatch.setattr(jax.random, 'randint',
                      lambda *arguments: jnp.int32(3))


def test_vector_of_one_stack(cut_at_3):
  objective = bound('prefix_lm', length=6)
  one = objective.corrupt(jax.random.key(0), TEXT)
  assert show(one['inputs']) == '<s> a b c d e'
  assert show(one['targets']) == 'a b c d e f'
  assert one['weights'].tolist() == [0, 0, 0, 1, 1, 1]
  seen = objective.visibility(jax.tree.map(
      lambda x: x[None], one))['lm']['inputs'][0]
  assert np.asarray(seen).astype(int).tolist() == [
      [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0],
      [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]]


def test_vector_of_two_stacks(cut_at_3):
  one = bound('prefix_lm', 'encoder_decoder', length=6).corrupt(
      jax.random.key(0), TEXT)
  assert show(one['encoder_inputs']) == 'a b c </s> . .'
  assert show(one['decoder_inputs']) == '<s> d e f . .'
  assert show(one['targets']) == 'd e f </s> . .'
  assert one['weights'].tolist() == [1, 1, 1, 1, 0, 0]


def test_two_stacks_keep_documents_apart(cut_at_3):
  one = bound('prefix_lm', 'encoder_decoder', length=6).corrupt(
      jax.random.key(0), window('a b c d e .', '1 1 2 2 2 0'))
  assert show(one['encoder_inputs']) == 'a b c </s> . .'
  assert one['encoder_segment_ids'].tolist() == [1, 1, 2, 2, 0, 0]
  assert show(one['targets']) == 'd e </s> . . .'
  assert one['decoder_segment_ids'].tolist() == [2, 2, 2, 0, 0, 0]


def test_all_lengths_of_the_prefix_are_equally_likely():
  # A sixth token is padding: of five, 1 to 4 may be the prefix.
  text = window('a b c d e .')
  objective = bound('prefix_lm', length=6)
  noise = jax.vmap(lambda key: objective.corrupt(key, text)['noise'])(
      jax.random.split(jax.random.key(1), 4000))
  lengths = 5 - np.asarray(noise).sum(1)
  counts = np.bincount(lengths, minlength=6)
  assert counts[0] == counts[5] == 0
  assert np.abs(counts[1:5] - 1000).max() < 110  # 4 standard errors
