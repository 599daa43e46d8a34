"""Every law against enumeration of all texts; property-tested."""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptm_jax.errors import ConfigError
from ptm_jax.find import find, names
from ptm_jax.sources import cipher, copying, grammar
from ptm_jax.sources.chain import Chain
from ptm_jax.sources.law import Law

SMALL = {'topics': {'topics': 2, 'roles': 2, 'classes': 2, 'symbols': 3,
                    'sentence_length': 2, 'concentration': 1.0},
         'brackets': {'kinds': 1, 'depth': 2, 'opening': 0.3},
         'hidden_markov': {'states': 2, 'symbols': 3, 'concentration': 1.0},
         'markov': {'order': 2, 'symbols': 3, 'concentration': 1.0},
         'words': {'classes': 2, 'words': 3, 'letters': 4, 'longest': 2},
         'zipf': {'symbols': 4},
         'cipher': {'words': 2, 'sentence_length': 2, 'noise': 0.3,
                    'concentration': 1.0},
         'copying': {'symbols': 2, 'shortest': 1, 'longest': 3,
                     'repeat': 0.6},
         'grammar': {'nonterminals': 3, 'symbols': 3, 'length': 4,
                     'rule_concentration': 1.0, 'concentration': 1.0}}
KINDS = 'chain', 'cipher', 'copying', 'grammar'


def law_of(name, **fields):
  source = find('sources', name)(**{**SMALL[name], **fields})
  source.validate()
  return source.law()


def drawn(kind, rng):
  """A random chain, or the law of one source."""
  return random_chain(rng) if kind == 'chain' else law_of(kind)


def random_chain(rng):
  states, symbols = rng.integers(1, 4), rng.integers(2, 5)
  start = rng.dirichlet(np.ones(states)) if rng.random() < .5 else None
  return Chain(rng.dirichlet(np.ones(states), states),
               rng.dirichlet(np.ones(symbols), states), start=start)


def of_chain(law, length):
  """p of every text, by summing over every path of states."""
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


def of_tree(law, root, length):
  """p of every text of a tree with this root, by listing all trees."""
  if length == 1:
    return law.emission[root]
  found = np.zeros((law.num_symbols,) * length)
  for left in range(1, length):
    for one, other in np.ndindex(*law.rules.shape[1:]):
      found += law.rules[root, one, other] * np.multiply.outer(
          of_tree(law, one, left), of_tree(law, other, length - left))
  return found


def of_grammar(law, length):
  """p of every text: sentences, the last of which may be cut."""
  whole = of_tree(law, 0, law.length)
  found, whole = np.ones(()), whole / whole.sum()
  while found.ndim < length:
    found = np.multiply.outer(found, whole)
  return found.sum(tuple(range(length, found.ndim)))


def joint(law, length):
  """p of every text, `[V] * length`."""
  if isinstance(law, Chain):
    return of_chain(law, length)
  if isinstance(law, grammar.Grammar):
    return of_grammar(law, length)
  of = {cipher.Cipher: of_cipher, copying.Copying: of_copying}[type(law)]
  return np.reshape([of(law, text) for text in itertools.product(
      range(law.num_symbols), repeat=length)], (law.num_symbols,) * length)


def enumerated(table, evidence, places, target):
  """p(symbol at `target` | evidence at `places`), of a `joint`."""
  for place in places:
    shape = [1] * table.ndim
    shape[place] = -1
    table = table * evidence[place].reshape(shape)
  law = table.sum(tuple(i for i in range(table.ndim) if i != target))
  return law / law.sum()


@pytest.mark.parametrize('kind', KINDS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_posteriors_are_those_of_enumeration(kind, seed, length):
  rng = np.random.default_rng(seed)
  law = drawn(kind, rng)
  table, text = joint(law, length), law.sample(rng, 1, length)
  # Nothing, a symbol, or what a noisy channel shows of it.
  kinds = rng.integers(0, 3, length)
  evidence = law.evidence(np.where(kinds == 1, text, -1))
  evidence[0, kinds == 2] = rng.random((np.sum(kinds == 2), law.num_symbols))
  for name, seen in (('before', np.less), ('behind', np.greater),
                     ('around', np.not_equal)):
    found = getattr(law, name)(evidence)[0]
    for target in range(length):
      places = np.flatnonzero(seen(np.arange(length), target))
      np.testing.assert_allclose(
          found[target], enumerated(table, evidence[0], places, target),
          rtol=0, atol=1e-10)


@pytest.mark.parametrize('kind', KINDS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_the_chain_rule_closes(kind, seed, length):
  rng = np.random.default_rng(seed)
  law = drawn(kind, rng)
  texts = law.sample(rng, 3, length)
  table = joint(law, length)
  exact = [np.log(table[tuple(row)]) for row in texts]
  np.testing.assert_allclose(law.log_likelihood(texts), exact, atol=1e-10)
  picked = texts[..., None]
  for name in 'before', 'behind':
    found = getattr(law, name)(law.evidence(texts))
    found = np.take_along_axis(found, picked, 2)
    np.testing.assert_allclose(np.log(found).sum((1, 2)), exact, atol=1e-10)
  # In any order, each place given those that were uncovered before it.
  total, shown = 0, np.full_like(texts, -1)
  for place in rng.permutation(length):
    around = law.around(law.evidence(shown))
    shown[:, place] = texts[:, place]
    total += np.log(np.take_along_axis(around, picked, 2)[:, place, 0])
  np.testing.assert_allclose(total, exact, atol=1e-10)


@pytest.mark.parametrize('kind', KINDS)
def test_segments_are_independent_and_padding_counts_nothing(kind):
  rng = np.random.default_rng(1)
  law = drawn(kind, rng)
  rows = law.sample(rng, 2, 4)
  row = np.concatenate([rows[0], rows[1], [0]])[None]
  segments = np.array([[1] * 4 + [2] * 4 + [0]])
  np.testing.assert_allclose(law.log_likelihood(row, segments),
                             law.log_likelihood(rows).sum(), atol=1e-12)
  for name in 'before', 'behind', 'around':
    alone = getattr(law, name)(law.evidence(rows))
    both = getattr(law, name)(law.evidence(row), segments)[0, :8]
    np.testing.assert_allclose(both.reshape(alone.shape), alone, atol=1e-12)


@pytest.mark.parametrize('name', sorted(SMALL))
def test_samples_follow_the_law(name):
  law = law_of(name)
  texts = law.sample(np.random.default_rng(0), 40_000, 4)
  counts = np.zeros((law.num_symbols,) * 4)
  np.add.at(counts, tuple(texts.T), 1)
  expected = joint(law, 4)
  assert expected.sum() == pytest.approx(1)
  error = np.sqrt(expected * (1 - expected) / 40_000)
  assert np.all(np.abs(counts / 40_000 - expected) <= 4.5 * error + 1e-12)


def test_every_source_is_tested():
  assert set(SMALL) == set(names('sources'))


def entropy(chances):
  chances = chances[chances > 0]
  return -np.sum(chances * np.log(chances))


def test_entropy_rates_that_are_exact():
  law = law_of('cipher')
  assert law.entropy_rate() == pytest.approx(
      [entropy(joint(law, 4)) / 4] * 2, abs=1e-12)
  # Of segments of 2: what a third adds to two.
  law = law_of('copying', shortest=2, longest=2)
  added = entropy(joint(law, 6)) - entropy(joint(law, 4))
  assert law.entropy_rate() == pytest.approx([added / 2] * 2, abs=1e-12)


def test_the_entropy_rate_of_a_grammar_is_between_its_bounds():
  law = law_of('grammar')
  lower, upper = law.entropy_rate()
  assert lower < entropy(joint(law, 4)) / 4 < upper < lower + 0.02


@pytest.mark.parametrize('name', ['cipher', 'copying', 'grammar'])
def test_long_documents_do_not_underflow(name):
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
    ('copying', {'symbols': 1}, 'symbols=1'),
    ('grammar', {'length': 65}, 'length=65'),
    ('grammar', {'nonterminals': 33}, 'nonterminals=33'),
    ('grammar', {'rule_concentration': 0.0}, 'rule_concentration=0.0')])
def test_bad_fields_are_one_line(name, fields, found):
  with pytest.raises(ConfigError, match=found):
    find('sources', name)(**fields).validate()


def all_noises(table, clean, noisy, sizes, segments):
  """`among_noise` of one row, by every set of noisy places."""
  length = table.ndim
  found = np.zeros((length, 2, table.shape[0]))
  real = [i for i in range(length) if segments[i]]
  places = [i for i in real if noisy[i].any()]
  for size in range(min(len(sizes), len(places) + 1)):
    for chosen in itertools.combinations(places, size):
      weight = table * sizes[size] / math.comb(len(places), size)
      for place in real:
        shape = [1] * length
        shape[place] = -1
        weight = weight * (noisy if place in chosen else clean)[place].reshape(
            shape)
      for place in range(length):
        found[place, int(place in chosen)] += weight.sum(
            tuple(i for i in range(length) if i != place))
  return found / found.sum((1, 2), keepdims=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_counted_noise_is_that_of_enumeration(seed, length):
  rng = np.random.default_rng(seed)
  law = random_chain(rng)
  segments = np.sort(rng.integers(1, 3, length))
  segments[rng.random(length) < .2] = 0
  table = np.ones(())
  for begin, end in _stretches(segments):
    part = (joint(law, end - begin) if segments[begin] else
            np.ones((law.num_symbols,) * (end - begin)))
    table = np.multiply.outer(table, part)
  clean, noisy = rng.random((2, length, law.num_symbols))
  noisy[rng.random(length) < .2] = 0
  sizes = rng.random(rng.integers(1, length + 2))
  found = law.among_noise(clean[None], noisy[None], sizes[None],
                          segments[None])[0]
  exact = all_noises(table, clean, noisy, sizes, segments)
  np.testing.assert_allclose(found[segments > 0], exact[segments > 0],
                             rtol=0, atol=1e-10)


def _stretches(segments):
  cuts = np.flatnonzero(np.diff(segments)) + 1
  return itertools.pairwise([0, *cuts.tolist(), len(segments)])


@pytest.mark.parametrize('kind', ['chain', 'copying'])
def test_independent_noise_is_that_of_enumeration(kind):
  """Where it is not counted; and both agree on noise that is independent."""
  rng = np.random.default_rng(3)
  law, length, rate = drawn(kind, rng), 4, 0.3
  clean, noisy = rng.random((2, 1, length, law.num_symbols))
  sizes = np.array([[math.comb(length, size) * rate ** size * (
      1 - rate) ** (length - size) for size in range(length + 1)]])
  segments = np.ones((1, length), int)
  exact = all_noises(joint(law, length), clean[0], noisy[0], sizes[0],
                     segments[0])
  for among in law.among_noise, functools.partial(Law.among_noise, law):
    np.testing.assert_allclose(among(clean, noisy, sizes, segments)[0],
                               exact, rtol=0, atol=1e-10)
