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


def test_half_of_the_pairs_are_swapped():
  _, batch = shown('sentence_order', sentences('a b | c d'), 600)
  assert abs(float(np.mean(batch['label'])) - 0.5) < 0.08  # 4 standard errors


def test_what_an_edge_may_have_cut_off_is_left_out():
  # The window begins within a sentence and goes on to its end.
  window = sentences('a b | c d | e | f g')
  window['flags'][0] = 1
  found, _ = shown('sentence_order', window, whole_sentences=True)
  assert found == {('[CLS] c d [SEP] e [SEP] . . . .', 0),
                   ('[CLS] e [SEP] c d [SEP] . . . .', 1)}
  # The document begins and ends inside the window: nothing is cut off.
  whole, _ = shown('sentence_order', sentences('a b | c d .'),
                   whole_sentences=True)
  assert whole == {('[CLS] a b [SEP] c d [SEP] .', 0),
                   ('[CLS] c d [SEP] a b [SEP] .', 1)}


def test_less_than_two_whole_sentences_are_shown_and_not_asked_about():
  window = sentences('a b | c d | e')
  window['flags'][0] = 1
  found, batch = shown('sentence_order', window, whole_sentences=True)
  assert found == {('[CLS] a b c d e [SEP] .', 0)}
  assert not np.any(batch['asked'])


def test_one_sentence_has_no_order():
  found, batch = shown('sentence_order', sentences('a b c .'))
  assert found == {('[CLS] a b c [SEP] . .', 0)}
  assert not np.any(batch['asked'])
