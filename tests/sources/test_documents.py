"""Laws of whole documents against enumeration; property-tested."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptm_jax.errors import ConfigError
from ptm_jax.find import find

SMALL = {'cipher': {'words': 2, 'sentence_length': 2, 'noise': 0.3,
                    'concentration': 1.0},
         'copying': {'symbols': 2, 'shortest': 1, 'longest': 3,
                     'repeat': 0.6}}


def law_of(name, **fields):
  source = find('sources', name)(**{**SMALL[name], **fields})
  source.validate()
  return source.law()


def of_cipher(law, text):
  """p of a text, pair by pair."""
  size, words = law.sentence_length, len(law.channel)
  chance = 1.0
  for begin in range(0, len(text), 2 * size):
    first = text[begin:begin + size]
    second = np.subtract(text[begin + size:begin + 2 * size], words)
    if np.any(np.asarray(first) >= words) or np.any(second < 0):
      return 0.0
    chance *= law.chain.start[first[0]]
    for a, b in itertools.pairwise(first):
      chance *= law.chain.transition[a, b]
    for a, b in zip(first, second):
      chance *= law.channel[a, b]
  return chance


def of_copying(law, text):
  """p of a text: each segment is the one before it, or any."""
  chances = []
  for size in law.lengths:
    parts = [text[i:i + size] for i in range(0, len(text), size)]
    chance = float(law.num_symbols) ** -len(parts[0])
    for last, part in itertools.pairwise(parts):
      chance *= law.repeat * (last[:len(part)] == part) + (
          1 - law.repeat) * float(law.num_symbols) ** -len(part)
    chances.append(chance)
  return np.mean(chances)


OF = {'cipher': of_cipher, 'copying': of_copying}


def joint(name, law, length):
  """p of every text, `[V] * length`."""
  shape = (law.num_symbols,) * length
  return np.reshape([OF[name](law, text) for text in itertools.product(
      range(law.num_symbols), repeat=length)], shape)


@pytest.mark.parametrize('name', sorted(SMALL))
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_posteriors_are_those_of_enumeration(name, seed, length):
  rng, law = np.random.default_rng(seed), law_of(name)
  length = min(length, 5 if name == 'cipher' else 6)
  table = joint(name, law, length)
  text = law.sample(rng, 1, length)
  kinds = rng.integers(0, 3, length)
  evidence = law.evidence(np.where(kinds == 1, text, -1))
  evidence[0, kinds == 2] = rng.random((np.sum(kinds == 2), law.num_symbols))
  for target in range(length):
    places = {'before': range(target), 'behind': range(target + 1, length),
              'around': [i for i in range(length) if i != target]}
    for ask, seen in places.items():
      found = getattr(law, ask)(evidence)[0, target]
      weighed = table
      for place in seen:
        shape = [1] * length
        shape[place] = -1
        weighed = weighed * evidence[0, place].reshape(shape)
      exact = weighed.sum(tuple(i for i in range(length) if i != target))
      np.testing.assert_allclose(found, exact / exact.sum(), atol=1e-10)


@pytest.mark.parametrize('name', sorted(SMALL))
def test_the_chain_rule_closes(name):
  rng, law = np.random.default_rng(0), law_of(name)
  texts = law.sample(rng, 20, 6)
  exact = [np.log(OF[name](law, tuple(row))) for row in texts]
  np.testing.assert_allclose(law.log_likelihood(texts), exact, atol=1e-10)
  picked = texts[..., None]
  right = np.take_along_axis(law.behind(law.evidence(texts)), picked, 2)
  np.testing.assert_allclose(np.log(right).sum((1, 2)), exact, atol=1e-10)
  total, shown = 0, np.full_like(texts, -1)
  for place in rng.permutation(6):
    around = law.around(law.evidence(shown))
    shown[:, place] = texts[:, place]
    total += np.log(np.take_along_axis(around, picked, 2)[:, place, 0])
  np.testing.assert_allclose(total, exact, atol=1e-10)


@pytest.mark.parametrize('name', sorted(SMALL))
def test_documents_of_a_row_are_independent(name):
  law = law_of(name)
  rows = law.sample(np.random.default_rng(1), 2, 4)
  row = np.concatenate([rows[0], rows[1], [0]])[None]
  segments = np.array([[1] * 4 + [2] * 4 + [0]])
  np.testing.assert_allclose(law.log_likelihood(row, segments),
                             law.log_likelihood(rows).sum(), atol=1e-12)
  for ask in 'before', 'behind', 'around':
    alone = getattr(law, ask)(law.evidence(rows))
    both = getattr(law, ask)(law.evidence(row), segments)[0, :8]
    np.testing.assert_allclose(both.reshape(alone.shape), alone, atol=1e-12)


@pytest.mark.parametrize('name', sorted(SMALL))
def test_samples_follow_the_law(name):
  law = law_of(name)
  texts = law.sample(np.random.default_rng(0), 40_000, 5)
  counts = np.zeros((law.num_symbols,) * 5)
  np.add.at(counts, tuple(texts.T), 1)
  expected = joint(name, law, 5)
  assert expected.sum() == pytest.approx(1)
  error = np.sqrt(expected * (1 - expected) / 40_000)
  assert np.all(np.abs(counts / 40_000 - expected) <= 4.5 * error + 1e-12)


def entropy(chances):
  chances = chances[chances > 0]
  return -np.sum(chances * np.log(chances))


def test_entropy_rates():
  law = law_of('cipher')
  assert law.entropy_rate() == pytest.approx(
      [entropy(joint('cipher', law, 4)) / 4] * 2, abs=1e-12)
  # Of segments of 2: what a third adds to two.
  law = law_of('copying', shortest=2, longest=2)
  added = entropy(joint('copying', law, 6)) - entropy(joint('copying', law, 4))
  assert law.entropy_rate() == pytest.approx([added / 2] * 2, abs=1e-12)


def test_long_documents_do_not_underflow():
  for name in SMALL:
    law = find('sources', name)().law()
    texts = law.sample(np.random.default_rng(0), 2, 256)
    found = law.log_likelihood(texts)
    assert np.all(np.isfinite(found)) and np.all(found < -200)
    np.testing.assert_allclose(
        law.around(law.evidence(texts)).sum(-1), 1, atol=1e-9)


@pytest.mark.parametrize('name,fields,found', [
    ('cipher', {'words': 1}, 'words=1'), ('cipher', {'noise': 1.0}, 'noise=1'),
    ('cipher', {'words': 5000}, 'words=5000'),
    ('copying', {'repeat': 0.0}, 'repeat=0.0'),
    ('copying', {'longest': 2}, 'longest=2'),
    ('copying', {'symbols': 1}, 'symbols=1')])
def test_bad_fields_are_one_line(name, fields, found):
  with pytest.raises(ConfigError, match=found):
    find('sources', name)(**fields).validate()
