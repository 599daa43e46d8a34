"""Objectives with memory: what an example is, what they leak, what they learn
from, and what they refuse.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import budget, config, step
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.generation.decoding import Decoder
from ptm_jax.leaks import Prover
from ptm_jax.models import memory
from ptm_jax.objectives import (autoregressive, mixture, prefix_lm,
                                segments)
from tests.eager import eager
from tests.objectives.cases import MODEL, bound, corrupt
from tests.objectives.words import VOCABULARY, random_windows, show, window

RELATIVE = dataclasses.replace(MODEL, positions='transformer_xl')
# More segments than two layers reach; with `[CLS]` and `[SEP]` both fit.
KINDS = {'autoregressive': (16, {'num_segments': 4}),
         'permutation': (14, {'num_segments': 4, 'rate': 0.5,
                             'max_span': 2})}
PACKINGS = {'one document': (1, 0), 'packed and padded': (3, 3)}


def make(name, model=RELATIVE, **fields):
  length, own = KINDS[name]
  return bound(name, length=length, model=model, **{**own, **fields})


@pytest.fixture(scope='module', params=KINDS)
def prover(request):
  return Prover(make(request.param))


def windows(shared, packing, count=2):
  return random_windows(count, shared.objective.raw_length, *PACKINGS[packing])


@pytest.mark.parametrize('packing', PACKINGS)
def test_neither_proof_finds_a_leak(prover, packing):
  raw = windows(prover, packing)
  for one in (*prover.derivative(prover.corrupt(raw)), *prover.data(raw)):
    assert not one.leaks and one.checked > 0 and one.blind < 0.05, one


def leaks_with(prover, monkeypatch, packing, **planted):
  """What the derivative proof finds, with another memory."""
  for name, value in planted.items():
    monkeypatch.setattr(memory, name, value)
  shared = Prover(prover.objective)
  shared.params = prover.params
  (one,) = shared.derivative(prover.corrupt(windows(prover, packing)))
  return one.leaks


def test_a_memory_of_the_next_segment_is_caught(prover, monkeypatch):
  def after(values, num_segments):
    parts = values.reshape(-1, num_segments, *values.shape[1:])
    return jnp.concatenate([jnp.roll(parts, -1, 1), parts], 2).reshape(
        len(values), -1, *values.shape[2:])
  assert leaks_with(prover, monkeypatch, 'one document', remember=after)


def test_a_memory_that_goes_round_is_caught(prover, monkeypatch):
  """The first segment must not remember the last one."""
  def round_(values, num_segments):
    parts = values.reshape(-1, num_segments, *values.shape[1:])
    return jnp.concatenate([jnp.roll(parts, 1, 1), parts], 2).reshape(
        len(values), -1, *values.shape[2:])
  assert leaks_with(prover, monkeypatch, 'one document', remember=round_)


def test_a_memory_of_other_documents_is_caught(prover, monkeypatch):
  honest = memory.cut_stack

  def merged(stack, num_segments):  # all of memory is of the first document
    stack = honest(stack, num_segments)
    before, own = jnp.split(stack['key_segment_ids'], 2, 1)
    return dict(stack, key_segment_ids=jnp.concatenate(
        [jnp.where(before > 0, own[:, :1], 0), own], 1))

  assert leaks_with(prover, monkeypatch, 'packed and padded', cut_stack=merged)


def test_a_reach_declared_too_short_is_caught(prover, monkeypatch):
  honest = memory.reach
  monkeypatch.setattr(memory, 'reach', lambda own, count, keys, depth: honest(
      own, count, keys, depth - 1))
  (one,) = prover.derivative(prover.corrupt(windows(prover, 'one document')))
  assert one.leaks


def test_a_reach_declared_too_long_shows_as_blind(prover, monkeypatch):
  honest = memory.reach
  monkeypatch.setattr(memory, 'reach', lambda own, count, keys, depth: honest(
      own, count, keys, depth + 1))
  (one,) = prover.derivative(prover.corrupt(windows(prover, 'one document')))
  assert not one.leaks and one.blind > 0.05


@pytest.mark.parametrize('name', KINDS)
def test_a_segment_without_memory_is_a_window_of_its_own(name):
  """The first segment, and one that begins with a document of its own."""
  whole = make(name)
  params = Prover(whole).params
  raw = random_windows(3, whole.raw_length)
  size = whole.num_positions() // 4
  batch = corrupt(whole, raw)
  rows = batch['inputs'].shape[1] // 4
  batch['segment_ids'] = np.tile(np.repeat(np.arange(1, 5), rows), (3, 1))
  batch['positions'] = np.asarray(batch['positions']) % size
  found = jax.jit(lambda params, batch: whole.loss(None, params, batch))(
      params, batch)
  alone = dataclasses.replace(whole, num_segments=1)
  alone = alone.bind(RELATIVE, VOCABULARY, size - whole.special_tokens)
  by_itself = jax.jit(lambda params, batch: alone.loss(None, params, batch))
  for part in range(4):
    one = {key: np.asarray(value).reshape(3, 4, -1)[:, part]
           for key, value in batch.items() if key != 'key'}
    if 'predicted' in one:
      one['predicted'] = one['predicted'] - part * size
    expected = by_itself(params, one)
    for term in found:
      np.testing.assert_allclose(
          np.asarray(found[term].nll).reshape(3, 4, -1)[:, part],
          expected[term].nll, atol=1e-4)


def example(objective, text):
  found = jax.jit(objective.corrupt)(jax.random.key(0), window(text))
  return {name: np.asarray(value) for name, value in found.items()
          if name != 'key'}


def test_permutation_segments_by_hand():
  """Each segment has its context, its order and its queries behind it."""
  objective = make('permutation', rate=0.5)
  one = example(objective, 'a b c d e f g h i j k l m n')
  rows = one['inputs'].reshape(4, -1)
  assert [show(row[:4]) for row in rows] == [
      '[CLS] a b c', 'd e f g', 'h i j k', 'l m n [SEP]']
  assert [show(row[4:]) for row in rows] == ['[M] [M]'] * 4
  places = one['predicted'].reshape(4, 2)
  text = np.concatenate([row[:4] for row in rows])
  assert np.array_equal(one['targets'], text[one['predicted']])
  assert np.array_equal(places // 4, np.repeat(np.arange(4)[:, None], 2, 1))
  for ranks, hidden in zip(one['rank'].reshape(4, 4),
                           one['noise'].reshape(4, 4), strict=True):
    assert sorted(ranks[hidden]) == [1, 2] and not np.any(ranks[~hidden])
  assert np.array_equal(one['positions'].reshape(4, -1)[:, 4:], places)
  assert np.array_equal(one['positions'].reshape(4, -1)[:, :4].ravel(),
                        np.arange(16))
  # Segments draw on their own.
  assert len({tuple(ranks) for ranks in one['rank'].reshape(4, 4)}) > 1


def test_a_padded_segment_predicts_nothing():
  objective = make('permutation')
  one = example(objective, 'a b c d e' + ' .' * 9)
  weights = one['weights'].reshape(4, -1)
  assert np.all(weights[0]) and not np.any(weights[2:])
  assert not np.any(one['segment_ids'].reshape(4, -1)[2:])


def test_one_segment_is_no_memory():
  """The program is that of an objective that cannot have any."""
  def program(kind):
    objective = kind().bind(RELATIVE, VOCABULARY, 8)
    params = jax.eval_shape(objective.init, jax.random.key(0))
    return str(jax.make_jaxpr(lambda params, windows: objective.loss(
        None, params, jax.vmap(objective.corrupt, (None, 0))(
            jax.random.key(0), windows)))(
                meta.unbox(params), random_windows(2, 8)))

  one = program(autoregressive.Objective)
  assert one == program(autoregressive.LeftToRight)
  assert one != program(lambda: autoregressive.Objective(num_segments=2))


def test_what_the_last_segment_said_is_learnt():
  """Random texts whose second half repeats the first: nothing but memory
  tells it, and nothing tells the first."""
  objective = autoregressive.Objective(num_segments=2).bind(
      dataclasses.replace(RELATIVE, depth=1, width=32), VOCABULARY, 16)
  optimizer = config.Optimizer(learning_rate=1e-2, schedule='constant',
                               warmup_steps=5, weight_decay=0.0)
  hparams = step.make_hparams(objective, optimizer)
  state = eager(step.make_init(objective, optimizer, 150), jax.random.key(0),
                hparams)
  update = jax.jit(step.make_train_step(objective, optimizer, 150))

  def texts(seed):
    found = random_windows(16, 16, seed=seed)
    found['tokens'][:, 8:] = found['tokens'][:, :8]
    return found

  for number in range(150):
    state, _ = update(state, texts(number))
  (term,) = jax.jit(lambda params, windows: objective.loss(
      None, params, objective.corrupt_batch(jax.random.key(0), windows)))(
          state['params'], texts(1000)).values()
  first, second = np.asarray(term.nll).reshape(16, 2, 8).mean((0, 2))
  assert first > 3.0 and second < 0.5  # of ln 26 = 3.26


def test_flops_are_those_of_twice_the_keys():
  plain, remembering = (make('autoregressive', num_segments=count)
                        for count in (1, 4))
  width, length, depth = MODEL.width, 16, MODEL.depth
  costs = [budget.training_flops(one, 1) for one in (plain, remembering)]
  # Tables of distances are as long as all that keys can be away.
  def cost(segments, keys):
    rows, distances = length // segments, 2 * keys - 1
    layer = (2 * rows * 10 * width**2  # all but keys and values
             + 2 * keys * 2 * width**2 + 4 * rows * keys * width
             + 2 * rows * distances * width)
    return 3 * (depth * (segments * layer + 2 * distances * width**2)
                + 2 * length * VOCABULARY.size * width)
  assert costs == [cost(1, 16), cost(4, 8)]


@pytest.mark.parametrize('name,length,fields,found', [
    ('autoregressive', 14, {'num_segments': 4}, 'data.raw_length=16'),
    ('permutation', 16, {'num_segments': 4}, 'use data.raw_length=18'),
    ('permutation', 12, {'num_segments': 0}, 'objective.num_segments=0')])
def test_bad_segments_are_refused_by_value(name, length, fields, found):
  with pytest.raises(ConfigError, match=found):
    bound(name, length=length, **fields)


def test_experts_and_mixtures_and_writing_are_refused():
  with pytest.raises(ConfigError, match='experts have no memory'):
    make('autoregressive', model=dataclasses.replace(MODEL, num_experts=2))
  members = {'a': find('objectives', 'autoregressive')(num_segments=2),
             'b': find('objectives', 'autoregressive')()}
  with pytest.raises(ConfigError, match='members.a.num_segments=2'):
    mixture.Objective(members=members).validate()
  run = type('Run', (), {'objective': make('autoregressive', model=MODEL)})
  with pytest.raises(ConfigError, match='memory'):
    Decoder(run)
  assert not issubclass(prefix_lm.Objective, segments.Segmented)
