"""The noise algebra: hand examples, exact counts and laws."""

import collections
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.objectives import noise
from ptm_jax.rng import stream
from tests.objectives.words import VOCABULARY, ids, show

KEYS = jax.random.split(jax.random.key(3), 4000)


def test_distinct_positions_count_is_exact_and_uniform():
  candidates = jnp.asarray([False] + [True] * 6 + [False])
  masks, positions = jax.vmap(
      lambda key: noise.distinct_positions(key, candidates, 2, 3))(KEYS)
  assert np.all(np.sum(masks, 1) == 2)
  assert not np.any(masks[:, 0]) and not np.any(masks[:, 7])
  assert np.all(np.take_along_axis(np.asarray(masks), positions[:, :2], 1))
  sets = collections.Counter(map(tuple, np.sort(positions[:, :2], 1).tolist()))
  assert len(sets) == 15
  expected = len(KEYS) / 15
  chi_square = sum((n - expected) ** 2 / expected for n in sets.values())
  assert chi_square < 36.1  # 99.9 % quantile with 14 degrees of freedom


def test_repeated_positions_repeat_at_the_expected_rate():
  candidates = jnp.asarray([False] + [True] * 10 + [False])
  masks, positions = jax.vmap(
      lambda key: noise.repeated_positions(key, candidates, 3, 4))(KEYS)
  distinct = np.sum(masks, 1)
  assert not np.any(np.asarray(masks)[:, [0, 11]])
  # 10 (1 - 0.9^3) distinct positions are expected from three draws.
  assert np.mean(distinct) == pytest.approx(2.71, abs=0.03)
  assert np.all(np.take_along_axis(np.asarray(masks), positions[:, :3], 1))
  # A fourth place that the count leaves out adds no noise.
  assert np.max(distinct) == 3


@pytest.mark.parametrize('total,num_noise,num_spans', [
    (10, 3, 2), (10, 3, 1), (9, 4, 3), (2, 1, 1), (10, 5, 5)])
def test_random_spans_counts_are_exact(total, num_noise, num_spans):
  masks = jax.vmap(lambda key: noise.random_spans(
      key, 10, total, num_noise, num_spans, 5))(KEYS[:500])
  masks = np.asarray(masks)
  assert np.all(masks.sum(1) == num_noise)
  starts = masks & ~np.pad(masks, ((0, 0), (1, 0)))[:, :-1]
  assert np.all(starts.sum(1) == num_spans)
  assert not np.any(masks[:, 0]), 'non-noise comes first'
  assert np.all(masks[:, total - 1]), 'a window ends in noise'
  assert not np.any(masks[:, total:])


def test_random_spans_reaches_all_layouts_equally():
  # 6 tokens, 3 noise, 2 spans: 2 ways to cut each half into two parts.
  masks = jax.vmap(lambda key: noise.random_spans(key, 6, 6, 3, 2, 2))(KEYS)
  layouts = collections.Counter(map(tuple, np.asarray(masks).tolist()))
  assert len(layouts) == 4
  for count in layouts.values():
    assert count == pytest.approx(1000, abs=110)


def test_sentinels_hand_example():
  # Card 23: non-noise (4, 3), noise (2, 1).
  tokens = ids('a b c d e f g h i j')
  mask = jnp.asarray([0, 0, 0, 0, 1, 1, 0, 0, 0, 1], bool)
  segments = jnp.ones(10, jnp.int32)
  shown, shown_segments = noise.show_sentinels(
      tokens, segments, mask, 10, VOCABULARY)
  target, target_segments = noise.target_spans(
      tokens, segments, mask, 6, VOCABULARY)
  assert show(shown) == 'a b c d <X> g h i <Y> </s>'
  assert show(target) == '<X> e f <Y> j </s>'
  assert np.all(shown_segments == 1) and np.all(target_segments == 1)


def test_a_text_that_ends_visibly_is_closed_by_the_next_sentinel():
  # The paper's example begins and ends in non-noise.
  tokens = ids('t y f i m t y p l w')
  mask = jnp.asarray([0, 0, 1, 1, 1, 0, 1, 1, 1, 0], bool)
  segments = jnp.ones(10, jnp.int32)
  shown, _ = noise.show_sentinels(tokens, segments, mask, 8, VOCABULARY)
  target, _ = noise.target_spans(tokens, segments, mask, 10, VOCABULARY)
  assert show(shown) == 't y <X> t <Y> w </s> .'
  assert show(target) == '<X> f i m <Y> y p l <Z> </s>'


def test_sentinels_with_padding_and_two_documents():
  tokens = ids('a b c d e f . .')
  segments = jnp.asarray([1, 1, 1, 2, 2, 2, 0, 0])
  mask = jnp.asarray([0, 0, 1, 1, 0, 1, 0, 0], bool)
  shown, shown_segments = noise.show_sentinels(
      tokens, segments, mask, 8, VOCABULARY)
  target, target_segments = noise.target_spans(
      tokens, segments, mask, 7, VOCABULARY)
  assert show(shown) == 'a b <X> e <Y> </s> . .'
  assert shown_segments.tolist() == [1, 1, 1, 2, 2, 2, 0, 0]
  assert show(target) == '<X> c d <Y> f </s> .'
  assert target_segments.tolist() == [1, 1, 2, 2, 2, 2, 0]


def test_channel_shares():
  tokens = jnp.full((50,), VOCABULARY.text_start, jnp.int32)
  mask = jnp.arange(50) < 40
  shown, hidden = jax.vmap(lambda key: noise.show_channel(
      key, tokens, mask, 0.8, 0.1, VOCABULARY))(KEYS[:1000])
  shown, hidden = np.asarray(shown), np.asarray(hidden)
  assert np.all(shown[:, 40:] == tokens[0]) and not np.any(hidden[:, 40:])
  masked = shown[:, :40] == VOCABULARY.mask_id
  assert masked.mean() == pytest.approx(0.8, abs=0.01)
  assert hidden[:, :40].mean() == pytest.approx(0.9, abs=0.01)
  random = shown[:, :40][hidden[:, :40] & ~masked]
  assert random.min() >= VOCABULARY.text_start
  assert random.max() < VOCABULARY.text_end
  # Uniform over 26 text ids, the original included.
  assert np.mean(random == tokens[0]) == pytest.approx(1 / 26, abs=0.01)


def test_channel_marks_kept_tokens_as_seen():
  tokens = ids('a b c d')
  mask = jnp.ones(4, bool)
  shown, hidden = noise.show_channel(
      KEYS[0], tokens, mask, 0.0, 0.0, VOCABULARY)
  assert show(shown) == 'a b c d' and not np.any(hidden)


def test_every_layout_has_the_same_probability_as_enumerated():
  # Parts of 4 items into 2: (1,3), (2,2), (3,1), a third each.
  lengths = jax.vmap(lambda key: noise._random_parts(
      stream(key, 'x'), 5, 4, 2, 2))(KEYS)
  counts = collections.Counter(map(tuple, np.asarray(lengths).tolist()))
  expected = {pair for pair in itertools.product(range(1, 4), repeat=2)
              if sum(pair) == 4}
  assert set(counts) == expected
  for count in counts.values():
    assert count == pytest.approx(len(KEYS) / 3, abs=100)


@pytest.mark.parametrize('segments,expected', [
    ([1, 1, 2], [1]), ([0, 0, 0], [0])])
def test_the_end_of_nothing_is_the_first_documents_or_padding(
    segments, expected):
  nothing = jnp.zeros((3,), bool)
  tokens, found = noise.compact(
      [(nothing, jnp.zeros((3,), jnp.int32), ids('a b c'))],
      jnp.asarray(segments), 0, 2, VOCABULARY.eos_id)
  assert show(tokens) == '</s> .' and found.tolist() == [*expected, 0]
