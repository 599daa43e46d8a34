"""Sentence distance: its card's vector, and too few sentences."""

import numpy as np

from tests.objectives.test_next_sentence import shown
from tests.objectives.words import sentences

FIELDS = {}
LEARNS = {'sentence_distance': 1.06}


def test_vector():
  # Card 34: neighbours, apart, of two documents.
  found, batch = shown('sentence_distance',
                       sentences('a b | c d | e f', 'p q r s t u'))
  assert found == {('[CLS] a b [SEP] c d [SEP] . .', 0),
                   ('[CLS] a b [SEP] e f [SEP] . .', 1),
                   ('[CLS] a b [SEP] p q [SEP] . .', 2)}
  assert np.all(batch['asked'] == 1)


def test_the_labels_are_equally_likely():
  _, batch = shown('sentence_distance',
                   sentences('a b | c d | e f', 'p q r s t u'), 600)
  counts = np.bincount(np.asarray(batch['label']).ravel(), minlength=3)
  assert np.all(np.abs(counts / 600 - 1 / 3) < 0.08)


def test_two_sentences_are_not_apart():
  found, batch = shown('sentence_distance', sentences('a b | c d', 'p q r s'))
  assert found == {('[CLS] a b [SEP] c d [SEP]', 0),
                   ('[CLS] a b [SEP] p q [SEP]', 2)}
  assert np.all(batch['asked'] == 1)


def test_one_sentence_is_not_asked_about():
  _, batch = shown('sentence_distance', sentences('a b c d', 'p q r s'))
  assert not np.any(batch['asked'])
