"""Autoregressive LM: its vector, packed documents."""

import jax

from tests.objectives.cases import bound
from tests.objectives.words import show, window

FIELDS = {}
LEARNS = {'lm': 2.0}


def rebuild(one):
  return one['targets'][one['weights'] > 0]


def test_autoregressive_vector():
  batch = bound('autoregressive', length=4).corrupt(
      jax.random.key(0), window('a b c d'))
  assert show(batch['inputs']) == '<s> a b c'
  assert show(batch['targets']) == 'a b c d'
  assert batch['weights'].tolist() == [1, 1, 1, 1]


def test_autoregressive_starts_each_document_anew():
  batch = bound('autoregressive', length=6).corrupt(
      jax.random.key(0), window('a b c d e .', '1 1 2 2 2 0'))
  assert show(batch['inputs']) == '<s> a <s> c d .'
  assert batch['weights'].tolist() == [1, 1, 1, 1, 1, 0]
  assert batch['positions'].tolist() == [0, 1, 0, 1, 2, 0]
