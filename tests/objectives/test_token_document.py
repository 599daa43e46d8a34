"""Token-document relation: labels by hand; a member of a sum reads."""

import jax
import numpy as np

from ptm_jax.objectives import masked, token_document
from tests.objectives.cases import bound
from tests.objectives.words import sentences, show, window

FIELDS = {}
LEARNS = {'token_document': 0.5}


def rebuild(one):
  return one['inputs'][one['segment_ids'] > 0][1:-1]


def test_labels_by_hand():
  # b comes twice in one sentence, which does not count.
  text = sentences('a b b | c a | d c .')
  one = bound('token_document', length=8).corrupt(jax.random.key(0), text)
  assert show(one['inputs']) == '[CLS] a b b c a d c [SEP] .'
  assert one['labels'].tolist() == [0, 1, 0, 0, 1, 1, 0, 1, 0, 0]
  assert one['weights'].tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 0, 0]


def test_another_document_is_not_looked_at():
  text = window('a b a b a', '1 1 2 2 2')
  text['flags'] = np.asarray([7, 1, 7, 1, 3], np.uint8)
  one = bound('token_document', length=5).corrupt(jax.random.key(0), text)
  assert one['labels'].tolist() == [0, 0, 0, 1, 0, 1, 0]


def test_in_a_sum_the_label_is_of_the_text_and_not_of_what_is_shown():
  members = {'masked': masked.Objective(
      rate=0.9, mask_share=1.0, random_share=0.0),
             'relation': token_document.Objective()}
  one = bound('sum', length=5, members=members, factors={}).corrupt(
      jax.random.key(0), sentences('a b | c a d'))
  assert show(one['inputs']).count('[M]') == 5
  assert one['relation/labels'].tolist() == [0, 1, 0, 0, 1, 0, 0]
