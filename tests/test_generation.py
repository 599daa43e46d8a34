"""Writing and filling: the cache is exact, draws follow their law."""

import functools
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import __main__
from ptm_jax.errors import ConfigError
from ptm_jax.generation import filling
from ptm_jax.generation.sampling import Sampling
from ptm_jax.generation.writing import Writer
from ptm_jax.load import encode_windows
from ptm_jax.objectives import base
from tests.eager import eager
from tests.objectives.cases import bound
from tests.objectives.words import VOCABULARY, ids, show
from ptm_jax.config import Model


class Letters:
  """A tokenizer of 'abc' as three tokens."""

  vocabulary = VOCABULARY

  def encode(self, text):
    return ids(' '.join(text)) if text else np.zeros(0, np.int32)

  def decode(self, tokens):
    return show([one for one in tokens if one >= VOCABULARY.text_start]
                ).replace(' ', '')


def run_of(name, form='auto', seed=0, **model):
  """An untrained run, its parameters large so that it has opinions."""
  objective = bound(name, form, model=Model(**{
      'depth': 2, 'width': 8, 'num_heads': 2, 'max_length': 32, **model}))
  params = jax.tree.map(lambda leaf: 8 * leaf, meta.unbox(
      eager(objective.init, jax.random.key(seed))))
  return types.SimpleNamespace(
      tokenizer=Letters(), objective=objective, params=params,
      logits=jax.jit(functools.partial(_logits, objective)))


def _logits(objective, params, stack):
  """Of all rows that write, without a cache."""
  hidden = objective.trunk().apply({'params': params['trunk']}, stack)
  features, table, _ = base.apply_head(
      objective._head(), params, hidden, objective.model)
  return features[0] @ table.T


def uncached_scores(run, prompt, written):
  """Logits of the token behind a prompt and what was written, as ids."""
  objective = run.objective
  form, rewrites = objective.model.form, objective.writes_end
  def row(values):  # padded, so that one program serves all
    return np.pad(np.asarray(list(values), np.int32), (0, 16 - len(values))
                  )[None]
  text = Letters().encode(prompt).tolist()
  if not rewrites:
    ids_ = [VOCABULARY.bos_id, *text, *written]
  else:
    behind = [VOCABULARY.bos_id, *written]
    text = [*text, VOCABULARY.eos_id]
    ids_ = text + behind if form == 'prefix' else behind
  own = {'inputs': row(ids_), 'segment_ids': row([1] * len(ids_)),
         'positions': row(range(len(ids_)))}
  if form == 'encoder_decoder':
    own = {**{f'decoder_{name}': rows for name, rows in own.items()},
           'encoder_inputs': row(text), 'encoder_segment_ids': row(
               [1] * len(text)), 'encoder_positions': row(range(len(text)))}
  if form == 'prefix':
    own['prefix_length'] = np.full((1,), len(text) + (not rewrites), np.int32)
  return np.asarray(run.logits(run.params, own))[len(ids_) - 1]


def without_cache(run, prompt, tokens):
  """What a greedy writer without a cache writes."""
  found = []
  for _ in range(tokens):
    scores = uncached_scores(run, prompt, found)
    allowed = np.arange(VOCABULARY.text_start, VOCABULARY.text_end)
    if run.objective.writes_end:
      allowed = np.append(allowed, VOCABULARY.eos_id)
    found.append(int(allowed[np.argmax(scores[allowed])]))
    if found[-1] == VOCABULARY.eos_id:
      break
  return found + [0] * (tokens - len(found))


@pytest.mark.parametrize('name,form,model', [
    ('autoregressive', 'auto', {}),
    ('autoregressive', 'auto', {'positions': 'rotary', 'num_kv_heads': 1,
                                'norm': 'rms', 'activation': 'swiglu'}),
    ('autoregressive', 'auto', {'positions': 't5', 'scan_layers': True}),
    ('autoregressive', 'auto', {'positions': 'alibi',
                                'norm_position': 'post'}),
    ('prefix_lm', 'prefix', {'positions': 'sinusoidal'}),
    ('translation', 'encoder_decoder', {'positions': 'rotary'}),
    ('translation', 'encoder_decoder', {
        'positions': 't5', 'scan_layers': True, 'depth': 4, 'seed': 3}),
    ('span_corruption', 'encoder_decoder', {}),
    ('translation', 'prefix', {'positions': 'alibi'})])
def test_prompts_together_and_cached_are_each_alone_and_uncached(
    name, form, model):
  run = run_of(name, form, **model)
  prompts = ['abcde', 'x', 'qrst']
  written = list(Writer(run, Sampling(temperature=0)).write(prompts, 6))
  for row, prompt in enumerate(prompts):
    assert [int(one[row]) for one in written] == without_cache(
        run, prompt, 6)[:len(written)], prompt
  assert len({int(one) for one in np.ravel(written)}) > 2


@pytest.mark.parametrize('name,form', [
    ('autoregressive', 'decoder'), ('translation', 'encoder_decoder'),
    ('translation', 'prefix')])
def test_cached_scores_are_the_uncached_ones(name, form):
  run = run_of(name, form, positions='rotary')
  decoder = Writer(run).decoder
  prompts = ['abc', 'x']
  state = decoder.read(run.params, decoder.prompt(
      encode_windows(Letters(), prompts)), room=4)
  for number in range(4):
    for row, prompt in enumerate(prompts):
      exact = uncached_scores(run, prompt, ids('d e f')[:number].tolist())
      assert np.abs(state['scores'][row] - exact).max() < (
          1e-5 * np.abs(exact).max())
    if number < 3:
      state = decoder.next(run.params, state, jnp.repeat(
          ids('d e f')[number:number + 1], 2))


def test_cross_attention_reads_the_encoder_once():
  run = run_of('translation', 'encoder_decoder')
  decoder = Writer(run).decoder
  state = decoder.read(run.params, decoder.prompt(
      encode_windows(Letters(), ['abc'])), room=2)
  layer = run.params['trunk']['decoder']['layer_0']
  for name in 'key', 'value':
    layer['cross_attention'][name]['kernel'] *= 0
  after = decoder.next(run.params, state, jnp.array(ids('a')))
  assert np.any(np.asarray(state['cache']['decoder']['layer_0'][
      'cross_attention']['keys']) != 0)
  jax.tree.map(np.testing.assert_array_equal, *(
      one['cache']['decoder']['layer_0']['cross_attention']
      for one in (state, after)))


def test_a_text_ends_and_the_others_go_on():
  run = run_of('translation', seed=3)
  # Hot enough that any token is as likely as any other.
  writer = Writer(run, Sampling(temperature=1e4))
  rows = np.stack(list(writer.write(['a', 'bc', 'd', 'efg'] * 8, 20)), 1)
  ended = rows == VOCABULARY.eos_id
  assert ended.any() and ended.sum(1).max() == 1 and not ended.all()
  for row, end in zip(rows, ended, strict=True):
    if end.any():
      assert not row[np.argmax(end) + 1:].any()
      assert row[:np.argmax(end)].all()


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
  (first, second) = filling.fill(run, ['ab', 'c', ''], top=26)
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
    (lambda: filling.fill(run_of('autoregressive'), ['a', 'b']),
     'autoregressive fills no blanks'),
    (lambda: filling.fill(run_of('masked'), ['a']), 'no blank'),
    (lambda: filling.unmask(run_of('masked_diffusion'), ['a'] * 20),
     'needs 41 positions'),
    (lambda: filling.infill(run_of('autoregressive'), ['a', 'b']),
     'autoregressive fills no blanks'),
    (lambda: filling.infill(run_of('blank_infilling'), ['a', 'b' * 90], 9),
     'positions')])
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


class Dictated:
  """A writer that continues every prompt with the letters of `text`."""

  text, asked = '', []

  def __init__(self, run, sampling):
    pass

  def write(self, prompts, max_tokens, seed, at_once=8):
    self.asked.append((prompts, max_tokens, seed, at_once))
    for token in ids(' '.join(self.text))[:max_tokens]:
      yield np.full(len(prompts), token, np.int32)


@pytest.fixture
def dictated(monkeypatch):
  """`generate(text, *flags)` gives what is printed while `text` is written."""
  run = run_of('autoregressive')
  monkeypatch.setattr(sys.modules['ptm_jax.load'], 'load', lambda path: run)
  monkeypatch.setattr('ptm_jax.generation.writing.Writer', Dictated)
  monkeypatch.setattr(Dictated, 'asked', [])

  def generate(text, *flags):
    pieces = []
    monkeypatch.setattr(Dictated, 'text', text)
    monkeypatch.setattr('builtins.print', lambda text='', end='\n', **_:
                        pieces.append(text + end))
    assert __main__.main(['generate', '--checkpoint=x', *flags]) == 0
    return pieces

  return generate


def test_a_text_is_shown_while_it_is_written_and_not_behind_its_stop(dictated):
  # A 'b' waits for what may be the rest of 'bca'.
  assert dictated('abbcbcab', '--prompt=c', '--stop=bca') == [
      'c', 'a', '', 'b', '', 'bc', '', '', '\n']
  assert dictated('abb', '--prompt=c', '--stop=bc', '--seed=3') == [
      'c', 'a', '', 'b', 'b\n']  # which did not come
  assert Dictated.asked[-1] == (['c'], 64, 3, 1)
  assert dictated('abc', '--prompt=c', '--stop=b', '--num_samples=2') == [
      'ca\n'] * 2


def test_one_prompt_after_the_other(dictated, monkeypatch):
  typed = iter(['a', 'cc'])
  def ask(prompt):
    for text in typed:
      return text
    raise EOFError
  monkeypatch.setattr('builtins.input', ask)
  assert dictated('bc', '--interactive', '--max_tokens=1') == [
      'a', 'b', '\n', 'cc', 'b', '\n', '\n']
