"""Permutation LM: its card's vector, its law of spans, its streams."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.leaks import Prover
from ptm_jax.objectives import permutation, units
from tests.objectives.cases import MODEL, bound, corrupt
from tests.objectives.words import random_windows, show, window

FIELDS = {'rate': 0.4}
LEARNS = {'plm': 3.2}
XLNET = dataclasses.replace(
    MODEL, positions='transformer_xl', norm_position='post', qkv_bias=False,
    output_bias=False, relative_types=True, query_embedding=True)


def rebuild(one):
  length = one['rank'].size
  tokens = np.where(one['noise'], -1, one['inputs'][:length])
  real = one['weights'] > 0
  tokens[one['predicted'][real]] = one['targets'][real]
  return tokens[one['segment_ids'][:length] > 0][1:-1]


def fix(monkeypatch, hidden, ranks):
  monkeypatch.setattr(units, 'contexts', lambda *_: jnp.asarray(hidden, bool))
  monkeypatch.setattr(permutation, 'draw_ranks',
                      lambda *_: jnp.asarray(ranks, jnp.int32))


def test_vector(monkeypatch):
  fix(monkeypatch, [0, 1, 0, 1, 0, 0], [0, 1, 0, 2, 0, 0])
  objective = bound('permutation', length=4, max_span=4)
  one = objective.corrupt(jax.random.key(0), window('a b c d'))
  assert show(one['inputs']) == '[CLS] a b c d [SEP] [M] [M]'
  assert one['positions'].tolist() == [0, 1, 2, 3, 4, 5, 1, 3]
  assert show(one['targets']) == 'a c' and one['weights'].tolist() == [1, 1]
  seen = objective.seen(jax.tree.map(lambda x: x[None], one))[0]
  text = one['inputs'][:6]
  assert [show(text[row]) for row in np.asarray(seen)] == [
      '[CLS] b d [SEP]', '[CLS] a b d [SEP]', '[CLS] b d [SEP]',
      '[CLS] a b c d [SEP]', '[CLS] b d [SEP]', '[CLS] b d [SEP]',
      '[CLS] b d [SEP]', '[CLS] a b d [SEP]']


def test_a_sixth_is_predicted_in_spans_of_tokens_in_wide_contexts():
  objective = bound('permutation', length=126, rate=1 / 6,
                    model=dataclasses.replace(MODEL, positions='rotary'))
  windows = random_windows(200, 126)
  hidden = np.asarray(corrupt(objective, windows)['noise'])
  assert set(hidden.sum(1)) == {21}  # of 128
  law = units.ngram_law(5)
  spans = np.asarray(jax.jit(jax.vmap(lambda key: units.contexts(
      key, jnp.ones(700, bool), jnp.ones(700, bool), 100, law, 6)))(
          jax.random.split(jax.random.key(0), 100)))
  assert set(spans.sum(1)) == {100}
  # 700 tokens hold 100 spans of 7 times their length: little is left to fill.
  runs = np.concatenate([np.diff(np.flatnonzero(np.diff(np.pad(
      row, 1).astype(int))))[::2] for row in spans])
  # The law's shares, .44 .22 .15 .11 .09, less what touches or fills up.
  shares = np.bincount(runs, minlength=6)[1:6] / runs.size
  np.testing.assert_allclose(shares, [.44, .22, .15, .11, .09], atol=0.05)


def test_spans_begin_words_and_blocks_come_in_order():
  starts = np.arange(64) % 4 == 0
  hidden = np.asarray(jax.jit(lambda key: units.contexts(
      key, starts, np.ones(64, bool), 3, np.float32([0, 0, 1]), 6))(
          jax.random.key(1)))
  assert np.flatnonzero(hidden)[0] % 4 == 0
  assert np.diff(np.flatnonzero(hidden)).tolist() == [1, 1]
  ranks = permutation.draw_ranks(
      jax.random.key(0), jnp.arange(64) % 2 == 0, 16)
  assert np.sort(ranks[::2]).tolist() == list(range(1, 33))
  assert not np.any(ranks[1::2])
  assert np.max(ranks[:16]) == 8 and np.min(ranks[48:][::2]) == 25
  assert np.asarray(ranks[:16:2]).tolist() != list(range(1, 9))


def test_special_tokens_may_stand_behind_the_text(monkeypatch):
  fix(monkeypatch, [0, 1, 0, 1, 0, 0, 0], [0, 1, 0, 2, 0, 0, 0])
  objective = bound('permutation', length=5, model=XLNET, closing=True)
  raw = window('a b c d a')
  raw['segment_ids'] = np.array([1, 1, 2, 2, 0], np.int32)
  one = objective.corrupt(jax.random.key(0), raw)
  assert show(one['inputs'][:6]) == 'a b c d [SEP] [CLS]'
  assert one['segment_ids'].tolist() == [1, 1, 2, 2, 2, 2, 0, 1, 2]
  assert one['positions'].tolist() == [0, 1, 0, 1, 2, 3, 0, 1, 1]
  assert one['token_types'].tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0]
  assert show(one['targets']) == 'b d' and one['weights'].tolist() == [1, 1]
  arranged = objective.arrange(None, raw)
  assert arranged['candidates'].tolist() == [True] * 4 + [False] * 3


def test_a_way_asks_for_the_same_tokens_wherever_special_ones_stand():
  raw = window('a b c d')
  rank, factor = np.array([0, 2, 1, 0]), np.array([0, 1, 1, 0], np.float32)
  for closing in False, True:
    way = bound('permutation', length=4, max_span=4,
                closing=closing).ways()['any_order']
    example, about = way.example(raw, rank, factor)
    asked = np.asarray(example['weights']) > 0
    assert show(example['targets'][asked]) == 'b c'
    assert about['plm'][asked].tolist() == [1, 2]


@pytest.mark.parametrize('model, fields', [
    (dataclasses.replace(MODEL, positions='transformer_xl'), {}),
    (XLNET, dict(closing=True, num_segments=2))])
def test_relative_positions_leak_nothing(model, fields):
  shared = Prover(bound('permutation', model=model, **fields))
  (one,) = shared.derivative(shared.corrupt(random_windows(2, 12, 2, 2)))
  assert not one.leaks and one.checked and one.blind < 0.05, one
