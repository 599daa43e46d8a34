"""What is peculiar to chains, and the sources that are made of one."""

import copy

import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.sources.chain import Chain
from tests.sources.test_laws import SMALL, entropy, joint



def test_without_evidence_every_place_has_the_stationary_law():
  law = Chain([[.9, .1], [.4, .6]], [[.7, .3, 0], [.2, .3, .5]])
  nothing = np.ones((1, 4, law.num_symbols))
  for name in 'before', 'behind', 'around':
    np.testing.assert_allclose(
        getattr(law, name)(nothing)[0],
        np.tile(law.start @ law.emission, (4, 1)), atol=1e-12)


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


def test_an_entropy_rate_is_that_of_the_long_run():
  # A first state that is left for ever, after 200 symbols in the mean; then
  # two in turn, of which each is a fair coin on symbols of its own.
  law = Chain([[.995, .005, 0], [0, 0, 1], [0, 1, 0]],
              [[.9, .1, 0, 0], [.5, .5, 0, 0], [0, 0, .5, .5]],
              start=[1, 0, 0])
  assert law.entropy_rate() == pytest.approx([np.log(2)] * 2, abs=1e-9)


@pytest.mark.parametrize('name', ['hidden_markov', 'topics'])
def test_the_bounds_of_the_default_sources_are_close(name):
  lower, upper = find('sources', name)().law().entropy_rate()
  assert 2.95 < lower <= upper < lower + 1e-3 < 2.97


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
