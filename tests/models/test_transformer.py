"""Stacks: every option against a Transformer in plain loops, who may see
whom, ways to compile that change nothing, and counts of parameters.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax.models import transformer
from ptm_jax.models.attention import Structure
from tests.eager import eager
from tests.models import reference
from tests.models.stacks import (LENGTH, OPTIONS, TARGETS, VOCAB, apply,
                                 batch, build, count, model, params_of,
                                 shapes_of, trunk)

# Every option once, and each form with what it does in its own way.
CASES = [(option, 'encoder') for option in OPTIONS] + [
    ('plain', 'decoder'), ('t5', 'decoder'), ('plain', 'prefix'),
    ('t5', 'prefix'), ('t5', 'encoder_decoder'),
    ('albert', 'encoder_decoder')]


def row_of(inputs, index):
  return {name: value[index] for name, value in inputs.items()}


@pytest.mark.parametrize('option,form', CASES)
def test_states_are_those_of_plain_loops(option, form):
  settings, module, inputs, params = build(option, form)
  found = apply(module, params, inputs)
  length = TARGETS if form == 'encoder_decoder' else LENGTH
  assert found.shape == (5, length, settings.width)
  for row in range(2, 5):  # packed, full, only padding
    one = row_of(inputs, row)
    expected = (reference.encoder_decoder(settings, params, one)
                if form == 'encoder_decoder' else
                reference.transformer(settings, params, one, form))
    np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('option,form', CASES)
def test_packed_documents_are_as_if_alone(option, form):
  _, module, inputs, params = build(option, form)
  if form == 'prefix':  # counted from the row's start: the first one's
    inputs = dict(inputs, prefix_length=np.array([2, 0, 2, 5, 0], np.int32))
  found = apply(module, params, inputs)
  first, second = (2, 3) if form == 'encoder_decoder' else (3, 4)
  np.testing.assert_allclose(found[2, :first], found[0, :first], atol=1e-5)
  np.testing.assert_allclose(found[2, first:first + second],
                             found[1, :second], atol=1e-5)
  assert np.all(np.isfinite(found))


@pytest.mark.parametrize('form', ['encoder', 'decoder', 'prefix',
                                  'encoder_decoder'])
def test_distances_past_the_exact_buckets_are_those_of_plain_loops(form):
  settings, module, inputs, params = build('t5', form)
  # A reader of the past alone has twice as many exact buckets.
  inputs = {name: 5 * value if name.endswith('positions') else value
            for name, value in inputs.items()}
  one = row_of(inputs, 3)
  expected = (reference.encoder_decoder(settings, params, one)
              if form == 'encoder_decoder' else
              reference.transformer(settings, params, one, form))
  np.testing.assert_allclose(apply(module, params, inputs)[3], expected,
                             rtol=1e-4, atol=1e-4)


def seen_by(option, form, name, row, position):
  """Which positions' states change with one input of one row."""
  _, module, inputs, params = build(option, form)
  before = apply(module, params, inputs)
  changed = inputs[name].copy()
  changed[row, position] = changed[row, position] % (VOCAB - 1) + 1
  after = apply(module, params, {**inputs, name: changed})
  differs = np.any(before != after, -1)
  assert not np.any(np.delete(differs, row, 0)), 'another example changed'
  return np.flatnonzero(differs[row]).tolist()


@pytest.mark.parametrize('option', ['plain', 't5'])
@pytest.mark.parametrize('form,row,position,expected', [
    ('encoder', 3, 5, list(range(8))),
    ('encoder', 2, 1, [0, 1, 2]),          # its own document
    ('encoder', 2, 4, [3, 4, 5, 6]),
    ('encoder', 2, 7, [7]),                # padding shows nothing
    ('decoder', 3, 5, [5, 6, 7]),
    ('decoder', 3, 0, list(range(8))),
    ('decoder', 2, 1, [1, 2]),
    ('decoder', 2, 3, [3, 4, 5, 6]),
    ('decoder', 0, 5, [5]),
    ('prefix', 3, 4, list(range(8))),      # the last of the prefix
    ('prefix', 3, 5, [5, 6, 7]),
    ('prefix', 2, 1, [0, 1, 2]),
    ('prefix', 2, 4, [4, 5, 6])])
def test_a_token_is_seen_by_those_who_may(option, form, row, position,
                                          expected):
  assert seen_by(option, form, 'inputs', row, position) == expected


@pytest.mark.parametrize('name,row,position,expected', [
    ('encoder_inputs', 3, 5, list(range(6))),
    ('encoder_inputs', 2, 1, [0, 1]),      # its own document's target
    ('encoder_inputs', 2, 3, [2, 3, 4]),
    ('encoder_inputs', 2, 7, []),
    ('decoder_inputs', 3, 2, [2, 3, 4, 5]),
    ('decoder_inputs', 2, 1, [1]),
    ('decoder_inputs', 2, 2, [2, 3, 4])])
def test_a_target_sees_its_own_input_and_past(name, row, position, expected):
  assert seen_by('t5', 'encoder_decoder', name, row, position) == expected


def test_explicit_visibility_is_one_more_condition():
  settings, module, inputs, params = build('plain', 'encoder')
  causal = np.broadcast_to(np.tri(LENGTH, dtype=bool), (5, LENGTH, LENGTH))
  found = apply(module, params, dict(inputs, visibility=causal))
  decoder = apply(trunk(settings, 'decoder'), params, inputs)
  np.testing.assert_allclose(found, decoder, atol=1e-6)


@pytest.mark.parametrize('form,fields', [
    ('prefix', OPTIONS['plain']), ('decoder', OPTIONS['grouped']),
    ('encoder', OPTIONS['t5']), ('encoder', OPTIONS['albert']),
    ('decoder', dict(attention_window=3, positions='alibi')), *(
        pytest.param('encoder', fields, marks=pytest.mark.slow)
        for fields in (
            OPTIONS['post_norm'], OPTIONS['post_rms'],
            dict(positions='transformer_xl'), dict(positions='disentangled'),
            dict(scan_layers=True),
            dict(OPTIONS['post_norm'], enhanced_decoder=True)))])
def test_rows_that_are_asked_for_are_those_of_all(form, fields):
  module, inputs = trunk(model(**fields), form), batch(form)
  params = params_of(module, inputs)
  asked = np.asarray([[2, 0], [3, 1], [6, 2], [7, 7], [0, 5]])
  found = apply(module, params, {**inputs, 'asked': asked})
  np.testing.assert_allclose(found, np.take_along_axis(
      apply(module, params, inputs), asked[..., None], 1), atol=1e-5)


def test_an_offset_is_added_to_the_embeddings():
  settings, module, inputs, params = build('plain', 'encoder')
  offset = np.random.default_rng(0).normal(
      size=(5, LENGTH, settings.width)).astype(np.float32)
  inputs = dict(inputs, offset=offset)
  np.testing.assert_allclose(
      apply(module, params, inputs)[3],
      reference.transformer(settings, params, row_of(inputs, 3), 'encoder'),
      rtol=1e-4, atol=1e-4)


def stacked(params):
  """The same layers on one leading axis, as a scan has them."""
  stack = dict(params['stack'])
  layers = [stack.pop(f'layer_{index}') for index in range(2)]
  stack['layers'] = jax.tree.map(lambda *leaves: np.stack(leaves), *layers)
  return {**params, 'stack': stack}


def gradients(settings, params, inputs):
  """States of a decoder, and gradients of a sum over some of them."""
  module = trunk(settings, 'decoder')

  @jax.jit
  def run(params):
    def loss(params):
      states = module.apply({'params': params}, inputs)
      return jnp.sum(jnp.square(states[:, :, :3])), states
    return jax.grad(loss, has_aux=True)(params)

  grads, states = run(params)
  return states, grads


@pytest.fixture(scope='module')
def plain():
  _, _, inputs, params = build('plain', 'decoder')
  return params, inputs, *gradients(model(), params, inputs)


@pytest.mark.parametrize('change', [
    dict(remat=True), dict(scan_layers=True),
    dict(scan_layers=True, remat=True)], ids=lambda fields: '+'.join(fields))
def test_scan_and_remat_change_nothing(plain, change):
  params, inputs, states, grads = plain
  settings = model(**change)
  shapes = shapes_of(trunk(settings, 'decoder'), inputs)
  if 'scan_layers' in change:
    params, grads = stacked(params), stacked(grads)
  assert jax.tree.map(lambda x: x.shape, shapes) == jax.tree.map(
      lambda x: x.shape, params)
  other_states, other_grads = gradients(settings, params, inputs)
  np.testing.assert_allclose(other_states, states, rtol=1e-4, atol=1e-5)
  assert all(np.any(leaf) for name, leaf in grads['stack'].items()
             if name.startswith('layer'))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(
      a, b, rtol=1e-3, atol=1e-4), other_grads, grads)


def test_dropout_is_of_the_examples_own_key_scanned_or_not():
  _, module, inputs, params = build('plain', 'decoder')
  dry = apply(module, params, inputs)
  wet = model(dropout=0.2, attention_dropout=0.2)
  keys = jax.random.split(jax.random.key(0), 5)
  states = apply(trunk(wet, 'decoder'), params, inputs, keys)
  assert np.abs(dry - states).max() > 0.1
  # The last example moves to the front, among others.
  order = np.array([4, 3, 2, 0, 1])
  moved = apply(trunk(wet, 'decoder'), params, {
      name: value[order] for name, value in inputs.items()}, keys[order])
  np.testing.assert_allclose(moved, states[order], atol=1e-5)
  scanned = trunk(model(dropout=0.2, attention_dropout=0.2, scan_layers=True),
                  'decoder')
  np.testing.assert_allclose(apply(scanned, stacked(params), inputs, keys),
                             states, rtol=1e-4, atol=1e-5)


def test_layers_drop_differently():
  settings = model(dropout=0.5)
  keys = jax.random.split(jax.random.key(0), 2)
  module = transformer.Block(settings)
  x = np.ones((2, LENGTH, 8), np.float32)
  segments = np.ones((2, LENGTH), np.int32)
  shared = {'structure': Structure(
      query_segments=segments, key_segments=segments)}
  params = params_of(module, x, 0, shared)
  run = jax.jit(lambda index: module.apply(
      {'params': params}, x, index, {**shared, 'keys': keys}))
  one, other = np.asarray(run(0)[0]), np.asarray(run(1)[0])
  assert np.array_equal(one, run(0)[0]) and not np.allclose(one, other)


def test_shared_layers_are_one_layer_twice():
  settings, module, inputs, params = build('albert', 'encoder')
  stack = params['stack']
  apart = {**params, 'stack': {'layer_0': stack['layer'],
                               'layer_1': stack['layer']}}
  unshared = trunk(model(**dict(OPTIONS['albert'], share_layers=False)))
  np.testing.assert_allclose(apply(module, params, inputs),
                             apply(unshared, apart, inputs), atol=1e-5)


def test_half_precision_computes_so_and_keeps_single_parameters():
  module = trunk(model(**OPTIONS['t5'], dtype='bfloat16'))
  _, single, inputs, _ = build('t5', 'encoder')
  params = params_of(module, inputs)
  assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {
      np.dtype('float32')}
  states, grads = jax.eval_shape(
      lambda params: (module.apply({'params': params}, inputs), jax.grad(
          lambda p: module.apply({'params': p}, inputs).astype(
              jnp.float32).sum())(params)), params)
  assert states.dtype == jnp.bfloat16
  assert {leaf.dtype for leaf in jax.tree.leaves(grads)} == {
      np.dtype('float32')}
  error = apply(module, params, inputs) - apply(single, params, inputs)
  assert 0 < np.abs(error).max() < 0.2
  half = shapes_of(trunk(model(param_dtype='bfloat16')), inputs)
  assert {leaf.dtype for leaf in jax.tree.leaves(half)} == {
      np.dtype(jnp.bfloat16)}


def expected_count(settings, form):
  """Parameters of a trunk, by formula."""
  width, heads = settings.width, settings.num_heads
  mlp_dim = settings.mlp_dim or 4 * width
  narrow = settings.embedding_width or width
  kv_width = width * (settings.num_kv_heads or heads) // heads
  bias = int(settings.use_bias)
  norm = lambda size: size * (1 + bias * (settings.norm == 'layer'))
  gates = 2 if settings.activation in ('swiglu', 'geglu') else 1
  attention = (2 * width * width + 2 * width * kv_width
               + bias * (2 * width + 2 * kv_width))
  mlp = (gates * (width * mlp_dim + bias * mlp_dim)
         + mlp_dim * width + bias * width)
  final = norm(width) * (settings.norm_position == 'pre')

  def stack(depth, cross):
    layer = (1 + cross) * (attention + norm(width)) + mlp + norm(width)
    return layer * (1 if settings.share_layers else depth) + final

  table = {'learned': LENGTH * narrow}.get(settings.positions, 0)
  inputs = (table + settings.num_token_types * narrow
            + norm(narrow) * settings.embedding_norm
            + (narrow != width) * (narrow * width + bias * width))
  relative = 32 * heads * (settings.positions == 't5')
  if form == 'encoder_decoder':
    return VOCAB * narrow + 2 * (inputs + relative) + stack(
        settings.depth // 2, 0) + stack(settings.depth // 2, 1)
  return VOCAB * narrow + inputs + relative + stack(settings.depth, 0)


@pytest.mark.parametrize('option,form', CASES)
def test_parameters_are_as_many_as_the_formula_says(option, form):
  settings, _, _, params = build(option, form)
  assert count(params) == expected_count(settings, form)


def test_the_original_base_model_has_110_million_parameters():
  """BERT base, Devlin et al. 2019, section 3: with its pooler 109.5."""
  settings = model(
      depth=12, width=768, num_heads=12, mlp_dim=3072, max_length=512,
      num_token_types=2, norm_position='post', embedding_norm=True)
  ids = jax.ShapeDtypeStruct((1, LENGTH), np.int32)
  shapes = shapes_of(
      transformer.Trunk(settings, 'encoder', 30522),
      {name: ids for name in ('inputs', 'positions', 'segment_ids')})
  assert count(shapes) + 768 * 768 + 768 == 109_482_240


def test_initial_weights_have_the_sizes_that_are_stated():
  settings = model(width=64, num_heads=4, mlp_dim=256, positions='none',
                   scan_layers=True)
  params = eager(trunk(settings).init, jax.random.key(0), batch('encoder'))
  params = jax.tree.map(np.asarray, meta.unbox(params)['params'])
  layer = params['stack']['layers']
  # Half of it where the residual stream is written: 1 / sqrt(2 * 2 layers).
  for kernel, expected in [
      (params['token_embedding']['embedding'], 0.02),
      (layer['attention']['query']['kernel'], 0.02),
      (layer['attention']['output']['kernel'], 0.01),
      (layer['mlp']['up']['kernel'], 0.02),
      (layer['mlp']['down']['kernel'], 0.01)]:
    assert kernel.std() == pytest.approx(expected, rel=0.1)
    assert abs(kernel.mean()) < 0.2 * expected
  assert np.all(layer['mlp_norm']['scale'] == 1)
  assert not np.any(layer['mlp']['up']['bias'])
  # No two layers begin alike.
  assert not np.array_equal(*layer['mlp']['up']['kernel'])
