"""Sentence structural objective: its card's vector, and single sentences."""

import numpy as np

from tests.objectives.test_next_sentence import shown
from tests.objectives.words import sentences

FIELDS = {}
LEARNS = {}  # 60 updates do not do; see test_sentences.py


def test_vector():
  # Card 32: next, previous, other.
  found, batch = shown('sentence_structure', sentences('a b | c d', 'p q r s'))
  assert found == {('[CLS] a b [SEP] c d [SEP]', 0),
                   ('[CLS] c d [SEP] a b [SEP]', 1),
                   ('[CLS] a b [SEP] p q [SEP]', 2)}
  assert np.all(batch['asked'] == 1)


def test_one_sentence_has_neither_next_nor_previous():
  found, _ = shown('sentence_structure', sentences('a b c .', 'p q r s'))
  assert found == {('[CLS] a b [SEP] p q [SEP]', 2)}


def test_the_labels_are_equally_likely():
  _, batch = shown('sentence_structure', sentences('a b | c d', 'p q r s'),
                   600)
  counts = np.bincount(np.asarray(batch['label']).ravel(), minlength=3)
  assert np.all(np.abs(counts / 600 - 1 / 3) < 0.08)
