"""Sentence reordering: its card's vector, classes, bad fields."""

import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from tests.objectives.test_next_sentence import shown
from tests.objectives.words import sentences

FIELDS = {}
LEARNS = {'sentence_reordering': 2.1}


def test_vector():
  # Card 33: n = 1 is class 0; (1, 0) is 2; (2, 0, 1) is 3 + 4.
  found, batch = shown('sentence_reordering', sentences('a | b | c'), 200)
  three = {text: label for text, label in found if label > 2}
  assert three == {
      '[CLS] a [SEP] b [SEP] c [SEP]': 3, '[CLS] a [SEP] c [SEP] b [SEP]': 4,
      '[CLS] b [SEP] a [SEP] c [SEP]': 5, '[CLS] b [SEP] c [SEP] a [SEP]': 6,
      '[CLS] c [SEP] a [SEP] b [SEP]': 7, '[CLS] c [SEP] b [SEP] a [SEP]': 8}
  assert {one for one in found if one[1] < 3} == {
      ('[CLS] a b c [SEP] . .', 0), ('[CLS] a b [SEP] c [SEP] .', 1),
      ('[CLS] a [SEP] b c [SEP] .', 1), ('[CLS] b c [SEP] a [SEP] .', 2),
      ('[CLS] c [SEP] a b [SEP] .', 2)}
  assert np.all(batch['asked'] == 1)


def test_the_numbers_of_parts_are_equally_likely():
  _, batch = shown('sentence_reordering', sentences('a | b | c'), 600)
  counts = np.bincount(np.asarray(batch['label']).ravel(), minlength=9)
  parts = np.asarray([counts[0], counts[1:3].sum(), counts[3:].sum()])
  assert np.all(np.abs(parts / 600 - 1 / 3) < 0.08)


def test_a_document_has_as_many_parts_as_sentences():
  found, _ = shown('sentence_reordering', sentences('a b | c d'))
  assert {label for _, label in found} == {0, 1, 2}


@pytest.mark.parametrize('max_parts', [1, 6])
def test_bad_fields_are_refused(max_parts):
  with pytest.raises(ConfigError, match=f'max_parts={max_parts} must be 2 to'):
    find('objectives', 'sentence_reordering')(max_parts=max_parts).validate()
