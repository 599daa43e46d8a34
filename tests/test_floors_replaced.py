"""Floors of replaced tokens, against all texts, draws, masks and fakes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import config
from ptm_jax.data.vocabulary import Vocabulary
from ptm_jax.objectives import replaced_token
from ptm_jax.sources import hidden_markov
from tests.eager import eager
from tests.sources.test_laws import joint
from tests.test_floors import windows

LENGTH, SYMBOLS, SHARE, DRAWS, TEMPERATURE = 3, 2, .6, 2, .7
IDS = 7 + SYMBOLS  # that the generator draws
VOCABULARY = Vocabulary(IDS + 100)
START, MASK = VOCABULARY.text_start, VOCABULARY.mask_id
LAW = hidden_markov.Source(states=2, symbols=SYMBOLS, concentration=0.5).law()
QUESTIONS = 'detect', 'detect_sampled', 'recover', 'recover_all'


def bind(question):
  objective = replaced_token.Objective(
      question=question, rate=0.4, mask_share=SHARE, generator_width=1.0,
      temperature=TEMPERATURE)
  objective.validate()
  return objective.bind(
      config.Model(depth=1, width=16, num_heads=2, max_length=16),
      VOCABULARY, LENGTH)


def framed(tokens, first=VOCABULARY.cls_id, last=VOCABULARY.sep_id):
  return np.pad(tokens, ((0, 0), (1, 1)),
                constant_values=((0, 0), (first, last)))


@pytest.fixture(scope='module', params=[True, False],
                ids=['reads', 'does not read'])
def world(request):
  """Whether the generator reads the text, its parameters, its laws given all
  that it may be shown, and all examples that there are, with their chance."""
  objective = bind('detect')
  params = meta.unbox(eager(objective.init, jax.random.key(0)))
  params = jax.tree.map(  # large ones, so that what is read matters
      lambda leaf: 6 * leaf if leaf.ndim > 1 else leaf, params)
  head = params['generator_head']
  if not request.param:  # its features are 0
    head = jax.tree.map(jnp.zeros_like, head)
  bias = jax.random.normal(jax.random.key(1), (VOCABULARY.size,))
  params['generator_head'] = {**head, 'bias': bias.at[IDS:].set(-1e9)}
  shown = np.array(list(itertools.product(range(IDS), repeat=LENGTH)))
  inputs = framed(shown)
  features, table, bias = jax.jit(lambda batch: objective.propose(
      None, params, batch))({
          'inputs': inputs, 'segment_ids': np.ones_like(inputs),
          'positions': np.tile(np.arange(LENGTH + 2), (len(inputs), 1)),
          'predicted': np.tile(np.arange(LENGTH) + 1, (len(inputs), 1))})
  laws = np.asarray(jax.nn.softmax(
      (features @ table.T + bias[None, None]) / TEMPERATURE), np.float64)
  laws = laws[:, :, :IDS].reshape(*[IDS] * LENGTH, LENGTH, IDS)
  return request.param, params, laws, examples(laws)


def examples(laws):
  """Every example: a batch, and the chance of each."""
  rows, chances = [], []
  texts = joint(LAW, LENGTH)
  for draws in itertools.product(range(LENGTH), repeat=DRAWS):
    drawn = sorted(set(draws))
    for masks in itertools.product((False, True), repeat=len(drawn)):
      kept = np.prod([SHARE if one else 1 - SHARE for one in masks])
      for text in np.ndindex(texts.shape):
        tokens = np.array(text) + START
        inputs = tokens.copy()
        inputs[[place for place, one in zip(drawn, masks) if one]] = MASK
        for fakes in itertools.product(range(IDS), repeat=len(drawn)):
          shown = tokens.copy()
          shown[drawn] = fakes
          rows.append((tokens, inputs, shown, np.isin(
              np.arange(LENGTH), drawn), np.array(draws) + 1))
          chances.append(texts[text] * kept / LENGTH ** DRAWS * np.prod(
              laws[tuple(inputs)][drawn, list(fakes)]))
  tokens, inputs, shown, noise, predicted = map(np.array, zip(*rows))
  found = {'tokens': framed(tokens), 'inputs': framed(inputs),
           'shown': framed(shown), 'noise': framed(noise, 0, 0) > 0,
           'predicted': predicted, 'weights': np.ones(predicted.shape),
           'segment_ids': np.ones_like(framed(tokens)),
           **asked(laws, shown)}
  return found, np.array(chances)


def asked(laws, shown):
  """The generator's chances of drawing what is shown, as `outcomes` has them.
  """
  found = np.ones((2, len(shown), LENGTH + 2))
  for place in range(LENGTH):
    masked = shown.copy()
    masked[:, place] = MASK
    for one, inputs in zip(found, (shown, masked)):
      one[:, place + 1] = laws[(*inputs.T, place, shown[:, place])]
  return dict(zip(('chance_shown', 'chance_masked'), found))


def enumerated(batch, chances, *known):
  """p(being drawn, symbol) of each place, given some fields of a batch."""
  rows = np.concatenate([batch[name] for name in known], 1)
  _, group = np.unique(rows, axis=0, return_inverse=True)
  laws = np.zeros((group.max() + 1, LENGTH, 2, SYMBOLS))
  for place in range(LENGTH):
    np.add.at(laws, (group, place, batch['noise'][:, place + 1].astype(int),
                     batch['tokens'][:, place + 1] - START), chances)
  return laws[group]


def best(question, laws, batch):
  """The best predictions in the text's places, if these are the laws."""
  if question in ('detect', 'detect_sampled'):
    laws = (laws[:, :, 1] if question == 'detect_sampled' else laws.sum(2))
    shown = batch['shown'][:, 1:-1, None] - START
    same = np.sum(laws * (shown == np.arange(SYMBOLS)), 2) / laws.sum(2)
    return np.stack([same, 1 - same], 2)
  laws = laws[:, :, 1] if question == 'recover' else laws.sum(2)
  return laws / np.maximum(laws.sum(2, keepdims=True), 1e-300)


def in_the_text(question, batch, chances):
  """Predictions in the text's places, and which count."""
  if question != 'recover':
    found = chances[:, 1:-1]
    drawn = batch['noise'][:, 1:-1]
    return found, drawn if question == 'detect_sampled' else drawn | True
  found = np.ones((len(chances), LENGTH, chances.shape[2]))
  rows = np.arange(len(chances))[:, None]
  found[rows, batch['predicted'] - 1] = chances
  return found, batch['noise'][:, 1:-1]


@pytest.mark.parametrize('question', QUESTIONS)
def test_floors_lie_between_bounds_that_are_those_of_enumeration(
    question, world):
  reads, _, _, (batch, chance) = world
  assert chance.sum() == pytest.approx(1, abs=1e-6)
  objective = bind(question)
  found = objective.floor(LAW, batch)
  term = objective._judge().term
  assert set(found) == {'generator', term} and not found[term].exact
  mine, counts = in_the_text(question, batch, found[term].chances)
  told, _ = in_the_text(question, batch, found[term].told)
  detects = question.startswith('detect')
  classes = 2 if detects else SYMBOLS
  # Told the generator's input and the places drawn; and as the trunk is.
  with np.errstate(invalid='ignore'):
    known = best(question, enumerated(
        batch, chance, 'shown', 'inputs', 'noise'), batch)
    exact = best(question, enumerated(batch, chance, 'shown'), batch)
  np.testing.assert_allclose(told[counts][:, :classes], known[counts],
                             atol=1e-6 if reads else 1e-10)
  if not reads:  # then the law of the fakes is known from what is shown
    np.testing.assert_allclose(mine[counts][:, :classes], exact[counts],
                               atol=1e-10)
  labels = (batch['shown'] != batch['tokens'] if detects
            else batch['tokens'] - START)[:, 1:-1].astype(int)
  def loss(laws):
    picked = np.take_along_axis(laws[..., :classes], labels[..., None], 2)
    return -np.sum((chance[:, None] * np.log(np.maximum(
        picked[..., 0], 1e-30)))[counts])
  least, floor, most = map(loss, (told, exact, mine))
  assert least <= floor + 1e-9 and floor <= most + 1e-9
  assert not reads or least < floor < most < 1.3 * floor


def test_the_generators_floor_is_that_of_enumeration(world):
  *_, (batch, chance) = world
  found = bind('detect').floor(LAW, batch)['generator']
  assert found.exact and found.told is None
  laws = enumerated(batch, chance, 'inputs')
  exact = best('recover', laws, batch)
  rows = np.arange(len(chance))[:, None]
  np.testing.assert_allclose(
      found.chances, exact[rows, batch['predicted'] - 1], atol=1e-6)


def test_outcomes_are_the_generators_laws_of_what_the_loss_draws(world):
  _, params, laws, _ = world
  objective = bind('detect')
  raw = {name: np.asarray(value, np.int32) for name, value in windows(
      LAW.sample(np.random.default_rng(0), 16, LENGTH)).items()}
  @jax.jit
  def ask(raw):
    batch = objective.corrupt_batch(jax.random.key(0), raw)
    return (batch['tokens'], objective.outcomes(params, batch),
            objective.loss(None, params, batch)['discriminator'].targets)
  tokens, found, labels = jax.tree.map(np.asarray, ask(raw))
  np.testing.assert_array_equal(found['shown'] != tokens, labels > 0)
  for name, exact in asked(laws, found['shown'][:, 1:-1]).items():
    np.testing.assert_allclose(found[name][:, 1:-1], exact[:, 1:-1],
                               rtol=1e-4)
  assert 0 < labels.sum() < labels.size
