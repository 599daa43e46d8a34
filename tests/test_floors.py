"""Floors against enumeration of all texts; a leak is caught by the floor."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import config, floors, posteriors
from ptm_jax.data.corpora import source
from ptm_jax.data.vocabulary import Vocabulary
from ptm_jax.errors import DataError
from ptm_jax.find import find
from ptm_jax.objectives import autoregressive, ideal, masked, permutation
from ptm_jax.report import floors as report_floors
from ptm_jax.sources import copying, hidden_markov, topics, words
from ptm_jax.step import make_hparams, make_init, make_train_step
from tests.eager import eager
from tests.sources.test_laws import joint

LENGTH, SYMBOLS = 5, 3
VOCABULARY = Vocabulary(7 + SYMBOLS + 100)
LAW = hidden_markov.Source(states=2, symbols=SYMBOLS, concentration=0.5).law()
# Of whole documents: a chain that is not stationary, and what is no chain.
DOCUMENTS = (topics.Source(topics=2, roles=2, symbols=SYMBOLS,
                           sentence_length=2, concentration=0.5).law(),
             copying.Source(SYMBOLS, shortest=1, longest=2).law())
MODEL = config.Model(depth=2, width=32, num_heads=2, max_length=64)
TEXTS = np.array(list(itertools.product(range(SYMBOLS), repeat=LENGTH)))
WHOLE = {'mask_share': 1.0, 'random_share': 0.0}
# Fields with which the floor is exact.
EXACT = {
    'autoregressive': {}, 'bidirectional_lm': {}, 'prefix_lm': {},
    'masked': {'rate': 0.4, **WHOLE},
    'span_boundary': {'rate': 0.3, **WHOLE}, 'masked_diffusion': {},
    'permutation': {'rate': 0.5, 'max_span': 3},
    'permuted_masked': {'rate': 0.5, **WHOLE},
    'unilm': {'rate': 0.4, **WHOLE}, 'fragment': {'rate': 0.6, **WHOLE},
    'masked_next_token': {'rate': 0.4, 'final_rate': 0.4,
                          'causal_share': 0.4, **WHOLE},
    'autoregressive with memory': {'num_segments': 2},
    'permutation with memory': {'num_segments': 2, 'rate': 0.5}}


def windows(symbols, segments=None):
  """Raw windows of symbols `[count, length]`."""
  count, length = symbols.shape
  segments = np.ones_like(symbols) if segments is None else segments
  starts = np.maximum.accumulate(
      np.where(np.diff(segments, axis=1, prepend=0) != 0,
               np.arange(length), 0), 1)
  real = segments > 0
  return {'tokens': (symbols + VOCABULARY.text_start) * real,
          'segment_ids': segments, 'flags': np.ones_like(symbols, np.uint8),
          'positions': (np.arange(length) - starts) * real,
          'index': np.arange(count), 'epoch': np.zeros(count, np.int32)}


def bind(name, length=LENGTH, model=MODEL, **fields):
  objective = find('objectives', name)(**fields)
  objective.validate()
  return objective.bind(model, VOCABULARY, length)


def corrupted(objective, raw, keys=1):
  """All rows with the same noise; a batch for each of several keys."""
  corrupt = jax.jit(jax.vmap(objective.corrupt, (None, 0)))
  raw = {name: np.asarray(value, np.int32) for name, value in raw.items()}
  for key in range(keys):
    batch = corrupt(jax.random.key(key), raw)
    yield {name: np.asarray(value) for name, value in batch.items()
           if name != 'key'}


@pytest.mark.parametrize('segments', [
    [1, 1, 1, 1, 1], [1, 1, 2, 2, 0]], ids=['one', 'packed'])
@pytest.mark.parametrize('name', [
    pytest.param(name, marks=pytest.mark.slow) if 'memory' in name else name
    for name in EXACT])
def test_floor_is_that_of_enumeration(name, segments):
  """Every text is corrupted with the same noise; those that look the same to
  a prediction share its law."""
  kind, fields = name.split()[0], EXACT[name]
  length = LENGTH + LENGTH % fields.get('num_segments', 1)
  objective = bind(kind, length, **fields)
  texts = np.array(list(itertools.product(range(SYMBOLS), repeat=length)))
  segments = np.array([1] * (length - LENGTH) + segments)
  chances = []
  for law in (LAW, *DOCUMENTS):
    tables = {one: joint(law, np.sum(segments == one))
              for one in set(segments.tolist()) - {0}}
    chances.append(np.array([np.prod([
        table[tuple(text[segments == one])]
        for one, table in tables.items()]) for text in texts]))
  raw = windows(texts, np.tile(segments, (len(texts), 1)))
  checked = dict.fromkeys(objective.coefficients(), 0)
  scored = _scored(objective)
  for batch in corrupted(objective, raw, 4):
    seen = objective.visibility(batch)
    terms = jax.tree.map(np.asarray, scored(batch))
    for law, chance in zip((LAW, *DOCUMENTS), chances, strict=True):
      found = objective.floor(law, batch)
      assert found, 'no floor'
      for term, best in found.items():
        targets, factors = terms[term]
        visible = {stack: np.asarray(part) for stack, part in
                   seen[term].items()}
        for row in (0, 77, 200):
          for one in np.flatnonzero(factors[row]):
            same = np.all([np.all(
                (batch[stack] == batch[stack][row]) | ~part[row, one], 1)
                           for stack, part in visible.items()], 0)
            labels = targets[same, one] - VOCABULARY.text_start
            exact = np.bincount(labels, chance[same], SYMBOLS)
            np.testing.assert_allclose(best.chances[row, one],
                                       exact / exact.sum(), atol=1e-10)
            assert best.labels[row, one] == (
                targets[row, one] - VOCABULARY.text_start)
            checked[term] += 1
        assert best.exact
  # A span of a document of two tokens has no neighbours on both sides.
  assert all(count for term, count in checked.items()
             if term != 'sbo' or np.all(segments == 1))


def _scored(objective):
  """A batch -> each term's targets and factors, without any network."""
  params = meta.unbox(jax.eval_shape(objective.init, jax.random.key(0)))
  params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), params)
  return jax.jit(lambda batch: {
      term: (one.targets, one.factors)
      for term, one in objective.loss(None, params, batch).items()})


def questions(objective, raw):
  """Batches of all that noise can make of windows, each with its chance.

  A window of tokens that are all different tells the noises apart; under one
  label they are equally likely.
  """
  probe = dict(raw, tokens=np.arange(raw['tokens'].size).reshape(
      raw['tokens'].shape) + 7)
  if objective.partner:
    probe['partner_tokens'] = 100 - probe['tokens']
  found = {}
  for batch, own in zip(corrupted(objective, probe, 120),
                        corrupted(objective, raw, 120), strict=True):
    found[batch['inputs'].tobytes()] = int(batch['label'][0, 0]), own
  labels = [label for label, _ in found.values()]
  return [(own, 1 / labels.count(label)) for label, own in found.values()]


@pytest.mark.parametrize('name,length,count', [
    ('next_sentence', 4, 3), ('sentence_order', 4, 2),
    ('sentence_structure', 4, 4), ('sentence_reordering', 6, 11),
    ('sentence_distance', 4, 3), ('sentence_distance', 6, 5)])
def test_floor_of_sentences_is_that_of_enumeration(name, length, count):
  """All documents with all partners and all noise; what looks the same has
  one law of the label."""
  law = topics.Source(topics=2, roles=2, classes=1, symbols=2,
                      sentence_length=2, concentration=0.5).law()
  objective = bind(name, length)
  texts = np.array(list(itertools.product(range(2), repeat=length)))
  chance = joint(law, length).ravel()
  partners = len(texts) if objective.partner else 1
  own = np.repeat(np.arange(len(texts)), partners)
  raw, weight = windows(texts[own]), chance[own]
  raw['flags'][:, ::2] = 3
  if objective.partner:
    other = np.tile(np.arange(len(texts)), partners)
    raw |= {f'partner_{field}': value for field, value in
            windows(texts[other]).items() if field != 'positions'}
    raw['partner_flags'], weight = raw['flags'], weight * chance[other]
  drawn = questions(objective, raw)
  assert len(drawn) == count
  shown = np.concatenate([batch['inputs'] for batch, _ in drawn])
  labels = np.concatenate([batch['label'][:, 0] for batch, _ in drawn])
  weight = np.concatenate([share * weight for _, share in drawn])
  asked = {'inputs': shown, 'label': labels[:, None],
           'total': np.full((len(shown), 1), length)}
  best = objective.floor(law, asked)
  (best,) = best.values()
  assert best.exact and np.array_equal(best.labels[:, 0], labels)
  for row in range(0, len(shown), 7 if len(shown) < 5000 else 701):
    same = np.all(shown == shown[row], 1)
    exact = np.bincount(labels[same], weight[same], objective.num_classes())
    np.testing.assert_allclose(best.chances[row, 0], exact / exact.sum(),
                               atol=1e-10)
  # One sentence alone gives nothing to ask, and its floor is not known.
  assert not objective.floor(LAW, asked)


def test_a_law_of_whole_documents_has_floors_where_windows_cut_none():
  def settings(raw_length, packing='packed', source_=None):
    return config.Experiment(
        objective=autoregressive.Objective(),
        corpus=source.Corpus(source_ or topics.Source(), document_length=32),
        data=config.Data(raw_length=raw_length, packing=packing))
  assert floors.known(settings(32)) and floors.known(settings(64))
  assert floors.known(settings(48, 'document'))
  assert not floors.known(settings(48))
  assert not floors.known(settings(24, 'document'))
  assert floors.known(settings(48, source_=hidden_markov.Source()))


@pytest.mark.parametrize('raw_length,packing,terms', [
    (32, 'packed', ['lm']), (48, 'packed', []), (48, 'document', ['lm']),
    (24, 'document', []), (60, 'whole', ['lm'])])
def test_what_is_hidden_is_counted_where_windows_are_alike(
    raw_length, packing, terms):
  cut = find('objectives', 'fill_in_the_middle')()
  alone = config.Experiment(
      objective=cut, corpus=source.Corpus(document_length=32), model=MODEL,
      data=config.Data(raw_length=raw_length, packing=packing))
  assert floors.known(alone) == terms
  beside = find('objectives', 'mixture')(members={
      'cut': cut, 'left': autoregressive.Objective()})
  assert beside.equal_windows and not autoregressive.Objective().equal_windows


def test_an_inherited_floor_is_none_of_a_term_of_another_name():
  class Renamed(autoregressive.Objective):

    def coefficients(self):
      return {'mine': 1.0}

    def loss(self, keys, params, batch):
      return {'mine': super().loss(keys, params, batch)['lm']}

  settings = config.Experiment(
      objective=Renamed(), corpus=source.Corpus(), model=MODEL)
  assert floors.known(settings) == []
  objective = Renamed().bind(MODEL, VOCABULARY, LENGTH)
  params = meta.unbox(eager(objective.init, jax.random.key(0)))
  raw = windows(TEXTS[:4])
  assert floors.measure(objective, params, [raw], LAW) == {}
  assert posteriors.compare(objective, params, raw, LAW) == {}


@pytest.mark.parametrize('wrong,found', [(np.nan, 'nan'), (3.0, 'sum to 3')])
def test_chances_that_are_no_law_are_refused(wrong, found):
  objective = autoregressive.Objective().bind(MODEL, VOCABULARY, LENGTH)
  law = hidden_markov.Source(states=2, symbols=SYMBOLS).law()
  right = law.before
  law.before = lambda *given: right(*given) * wrong
  with pytest.raises(DataError, match=f'lm .*{found}.*mend its posterior'):
    floors.measure(
        objective, meta.unbox(eager(objective.init, jax.random.key(0))),
        [windows(TEXTS[:4])], law)


def channel(law, shown, clean, noisy, count):
  """What all texts and all sets of noise make of what is shown.

  Args:
    law: of the source.
    shown: int `[LENGTH]`, symbols.
    clean, noisy: functions of a place and the texts' symbols there, the
      likelihood of what is shown if the place is no noise, and if it is.
    count: tokens that are noise; None where each is by itself, by 3 in 5.

  Yields:
    A set of noise, and of each of `TEXTS` its joint chance.
  """
  chance = joint(law, LENGTH).ravel()
  for noise in itertools.product((False, True), repeat=LENGTH):
    share = (.6 ** sum(noise) * .4 ** (LENGTH - sum(noise))
             if count is None else sum(noise) == count)
    weight = chance * share
    for place, one in enumerate(noise):
      weight = weight * (noisy if one else clean)(place, TEXTS[:, place])
    yield np.array(noise), weight


# A chain counts the noise; of other laws the floor is an upper bound, as if
# each token were noise by itself. round(0.4 * 7) of 5 tokens are.
@pytest.mark.parametrize('law,count', [(LAW, 3), (DOCUMENTS[1], None)],
                         ids=['counted', 'independent'])
@pytest.mark.parametrize('name', ['masked', 'masked_next_token'])
def test_the_channel_of_bert_is_that_of_enumeration(name, law, count):
  """Given that a token is predicted, and how many are."""
  share = {} if name == 'masked' else {'causal_share': 0.0, 'final_rate': 0.45}
  objective = bind(name, rate=0.4, mask_share=0.4, random_share=0.4, **share)
  (batch,) = corrupted(objective, windows(
      LAW.sample(np.random.default_rng(0), 8, LENGTH)))
  (best,) = objective.floor(law, batch).values()
  assert best.exact == (law is LAW) and best.told is None
  shown = ideal.symbols(VOCABULARY, batch['inputs'])[:, 1:LENGTH + 1]
  first, seen = int(name == 'masked'), 0
  for row in range(8):
    def clean(place, symbols, row=row):
      return symbols == shown[row, place]

    def noisy(place, symbols, row=row):
      return (.2 * (symbols == shown[row, place]) + .4 / SYMBOLS
              if shown[row, place] >= 0 else .4)

    drawn = list(channel(law, shown[row], clean, noisy, count))
    for one, place in enumerate(batch['predicted'][row] - first):
      if not batch['weights'][row, place + first]:
        continue
      weight = sum(chance for noise, chance in drawn if noise[place])
      exact = np.bincount(TEXTS[:, place], weight, SYMBOLS)
      np.testing.assert_allclose(best.chances[row, one], exact / exact.sum(),
                                 atol=1e-10)
      seen += shown[row, place] >= 0
  assert seen


@pytest.mark.parametrize('law,count', [(LAW, 3), (DOCUMENTS[1], None)],
                         ids=['counted', 'independent'])
def test_the_law_of_substitutes_is_that_of_enumeration(law, count):
  objective = bind('substituted_token', rate=0.4)
  (batch,) = corrupted(objective, windows(
      LAW.sample(np.random.default_rng(0), 6, LENGTH)))
  best = objective.floor(law, batch)['detection']
  assert best.exact == (law is LAW)
  shown = ideal.symbols(VOCABULARY, batch['inputs'])[:, 1:-1]
  for row in range(6):
    weight = sum(chance for _, chance in channel(
        law, shown[row], lambda place, symbols: symbols == shown[row, place],
        lambda place, symbols: 1 / SYMBOLS, count))
    original = weight @ (TEXTS == shown[row]) / weight.sum()
    np.testing.assert_allclose(best.chances[row, 1:-1, 0], original,
                               atol=1e-10)
    assert np.all(best.chances[row, [0, -1], 0] == 1)  # `[CLS]` and `[SEP]`


def test_the_bound_of_shuffled_tokens_is_not_below_the_floor_by_enumeration():
  """All texts under all noise: 3 of 5 tokens in any of 6 orders."""
  objective = bind('shuffled_token', rate=0.4)
  probe = dict(windows(40 + np.arange(LENGTH)[None]))
  drawn = {}
  for own, batch in zip(corrupted(objective, probe, 600),
                        corrupted(objective, windows(TEXTS), 600)):
    drawn[own['noise'].tobytes() + own['inputs'].tobytes()] = batch
  assert len(drawn) == 60
  batch = {name: np.concatenate([one[name] for one in drawn.values()])
           for name in next(iter(drawn.values()))}
  weight = np.tile(joint(LAW, LENGTH).ravel() / 60, 60)
  best = objective.floor(LAW, batch)['detection']
  assert not best.exact and best.told is None
  labels = batch['labels'][:, 1:-1]
  _, group = np.unique(batch['inputs'], axis=0, return_inverse=True)
  total = np.bincount(group, weight)
  def loss(replaced):
    chance = np.where(labels, replaced, 1 - replaced)
    return -weight @ np.log(np.maximum(chance, 1e-300)).sum(1)
  exact = np.stack([np.bincount(group, weight * labels[:, place]) / total
                    for place in range(LENGTH)], 1)[group]
  assert loss(exact) < loss(best.chances[:, 1:-1, 1]) < 1.2 * loss(exact)
  # It is that of fakes which are drawn each from the law of one token.
  alone = LAW.start @ LAW.emission
  for row in range(0, len(labels), 2111):
    shown = ideal.symbols(VOCABULARY, batch['inputs'])[row, 1:-1]
    weight = sum(chance for _, chance in channel(
        LAW, shown, lambda place, symbols: symbols == shown[place],
        lambda place, symbols: alone[shown[place]], 3))
    np.testing.assert_allclose(
        best.chances[row, 1:-1, 0],
        weight @ (TEXTS == shown) / weight.sum(), atol=1e-10)


@pytest.mark.parametrize('name', ['masked', 'masked_next_token'])
def test_whole_words_of_several_symbols_have_two_bounds(name):
  """What all texts make of what is shown; and those whose words begin where
  the text's do, which is all that the noise depends on."""
  law = words.Source(classes=2, words=3, letters=4, longest=3).law()
  objective = bind(name, unit='whole_word', rate=0.6, **WHOLE)
  symbols = law.sample(np.random.default_rng(1), 16, LENGTH)
  (batch,) = corrupted(objective, windows(symbols))
  best = objective.floor(law, batch)['mlm' if name == 'masked' else 'mntp']
  assert not best.exact
  texts = np.array(list(itertools.product(range(4), repeat=LENGTH)))
  chance, counted = np.exp(law.log_likelihood(texts)), 0
  first = int(name == 'masked')
  for row in range(16):
    hidden = batch['noise'][row, 1:LENGTH + 1]
    same = np.all((texts == symbols[row]) | hidden, 1)
    begin = same & np.all((texts < law.word_starts) == (
        symbols[row] < law.word_starts), 1)
    for one, place in enumerate(batch['predicted'][row] - first):
      if not batch['weights'][row, place + first]:
        continue
      for laws, fit in (best.chances, same), (best.told, begin):
        exact = np.bincount(texts[fit, place], chance[fit], 4)
        np.testing.assert_allclose(laws[row, one], exact / exact.sum(),
                                   atol=1e-10)
      counted += 1
  assert counted >= 16


def test_spans_of_whole_words_have_no_floor_where_they_are_asked_in_order():
  law = words.Source(letters=SYMBOLS, words=3).law()
  (batch,) = corrupted(objective := bind('permutation'), windows(law.sample(
      np.random.default_rng(0), 2, LENGTH)))
  assert not objective.floor(law, batch)


class MaskOffByOne(autoregressive.Objective):
  """A causal mask that is off by one: each token sees itself."""

  def noise(self, key, arranged):
    example = super().noise(key, arranged)
    return dict(example, inputs=arranged['tokens'])


class TargetsInTheInputs(masked.Objective):
  """What is to be recovered is shown."""

  def noise(self, key, arranged):
    example = super().noise(key, arranged)
    return dict(example, inputs=example['targets'])


class StreamThatSeesItself(permutation.Objective):
  """A query reads its own token in the content stream."""

  def stack(self, batch):
    seen, count = self.seen(batch), batch['predicted'].shape[1]
    itself = jax.nn.one_hot(batch['predicted'], seen.shape[2]) > 0
    return dict(super().stack(batch), visibility=seen.at[:, -count:].set(
        seen[:, -count:] | itself))


@pytest.mark.parametrize('kind,fields,steps,leaks', [
    pytest.param(autoregressive.Objective, {}, 150, False,
                 marks=pytest.mark.slow),
    (MaskOffByOne, {}, 150, True),
    pytest.param(TargetsInTheInputs, WHOLE, 300, True, marks=pytest.mark.slow),
    pytest.param(StreamThatSeesItself, {}, 300, True, marks=pytest.mark.slow)])
def test_a_leak_is_caught_by_the_floor_alone(kind, fields, steps, leaks):
  objective = kind(**fields).bind(MODEL, VOCABULARY, 16)
  optimizer = config.Optimizer(learning_rate=3e-3, schedule='constant',
                               weight_decay=0.0)
  hparams = make_hparams(objective, optimizer)
  state = eager(make_init(objective, optimizer, steps), jax.random.key(0),
                hparams)
  step = jax.jit(make_train_step(objective, optimizer, steps))
  rng = np.random.default_rng(0)
  # Where neighbours tell little, a model learns sooner to read the leak.
  law = hidden_markov.Source(states=3, symbols=SYMBOLS, concentration=(
      0.1 if steps == 150 else 1.0)).law()

  def draw():
    return {name: np.asarray(value, np.int32) for name, value in windows(
        law.sample(rng, 64, 16)).items()}

  for _ in range(steps):
    state, _ = step(state, draw())
  found = floors.measure(objective, state['params'],
                         [draw() for _ in range(4)], law)
  assert bool(floors.below(found)) == leaks
  if leaks:
    (term,) = objective.coefficients()
    assert f'{term} lies' in floors.below(found)[0]
    assert found[f'floor/{term}/loss'] < 0.95 * found[f'floor/{term}/nll']
  else:
    assert -4 * found['floor/lm/excess_se'] < found['floor/lm/excess'] < 0.05
    assert 0.6 < found['floor/lm/share'] < 1.1


def sums_of_all(law, **shares):
  """BERT's sum, windows of every document and partner, and their chances."""
  objective = find('objectives', 'sum')(members={
      'masked': masked.Objective(rate=0.3, **shares),
      'next_sentence': find('objectives', 'next_sentence')()})
  objective.validate()
  objective = objective.bind(MODEL, VOCABULARY, 4)
  texts = np.array(list(itertools.product(range(2), repeat=4)))
  chance = joint(law, 4).ravel()
  own = np.repeat(np.arange(len(texts)), len(texts))
  other = np.tile(np.arange(len(texts)), len(texts))
  raw = windows(texts[own])
  raw['flags'][:, ::2] = 3
  raw |= {f'partner_{field}': value for field, value in
          windows(texts[other]).items() if field != 'positions'}
  raw['partner_flags'] = raw['flags']
  return objective, raw, chance[own] * chance[other]


def test_each_term_of_a_sum_has_its_floor_by_enumeration():
  """Two sentences and some masks: what looks the same has one law of the
  label, and of each hidden token, which the label's doubt is a part of."""
  law = topics.Source(topics=2, roles=2, classes=1, symbols=2,
                      sentence_length=2, concentration=0.5).law()
  objective, raw, chance = sums_of_all(law, **WHOLE)
  # Of every label, place in the partner and set of masks one drawing.
  drawn = list({(batch['next_sentence/label'][0, 0],
                 batch['masked/noise'].tobytes(),
                 batch['masked/targets'].tobytes()): batch
                for batch in corrupted(objective, raw, 150)}.values())
  assert len(drawn) == 6 + 2 * 6
  batch = {name: np.concatenate([one[name] for one in drawn])
           for name in drawn[0]}
  labels = [int(one['next_sentence/label'][0, 0]) for one in drawn]
  weight = np.concatenate([chance / labels.count(label) for label in labels])
  best = objective.floor(law, batch)
  assert set(best) == {'mlm', 'next_sentence'}
  assert all(one.exact for one in best.values())
  label = batch['next_sentence/label'][:, 0]
  tokens = batch['masked/targets'] - VOCABULARY.text_start
  places = batch['masked/predicted']
  for row in range(0, len(label), 997):
    same = np.all(batch['inputs'] == batch['inputs'][row], 1)
    exact = np.bincount(label[same], weight[same], 2)
    np.testing.assert_allclose(best['next_sentence'].chances[row, 0],
                               exact / exact.sum(), atol=1e-10)
    for one, place in enumerate(places[row]):
      if batch['masked/noise'][row, place]:
        exact = np.bincount(tokens[same, place], weight[same], 2)
        np.testing.assert_allclose(best['mlm'].chances[row, one],
                                   exact / exact.sum(), atol=1e-10)
  # Random tokens leave a predictor that takes each as noise by itself.
  objective, *_ = sums_of_all(law)
  (batch,) = corrupted(objective, raw)
  best = objective.floor(law, batch)
  assert set(best) == {'mlm', 'next_sentence'}
  assert not any(one.exact for one in best.values())


@pytest.mark.slow
def test_members_have_their_own_floors():
  """Those of a schedule, one of which must know what its loss has drawn."""
  members = {'masked': masked.Objective(), 'replaced': find(
      'objectives', 'replaced_token')()}
  assert floors.known(config.Experiment(
      objective=find('objectives', 'schedule')(members=members),
      corpus=source.Corpus(hidden_markov.Source(symbols=8)), model=MODEL,
      data=config.Data(raw_length=8))) == [
          'masked_mlm', 'replaced_discriminator', 'replaced_generator']


def test_a_loss_below_a_lower_bound_is_a_leak_and_one_between_two_is_none():
  """A predictor that says .5, a model that says .4, of four windows."""
  half, told = np.full((4, 8, 2), .5), np.full((4, 8, 2), .3)
  labels = np.tile([[0, 1, 1, 1] * 2], (4, 1))
  def summary(model, exact, told):
    noise = np.random.default_rng(0).normal(0, 1e-3, (4, 8))
    return {f'floor/mlm/{name}': value for name, value in floors._summary([
        floors._of_batch(ideal.Ideal(half, labels, exact, told),
                         np.ones((4, 8)), -np.log(model) + noise)]).items()}
  assert floors.below(summary(.6, True, None))
  assert 'two held-out windows' in floors.below(
      dict(summary(.4, True, None), **{'floor/mlm/excess_se': math.nan}))[0]
  for lower, leaks in ((None, False), (1 - told, False), (half, True)):
    found = summary(.6, False, lower)
    assert bool(floors.below(found)) == leaks
    assert not leaks or 'lower bound' in floors.below(found)[0]
  assert report_floors._kind([{'metrics': found}], 'floor/mlm') == (
      'an upper bound; a lower one: 0.693')
  assert not floors.below(summary(.4, True, None))
