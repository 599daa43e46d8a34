"""Sentence-order prediction: its card's vector, and single sentences."""

import numpy as np

from tests.objectives.test_next_sentence import shown
from tests.objectives.words import sentences

FIELDS = {}
LEARNS = {}  # 60 updates do not do; see test_sentences.py


def test_vector():
  # Card 31; token types follow the place.
  found, batch = shown('sentence_order', sentences('a b | c d'))
  assert found == {('[CLS] a b [SEP] c d [SEP]', 0),
                   ('[CLS] c d [SEP] a b [SEP]', 1)}
  assert np.all(np.asarray(batch['token_types']) == [0, 0, 0, 0, 1, 1, 1])


def test_one_sentence_has_no_order():
  found, batch = shown('sentence_order', sentences('a b c .'))
  assert found == {('[CLS] a b c [SEP] . .', 0)}
  assert not np.any(batch['asked'])
