"""Writing and filling: the cache is exact, draws follow their law."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import __main__, generation
from ptm_jax.errors import ConfigError
from ptm_jax.generation import Sampling, Writer
from ptm_jax.load import encode_windows
from ptm_jax.objectives import base
from tests.objectives.cases import bound
from tests.objectives.words import VOCABULARY, ids, show
from ptm_jax.config import Model


class Letters:
  """A tokenizer of 'abc' as three tokens."""

  vocabulary = VOCABULARY

  def encode(self, text):
    return ids(' '.join(text)) if text else np.zeros(0, np.int32)

  def decode(self, tokens):
    return show(tokens).replace(' ', '')


def run_of(name, form='auto', seed=0, **model):
  """An untrained run, its parameters large so that it has opinions."""
  objective = bound(name, form, model=Model(**{
      'depth': 2, 'width': 8, 'num_heads': 2, 'max_length': 32, **model}))
  params = jax.tree.map(lambda leaf: 8 * leaf, meta.unbox(
      jax.jit(objective.init)(jax.random.key(seed))))
  return types.SimpleNamespace(
      tokenizer=Letters(), objective=objective, params=params)


def without_cache(run, prompt, tokens):
  """What a greedy writer without a cache writes: ids and scores."""
  objective, found = run.objective, []
  for _ in range(tokens):
    windows = encode_windows(run.tokenizer, [prompt + Letters().decode(found)
                                             if found else prompt])
    stack = jax.vmap(objective.read)(windows)
    if objective.model.form == 'prefix':
      stack['prefix_length'] = jnp.full((1,), 1 + len(prompt), jnp.int32)
    hidden = objective.trunk().apply({'params': run.params['trunk']}, stack)
    features, table, bias = base.apply_head(
        objective._head(), run.params, hidden, objective.model)
    last = int(jnp.sum(stack['segment_ids'] > 0)) - 1
    scores = features[0, last] @ table.T
    scores = scores[VOCABULARY.text_start:VOCABULARY.text_end]
    found.append(VOCABULARY.text_start + int(np.argmax(scores)))
  return found


@pytest.mark.parametrize('name,form,model', [
    ('autoregressive', 'auto', {}),
    ('autoregressive', 'auto', {'positions': 'rotary', 'num_kv_heads': 1,
                                'norm': 'rms', 'activation': 'swiglu'}),
    ('autoregressive', 'auto', {'positions': 't5', 'scan_layers': True}),
    ('autoregressive', 'auto', {'positions': 'alibi',
                                'norm_position': 'post'}),
    ('prefix_lm', 'prefix', {'positions': 'sinusoidal'})])
def test_prompts_together_and_cached_are_each_alone_and_uncached(
    name, form, model):
  run = run_of(name, form, **model)
  prompts = ['abcde', 'x', 'qrst']
  written = list(Writer(run, Sampling(temperature=0)).write(prompts, 6))
  for row, prompt in enumerate(prompts):
    assert [int(one[row]) for one in written] == without_cache(
        run, prompt, 6), prompt
  assert len({int(one) for one in np.ravel(written)}) > 2


def test_cached_scores_are_the_uncached_ones():
  run = run_of('autoregressive', positions='rotary')
  writer = Writer(run)
  whole = jax.vmap(run.objective.read)(encode_windows(Letters(), ['abcdef']))
  hidden = run.objective.trunk().apply({'params': run.params['trunk']}, whole)
  exact = writer._scores(run.params, hidden[:, 6])
  start = jax.vmap(run.objective.read)(encode_windows(Letters(), ['abc']))
  scores, cache = writer._read(run.params, start, jnp.array([4]), length=9)
  for place, letter in enumerate('def', 4):
    scores, cache = writer._next(run.params, cache=cache, token=jnp.array(
        ids(letter)), place=jnp.array([place]))
  largest = np.abs(exact).max()
  assert np.abs(scores - exact).max() < 1e-5 * largest


CHANCES = np.log(np.array([[0.4, 0.3, 0.2, 0.07, 0.03]]))


@pytest.mark.parametrize('fields,kept', [
    ({}, [1, 1, 1, 1, 1]), ({'top_k': 2}, [1, 1, 0, 0, 0]),
    ({'top_k': 9}, [1, 1, 1, 1, 1]), ({'top_p': 0.7}, [1, 1, 0, 0, 0]),
    ({'top_p': 0.71}, [1, 1, 1, 0, 0]), ({'min_p': 0.5}, [1, 1, 1, 0, 0]),
    ({'top_p': 0.71, 'min_p': 0.6}, [1, 1, 0, 0, 0])])
def test_tokens_that_are_left_to_draw(fields, kept):
  scores = Sampling(**fields)._kept(jnp.asarray(CHANCES, jnp.float32))
  assert (np.asarray(scores[0]) > -100).astype(int).tolist() == kept


def test_draws_follow_temperature_and_penalty():
  draw = jax.jit(functools.partial(Sampling(
      temperature=0.5, repetition_penalty=2.0).choose))
  count = 4000
  scores = jnp.tile(jnp.array([[1.0, 0.5, -1.0]]), (count, 1))
  seen = jnp.tile(jnp.array([[True, False, True]]), (count, 1))
  keys = jax.random.split(jax.random.key(0), count)
  found = np.bincount(draw(keys, scores, seen), minlength=3) / count
  # 1 / 2, .5 and -1 * 2, each over .5.
  expected = np.exp([1.0, 1.0, -4.0]) / np.exp([1.0, 1.0, -4.0]).sum()
  assert np.all(np.abs(found - expected) < 4 * np.sqrt(
      expected * (1 - expected) / count))


def test_a_prompts_draws_depend_on_the_seed_alone():
  run = run_of('autoregressive')
  writer = Writer(run)
  def write(prompts, seed):
    return np.stack(list(writer.write(prompts, 8, seed)), 1).tolist()
  assert write(['ab', 'cd'], 1)[0] == write(['ab'], 1)[0]
  assert write(['ab'], 1) != write(['ab'], 2)
  assert write(['', ''], 3)[0] != write(['', ''], 3)[1]


def test_a_blank_is_filled_by_the_models_own_scores():
  run = run_of('masked')
  (first, second) = generation.fill(run, ['ab', 'c', ''], top=26)
  text = ids('[CLS] a b [M] c [M] [SEP]')[None]
  hidden = run.objective.trunk().apply({'params': run.params['trunk']}, {
      'inputs': jnp.asarray(text), 'segment_ids': jnp.ones_like(text),
      'positions': jnp.arange(7)[None]})
  features, table, bias = base.apply_head(
      run.objective._head(), run.params, hidden, run.objective.model)
  for place, found in ((3, first), (5, second)):
    scores = np.asarray(features[0, place] @ table.T + bias)
    expected = jax.nn.softmax(scores[VOCABULARY.text_start:
                                     VOCABULARY.text_end])
    assert [chance for _, chance in found] == pytest.approx(
        sorted(expected.tolist(), reverse=True), 1e-4)
    assert found[0][0] == show([VOCABULARY.text_start + np.argmax(expected)])


@pytest.mark.parametrize('make,found', [
    (lambda: Writer(run_of('masked')), 'masked as encoder does not write'),
    (lambda: Writer(run_of('autoregressive', share_layers=True)),
     'share parameters'),
    (lambda: Writer(run_of('autoregressive'), Sampling(top_p=0.0)),
     'top_p=0.0'),
    (lambda: Writer(run_of('autoregressive'), Sampling(temperature=-1.0)),
     'temperature=-1.0'),
    (lambda: list(Writer(run_of('autoregressive')).write(['abc'], 40)),
     'need 44 positions'),
    (lambda: generation.fill(run_of('autoregressive'), ['a', 'b']),
     'autoregressive fills no blanks'),
    (lambda: generation.fill(run_of('masked'), ['a']), 'no blank')])
def test_what_cannot_be_done_is_one_line(make, found):
  with pytest.raises(ConfigError, match=found):
    make()


@pytest.mark.parametrize('arguments,found', [
    (['generate'], '--checkpoint is missing'),
    (['generate', '--checkpoint=x', '--max_tokens=0'], '--max_tokens=0'),
    (['generate', '--checkpoint=x', '--temperature=warm'], 'temperature=warm'),
    (['fill', '--checkpoint=x', '--text=no blank'], 'has no [MASK]'),
    (['fill', '--text=a [MASK]'], '--checkpoint is missing')])
def test_bad_flags_are_one_line(capsys, arguments, found):
  assert __main__.main(arguments) == 2
  assert found in capsys.readouterr().err
