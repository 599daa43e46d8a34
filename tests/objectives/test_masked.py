"""Masked LM: its vector, exact counts, bad fields."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import noise, units
from tests.objectives.cases import MODEL, bound, corrupt
from tests.objectives.test_units import fixed
from tests.objectives.words import (VOCABULARY, ids, random_windows, show,
                                    window)

FIELDS = {'rate': 0.3}
LEARNS = {'mlm': 3.5}


def rebuild(one):
  inputs = np.where(one['noise'], one['targets'], one['inputs'])
  return inputs[one['segment_ids'] > 0][1:-1]


def test_masked_arranges_cls_and_sep():
  objective = bound('masked', length=6)
  arranged = objective.arrange(None, window('a b c d e .', '1 1 2 2 2 0'))
  assert show(arranged['tokens']) == '[CLS] a b c d e [SEP] .'
  assert arranged['segment_ids'].tolist() == [1, 1, 1, 2, 2, 2, 2, 0]
  assert arranged['positions'].tolist() == [0, 1, 2, 0, 1, 2, 3, 0]
  assert arranged['candidates'].tolist() == [
      False, True, True, True, True, True, False, False]


# Cards 4 to 7 and 9: the unit; the text; where words start; the units that come
# first, or what marks them; draws by place; the input and the places predicted.
# `z q z` are the random tokens of the places 3, 4 and 5, `q` that of 7.
LETTERS, PIECES, ERNIE = 'a b c d e f g h', 't u b a s r', 'h p i a s o f n'
CARDS = {
    'token': ('token', LETTERS, [1] * 8, [], {3: .1, 7: .85},
              'a b [M] d e f q h', [3, 7]),
    'whole_word': ('whole_word', PIECES, [1, 1, 0, 0, 1, 0], [5, 2, 1], {},
                   '[M] u b a [M] [M]', [1, 5, 6]),
    'ngram': ('ngram', LETTERS, [1] * 8, [3], {}, 'a b [M] [M] [M] f g h',
              [3, 4, 5]),
    'span, masked': ('span', LETTERS, [1] * 8, [3], {3: .1},
                     'a b [M] [M] [M] f g h', [3, 4, 5]),
    'span, random': ('span', LETTERS, [1] * 8, [3], {3: .85},
                     'a b z q z f g h', [3, 4, 5]),
    'span, kept': ('span', LETTERS, [1] * 8, [3], {3: .95}, LETTERS,
                   [3, 4, 5]),
    # An entity 0-1 and a phrase 3-5, each with its own draw of .01.
    'basic units': ('entity', ERNIE, [1] * 8, [0] * 8, {5: .01},
                    'h p i a [M] o f n', [5]),
    'phrase': ('phrase', ERNIE, [1] * 8, [0, 0, 0, 1, 2, 2, 0, 0],
               {4: .01, 5: .02, 6: .02}, 'h p i [M] [M] [M] f n', [4, 5, 6]),
    'entity': ('entity', ERNIE, [1] * 8, [1, 2, 0, 0, 0, 0, 0, 0],
               {1: .01, 2: .02}, '[M] [M] i a s o f n', [1, 2])}


@pytest.mark.parametrize('card', CARDS)
def test_cards(monkeypatch, card):
  unit, text, starts, marks, draws, expected, places = CARDS[card]
  raw = window(text)
  size = raw['tokens'].size
  raw['flags'] = np.asarray(starts, np.uint8)
  if unit in ('entity', 'phrase'):
    raw['units'] = np.asarray(marks, np.uint8)
  else:
    fixed(monkeypatch, marks, [1 if unit == 'whole_word' else 3] * (size + 2))
  objective = bound('masked', length=size, unit=unit, rate={
      'whole_word': .35, 'ngram': .3, 'span': .375}.get(unit, .15))
  uniform = np.full(size + 2, .5 if unit in ('whole_word', 'ngram') else .99)
  uniform[list(draws)] = list(draws.values())
  chosen = np.isin(np.arange(size + 2), [3, 7])
  monkeypatch.setattr(jax.random, 'uniform',
                      lambda *arguments: jnp.asarray(uniform))
  monkeypatch.setattr(jax.random, 'randint', lambda *arguments: jnp.asarray(
      ids('. . . z q z . q . .')[:size + 2]) - VOCABULARY.text_start)
  monkeypatch.setattr(noise, 'distinct_positions', lambda *arguments: (
      jnp.asarray(chosen), noise.first_places(jnp.asarray(chosen), 2)))
  one = objective.corrupt(jax.random.key(1), raw)
  assert show(one['inputs']) == f'[CLS] {expected} [SEP]'
  assert show(one['targets']) == f'[CLS] {text} [SEP]'
  assert np.flatnonzero(one['weights']).tolist() == places
  assert set(np.asarray(one['predicted'])) >= set(places)


@pytest.mark.parametrize('length,expected', [
    (8, 2), (62, 10), (126, 19), (18, 3), (1, 1)])
def test_masked_count_is_python_round(length, expected):
  # .15 x 10 = 1.5 -> 2; x 64 = 9.6 -> 10; x 128 = 19.2 -> 19; x 20 = 3.
  objective = bound('masked', length=128, rate=0.15)
  assert objective.numbers['num_predictions'][length + 2] == expected


def test_masked_never_predicts_more_than_asked():
  objective = bound('masked', length=128, rate=0.15, max_predictions=7)
  assert objective.sizes['predictions'] == 7
  assert objective.numbers['num_predictions'].max() == 7


@pytest.mark.parametrize('unit', ['whole_word', 'ngram', 'span'])
def test_units_hide_their_share_and_predict_what_they_hide(unit):
  objective = bound('masked', length=100, unit=unit, rate=0.15)
  batch = corrupt(objective, random_windows(40, 100, 2))
  noise, predicted = np.asarray(batch['noise']), batch['predicted']
  # Of 102 tokens 15.3, of the text's 100 just 15.
  counts = noise.sum(1)
  assert counts.max() == 15 and counts.mean() > 14.8
  if unit == 'span':
    assert counts.min() == 15
  assert not np.any(noise[:, [0, -1]])
  for row in range(40):
    assert set(np.flatnonzero(noise[row])) == set(
        predicted[row, :counts[row]].tolist())
  # Each hidden word is hidden whole; a span's last one may be cut.
  starts = np.asarray(jax.vmap(lambda w: units.word_starts(
      objective.arrange(None, w)))(random_windows(40, 100, 2)))
  word = np.cumsum(starts, 1) + 1000 * np.arange(40)[:, None]
  parts = set(word[noise]) & set(word[~noise])
  assert len(parts) <= (40 if unit == 'span' else 0)


def test_spans_are_shown_one_way():
  # Card 7: all masked, all random or all kept, never a mixture.
  objective = bound('masked', length=100, unit='span', rate=0.3)
  windows = random_windows(30, 100)
  batch = corrupt(objective, windows)
  noise = np.asarray(batch['noise'])
  inputs, targets = np.asarray(batch['inputs']), np.asarray(batch['targets'])
  kinds = np.where(inputs == VOCABULARY.mask_id, 1,
                   np.where(np.asarray(batch['hidden']), 2, 3))
  inside = noise[:, 1:] & noise[:, :-1]
  assert np.all(kinds[:, 1:][inside] == kinds[:, :-1][inside])
  assert set(kinds[noise]) == {1, 2, 3}
  random = (kinds == 2) & noise
  assert len(set(inputs[random])) > 10, 'random tokens differ in a span'
  assert np.array_equal(inputs[kinds == 3], targets[kinds == 3])


def test_entities_are_hidden_whole_at_their_rate():
  objective = bound('masked', length=60, unit='entity', rate=0.15)
  assert set(objective.raw_fields()) == {'units'}
  windows = random_windows(200, 60)
  windows['flags'][:] = 1
  # An entity of four words every ten tokens.
  windows['units'] = np.tile(np.asarray([0, 0, 1, 2, 2, 2, 0, 0, 0, 0],
                                        np.uint8), (200, 6))
  noise = np.asarray(corrupt(objective, windows)['noise'])[:, 1:-1]
  noise = noise.reshape(-1, 10)
  assert np.all(noise[:, 2:6] == noise[:, 2:3])
  assert noise.mean() == pytest.approx(0.15, abs=0.02)


def test_static_masks_come_back():
  objective = bound('masked', static_masks=2)
  windows = random_windows(3, 12)
  noise = [np.asarray(objective.corrupt_batch(jax.random.key(0), dict(
      windows, epoch=np.full(3, epoch, np.int32)))['noise'])
           for epoch in range(3)]
  assert np.array_equal(noise[0], noise[2])
  assert not np.array_equal(noise[0], noise[1])


def test_a_form_that_does_not_fit_is_refused():
  with pytest.raises(ConfigError, match='it fits encoder'):
    bound('masked', 'decoder')


def test_a_window_longer_than_the_positions_is_refused():
  with pytest.raises(ConfigError, match='66 positions'):
    bound('masked', length=64,
          model=dataclasses.replace(MODEL, max_length=64))


@pytest.mark.parametrize('fields,found', [
    ({'rate': -0.1}, '-0.1'), ({'rate': 0.0}, '0.0'), ({'rate': 1.0}, '1.0'),
    ({'mask_share': 0.9, 'random_share': 0.2}, '0.9'),
    ({'max_predictions': 0}, '0'), ({'unit': 'words'}, 'words'),
    ({'span_stop': 1.0}, '1.0'), ({'max_words': 0}, '0'),
    ({'static_masks': 0}, '0')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'masked')(**fields).validate()
