"""What is hidden together: hand examples and the papers' laws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.objectives import units

KEYS = jax.random.split(jax.random.key(5), 4000)
# the un ##believ ##able sto ##ry
STARTS = jnp.asarray([1, 1, 0, 0, 1, 0], bool)
ALL = jnp.ones(6, bool)


def example(flags, segments, candidates):
  return {'flags': jnp.asarray(flags, jnp.uint8),
          'segment_ids': jnp.asarray(segments),
          'candidates': jnp.asarray(candidates, bool)}


def fixed(monkeypatch, order, lengths):
  """Takes the draws out of `runs` and `spans`."""
  rest = [place for place in range(20) if place not in order]
  monkeypatch.setattr(units, '_shuffled', lambda key, which: jnp.asarray(
      [*order, *rest][:which.shape[0]]))
  monkeypatch.setattr(units, 'draw_lengths', lambda key, length, law: (
      jnp.asarray(lengths)))


def places(hidden):
  return np.flatnonzero(hidden).tolist()


def test_words_start_at_flags_documents_and_cuts():
  # [CLS] text [SEP] padding; the window begins inside a word, and a second
  # document without a flag begins at 5.
  starts = units.word_starts(example(
      [0, 0, 1, 0, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 2, 2, 2, 0],
      [0, 1, 1, 1, 1, 1, 1, 0, 0]))
  assert starts.astype(int).tolist() == [1, 1, 1, 0, 1, 1, 0, 1, 1]


def test_marked_words_are_one_unit_and_parts_of_words_units():
  # Words at 1, 3, 4, 6; an entity from 3 to 4, and one inside the word at 6.
  starts = units.marked_starts(
      example([0, 1, 0, 1, 1, 0, 1, 0, 0, 0], [1] * 10,
              [0, 1, 1, 1, 1, 1, 1, 1, 1, 0]),
      jnp.asarray([0, 0, 0, 1, 2, 2, 0, 1, 0, 0]))
  assert starts.astype(int).tolist() == [1, 1, 0, 1, 0, 0, 1, 1, 1, 1]


def test_an_entity_cut_by_the_window_starts_it():
  starts = units.marked_starts(
      example([0, 1, 1, 0], [1] * 4, [0, 1, 1, 0]), jnp.asarray([0, 2, 2, 0]))
  assert starts.astype(int).tolist() == [1, 1, 0, 1]


def test_whole_words_that_do_not_fit_are_left_out(monkeypatch):
  # Card 5: 3 tokens, words in the order {4, 5}, {1, 2, 3}, {0}.
  fixed(monkeypatch, [4, 1, 0], [1] * 6)
  hidden = units.runs(KEYS[0], STARTS, ALL, 3, units.ngram_law(1))
  assert places(hidden) == [0, 4, 5]


def test_a_run_is_shortened_and_one_that_touches_left_out(monkeypatch):
  # One token a word. Run 2-4; then one of 3 at 1 that touches it is left out
  # where 2 tokens are left and it is 1-2; one at 6 fits with 2 of its 3.
  fixed(monkeypatch, [2, 1, 6], [3] * 8)
  starts = jnp.ones(8, bool)
  hidden = units.runs(KEYS[0], starts, starts, 5, units.ngram_law(3))
  assert places(hidden) == [2, 3, 4, 6, 7]


def test_a_run_ends_with_the_text(monkeypatch):
  fixed(monkeypatch, [4], [3] * 6)
  candidates = jnp.asarray([0, 1, 1, 1, 1, 0], bool)
  hidden = units.runs(KEYS[0], jnp.ones(6, bool), candidates, 3,
                      units.ngram_law(3))
  assert places(hidden)[-1] == 4


def test_a_span_begins_with_its_word_and_stops_at_the_count(monkeypatch):
  # Token 3 is in the word 1-3; its span has two words, 1-5, cut behind 4.
  fixed(monkeypatch, [3], [2] * 6)
  hidden = units.spans(KEYS[0], STARTS, ALL, 4, units.geometric_law(0.2, 10))
  assert places(hidden) == [1, 2, 3, 4]


def test_spans_may_overlap_and_hidden_tokens_are_not_drawn(monkeypatch):
  # 4-5; then 5 is hidden already; then 3-4 and on to 5: one more, 3.
  fixed(monkeypatch, [4, 5, 3], [2] * 6)
  ones = jnp.ones(6, bool)
  hidden = units.spans(KEYS[0], ones, ones, 3, units.geometric_law(0.2, 10))
  assert places(hidden) == [3, 4, 5]


def test_units_are_independent_and_whole(monkeypatch):
  draws = jnp.asarray([.1, .9, .0, .0, .12, .9])
  monkeypatch.setattr(jax.random, 'uniform', lambda key, shape: draws)
  hide = functools.partial(units.independent, None, STARTS, ALL, 0.15)
  # The draw of a unit's first token decides.
  assert places(hide(6)) == [0, 4, 5]
  # No room for all of the last unit.
  assert places(hide(2)) == [0]


def test_albert_law():
  # 6/11, 3/11, 2/11. Of 3 tokens, one run of 3 in 22 of 121 cases, three runs
  # of 1 in 36, and 63 with a run of 2, be it the first or what then fits.
  np.testing.assert_allclose(units.ngram_law(3), [6 / 11, 9 / 11, 1], 1e-6)
  ones = jnp.ones(400, bool)
  hidden = np.asarray(jax.jit(jax.vmap(lambda key: units.runs(
      key, ones, ones, 3, units.ngram_law(3))))(KEYS))
  assert np.all(hidden.sum(1) == 3)
  count = _run_counts(hidden)
  for number, expected in ((1, 22 / 121), (2, 63 / 121), (3, 36 / 121)):
    # Four standard errors, and 2 % for runs that happen to touch.
    assert np.mean(count == number) == pytest.approx(expected, abs=0.05)


def test_spanbert_law():
  # Geometric(.2) on 1..10, renormalised: mean 3.797, not 4.463 of clamping.
  law = units.geometric_law(0.2, 10)
  masses = np.diff(law, prepend=0)
  assert masses[0] == pytest.approx(0.2 / (1 - 0.8**10))
  assert masses[9] == pytest.approx(0.2 * 0.8**9 / (1 - 0.8**10), rel=1e-4)
  lengths = np.asarray(units.draw_lengths(KEYS[0], 40000, law))
  assert lengths.mean() == pytest.approx(3.797, abs=0.05)
  assert (lengths.min(), lengths.max()) == (1, 10)
  # With 10 tokens to hide, the number of spans follows from the law.
  expected = [0.0]
  for left in range(1, 11):
    expected.append(1 + sum(masses[n - 1] * expected[left - n]
                            for n in range(1, left)))
  ones = jnp.ones(2000, bool)
  hidden = np.asarray(jax.jit(jax.vmap(lambda key: units.spans(
      key, ones, ones, 10, law)))(KEYS[:2000]))
  assert np.all(hidden.sum(1) == 10)
  assert _run_counts(hidden).mean() == pytest.approx(expected[10], abs=0.12)


def _run_counts(hidden):
  return np.sum(hidden & ~np.pad(hidden, ((0, 0), (1, 0)))[:, :-1], 1)


def test_ernie_rate_is_that_of_units():
  starts = jnp.asarray(([1, 0, 0] + [1] * 3) * 20, bool)
  hidden = np.asarray(jax.jit(jax.vmap(lambda key: units.independent(
      key, starts, jnp.ones(120, bool), 0.15, 120)))(KEYS[:1000]))
  assert hidden[:, np.asarray(starts)].mean() == pytest.approx(0.15, abs=0.006)
  long = hidden.reshape(-1, 6)[:, :3]
  assert np.all(long == long[:, :1]), 'a unit is hidden as a whole'
