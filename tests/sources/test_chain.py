"""Chains against enumeration of all sequences; property-tested."""

import copy
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptm_jax.errors import ConfigError
from ptm_jax.find import find, names
from ptm_jax.sources.chain import Chain
from tests.sources import test_documents

SMALL = {'topics': {'topics': 2, 'roles': 2, 'classes': 2, 'symbols': 3,
                    'sentence_length': 2, 'concentration': 1.0},
         'brackets': {'kinds': 1, 'depth': 2, 'opening': 0.3},
         'hidden_markov': {'states': 2, 'symbols': 3, 'concentration': 1.0},
         'markov': {'order': 2, 'symbols': 3, 'concentration': 1.0},
         'words': {'classes': 2, 'words': 3, 'letters': 4, 'longest': 2},
         'zipf': {'symbols': 4}}


def random_chain(rng):
  states, symbols = rng.integers(1, 4), rng.integers(2, 5)
  start = rng.dirichlet(np.ones(states)) if rng.random() < .5 else None
  return Chain(rng.dirichlet(np.ones(states), states),
               rng.dirichlet(np.ones(symbols), states), start=start)


def joint(law, length):
  """p of every sequence, by summing over every path of states."""
  states, symbols = law.emission.shape
  found = np.zeros((symbols,) * length)
  for path in itertools.product(range(states), repeat=length):
    chance = law.start[path[0]] * np.prod(
        [law.transition[a, b] for a, b in itertools.pairwise(path)])
    part = chance
    for state in path:
      part = np.multiply.outer(part, law.emission[state])
    found += part
  return found


def enumerated(law, evidence, places, target):
  """p(symbol at `target` | evidence at `places`), from `joint`."""
  length = len(evidence)
  table = joint(law, length)
  for place in places:
    shape = [1] * length
    shape[place] = -1
    table = table * evidence[place].reshape(shape)
  other = tuple(place for place in range(length) if place != target)
  law_of_target = table.sum(other)
  return law_of_target / law_of_target.sum()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_posteriors_are_those_of_enumeration(seed, length):
  rng = np.random.default_rng(seed)
  law = random_chain(rng)
  # Nothing, a symbol, or what a noisy channel shows of it.
  kinds = rng.integers(0, 3, length)
  symbols = rng.integers(0, law.num_symbols, length)
  evidence = law.evidence(np.where(kinds == 1, symbols, -1)[None])[0]
  evidence[kinds == 2] = rng.random((np.sum(kinds == 2), law.num_symbols))
  found = {name: getattr(law, name)(evidence[None])[0]
           for name in ('before', 'behind', 'around')}
  for target in range(length):
    places = {'before': range(target), 'behind': range(target + 1, length),
              'around': [i for i in range(length) if i != target]}
    for name, given_ in places.items():
      np.testing.assert_allclose(
          found[name][target], enumerated(law, evidence, given_, target),
          rtol=0, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_chain_rule_closes(seed, length):
  rng = np.random.default_rng(seed)
  law = random_chain(rng)
  symbols = law.sample(rng, 3, length)
  table = joint(law, length)
  exact = [np.log(table[tuple(row)]) for row in symbols]
  np.testing.assert_allclose(law.log_likelihood(symbols), exact, atol=1e-10)
  picked = symbols[..., None]
  left = np.take_along_axis(law.before(law.evidence(symbols)), picked, 2)
  right = np.take_along_axis(law.behind(law.evidence(symbols)), picked, 2)
  np.testing.assert_allclose(np.log(left).sum((1, 2)), exact, atol=1e-10)
  np.testing.assert_allclose(np.log(right).sum((1, 2)), exact, atol=1e-10)
  # In any order, each place given those that were uncovered before it.
  total, shown = 0, np.full_like(symbols, -1)
  for place in rng.permutation(length):
    around = law.around(law.evidence(shown))
    shown[:, place] = symbols[:, place]
    total += np.log(np.take_along_axis(around, picked, 2)[:, place, 0])
  np.testing.assert_allclose(total, exact, atol=1e-10)


def test_without_evidence_every_place_has_the_stationary_law():
  law = Chain([[.9, .1], [.4, .6]], [[.7, .3, 0], [.2, .3, .5]])
  nothing = np.ones((1, 4, law.num_symbols))
  for name in 'before', 'behind', 'around':
    np.testing.assert_allclose(
        getattr(law, name)(nothing)[0],
        np.tile(law.start @ law.emission, (4, 1)), atol=1e-12)


def test_segments_are_independent_and_padding_counts_nothing():
  rng = np.random.default_rng(1)
  law = random_chain(rng)
  rows = law.sample(rng, 2, 3)
  row = np.concatenate([rows[0], rows[1], [0]])[None]
  segments = np.array([[1, 1, 1, 2, 2, 2, 0]])
  np.testing.assert_allclose(law.log_likelihood(row, segments),
                             law.log_likelihood(rows).sum(), atol=1e-12)
  for name in 'before', 'behind', 'around':
    alone = getattr(law, name)(law.evidence(rows))
    both = getattr(law, name)(law.evidence(row), segments)[0, :6]
    np.testing.assert_allclose(both.reshape(alone.shape), alone, atol=1e-12)


@pytest.mark.parametrize('name', sorted(SMALL))
def test_samples_follow_the_law(name):
  source = find('sources', name)(**SMALL[name])
  source.validate()
  law = source.law()
  symbols = law.sample(np.random.default_rng(0), 40_000, 3)
  counts = np.zeros((law.num_symbols,) * 3)
  np.add.at(counts, tuple(symbols.T), 1)
  expected = joint(law, 3)
  error = np.sqrt(expected * (1 - expected) / 40_000)
  assert np.all(np.abs(counts / 40_000 - expected) <= 4.5 * error + 1e-12)


def test_every_source_is_tested():
  assert {*SMALL, *test_documents.SMALL} == set(names('sources'))


def test_entropy_rates():
  shares = np.array([1, 1 / 2, 1 / 3, 1 / 4])
  shares /= shares.sum()
  zipf = find('sources', 'zipf')(symbols=4).law()
  assert zipf.entropy_rate() == pytest.approx(
      [-np.sum(shares * np.log(shares))] * 2, abs=1e-12)
  # Two symbols; a stays with .9, b with .6: stationary .8 and .2.
  law = Chain([[.9, .1], [.4, .6]], np.eye(2))
  exact = -.8 * (.9 * np.log(.9) + .1 * np.log(.1)) - .2 * (
      .6 * np.log(.6) + .4 * np.log(.4))
  assert law.entropy_rate() == pytest.approx([exact] * 2, abs=1e-12)
  # The history tells the state, though one symbol does not.
  law = find('sources', 'markov')(**SMALL['markov']).law()
  rows = law.transition[law.transition > 0].reshape(9, 3)
  exact = -np.sum(law.start[:, None] * rows * np.log(rows))
  assert law.entropy_rate() == pytest.approx([exact] * 2, abs=1e-12)


@pytest.mark.parametrize('emission', [
    [[.7, .3], [.3, .7]], [[.5, .5, 0], [0, .5, .5]]])
def test_bounds_of_an_entropy_rate_hold_what_enumeration_bounds(emission):
  # No symbol tells which of two states it came from.
  law, length = Chain([[.9, .1], [.4, .6]], emission), 9
  def entropy(chances):
    chances = chances[chances > 0]
    return -np.sum(chances * np.log(chances))
  def of_next(law):
    longer, shorter = joint(law, length), joint(law, length - 1)
    return entropy(longer) - entropy(shorter)
  above, below = of_next(law), 0.0
  for state, share in enumerate(law.start):
    known = copy.copy(law)
    known.start = np.eye(2)[state]
    below += share * of_next(known)
  lower, upper = law.entropy_rate()
  assert lower <= above and below <= upper and above - below < 5e-3
  assert 0 < upper - lower < 1e-3


def test_the_bounds_of_the_default_source_are_close():
  lower, upper = find('sources', 'hidden_markov')().law().entropy_rate()
  assert 2.95 < lower < upper < lower + 1e-3


def test_text_is_made_of_the_words_and_a_symbol_tells_where_they_begin():
  source = find('sources', 'words')()
  known = {tuple(word) for word in source.spellings()}
  for row in source.law().sample(np.random.default_rng(0), 50, 40):
    starts = np.flatnonzero(row < source.word_starts)
    for begin, end in zip(starts, starts[1:]):
      assert tuple(row[begin:end]) in known


def test_sentences_of_a_document_share_its_topic_and_have_an_order():
  source = find('sources', 'topics')(advance=1e-9, classes=2, role_share=0.01)
  law, rng = source.law(), np.random.default_rng(0)
  rows = law.sample(rng, 200, 16)
  other = np.concatenate([rows[:, :8], np.roll(rows[:, 8:], 1, 0)], 1)
  apart = np.repeat([[1, 2]], 8, 1).repeat(200, 0).reshape(200, 16)
  def surer(rows):
    return law.log_likelihood(rows) - law.log_likelihood(rows, apart)
  assert np.mean(surer(rows) > 0) > .9 and np.mean(surer(other) < 0) > .6
  swapped = np.roll(rows, 8, 1)  # sentences without an order
  np.testing.assert_allclose(law.log_likelihood(rows),
                             law.log_likelihood(swapped), atol=1e-9)
  law = find('sources', 'topics')().law()
  rows = law.sample(rng, 200, 16)
  swapped = np.roll(rows, 8, 1)
  assert np.mean(law.log_likelihood(rows) > law.log_likelihood(swapped)) > .6


@pytest.mark.parametrize('name,fields,found', [
    ('topics', {'topics': 1}, 'topics=1'),
    ('topics', {'classes': 100}, 'classes=100'),
    ('topics', {'role_share': 0.0}, 'role_share=0.0'),
    ('topics', {'advance': 1.0}, 'advance=1.0'),
    ('words', {'words': 5000}, 'words=5000'),
    ('brackets', {'depth': 99}, 'depth=99'),
    ('brackets', {'opening': 1.0}, 'opening=1.0'),
    ('hidden_markov', {'states': 0}, 'states=0'),
    ('hidden_markov', {'stickiness': 1.0}, 'stickiness=1.0'),
    ('markov', {'order': 9}, 'order=9'), ('zipf', {'symbols': 1}, 'symbols=1')])
def test_bad_fields_are_one_line(name, fields, found):
  with pytest.raises(ConfigError, match=found):
    find('sources', name)(**fields).validate()
