"""Next-sentence prediction: its card's vector, what has no next sentence."""

import jax
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from tests.objectives.cases import bound
from tests.objectives.words import sentences, show

FIELDS = {}
LEARNS = {}  # 60 updates do not do; see test_sentences.py


def shown(name, window, draws=24, **fields):
  """`{(text, label)}` over several draws, and the corrupted examples."""
  objective = bound(name, length=len(window['tokens']), **fields)
  keys = jax.random.split(jax.random.key(0), draws)
  batch = jax.vmap(objective.corrupt, (0, None))(keys, window)
  found = {(show(text), int(label)) for text, (label,) in zip(
      batch['inputs'], batch['label'], strict=True)}
  return found, batch


def test_vector():
  # Card 30: documents s0 s1 and t0 t1. The partner's part starts with a
  # sentence that leaves room for as many tokens.
  found, batch = shown('next_sentence',
                       sentences('a b c | d e', 'p q r | s t'))
  assert found == {('[CLS] a b c [SEP] d e [SEP]', 0),
                   ('[CLS] a b c [SEP] p q [SEP]', 1),
                   ('[CLS] a b c [SEP] s t [SEP]', 1)}
  assert np.all(np.asarray(batch['token_types']) == [0, 0, 0, 0, 0, 1, 1, 1])
  assert np.all(np.asarray(batch['positions']) == np.arange(8))
  assert np.all(batch['asked'] == 1)


def test_every_cut_between_sentences_and_both_labels_are_equally_likely():
  found, batch = shown('next_sentence',
                       sentences('a b | c | d | e .', 'p q r s t u'), 600)
  cuts, counts = np.unique(
      np.argmax(np.asarray(batch['token_types']), 1), return_counts=True)
  assert cuts.tolist() == [4, 5, 6]
  # Four standard deviations of 600 draws.
  assert np.all(np.abs(counts / 600 - 1 / 3) < 0.08)
  assert abs(float(np.mean(batch['label'])) - 0.5) < 0.08
  assert ('[CLS] a b c d [SEP] p [SEP] .', 1) in found


def test_one_sentence_has_no_next_one():
  found, _ = shown('next_sentence', sentences('a b c d .', 'p q r s t'))
  assert found == {('[CLS] a b c [SEP] p q [SEP]', 1)}


def test_without_a_partner_nothing_is_asked():
  _, batch = shown('next_sentence', sentences('a b c d .'))
  assert not np.any(batch['asked'])
  assert not np.any(batch['weights'])


def test_the_longest_document_of_a_window_is_read():
  window = sentences('a | b c | d e | f', 'p q r s t u')
  window['segment_ids'] = np.asarray([1, 2, 2, 2, 2, 3], np.int32)
  found, _ = shown('next_sentence', window)
  assert found == {('[CLS] b c [SEP] d e [SEP] . .', 0),
                   ('[CLS] b c [SEP] p q [SEP] . .', 1)}


def test_reading_text_needs_no_partner():
  window = sentences('a b | c')
  objective = bound('next_sentence', length=3)
  own = {name: value for name, value in window.items()
         if not name.startswith('partner_')}
  assert show(objective.read(own)['inputs']) == '[CLS] a b c [SEP]'


def test_another_form_is_refused():
  with pytest.raises(ConfigError, match='next_sentence does not fit'):
    bound('next_sentence', form='decoder')
