"""Dense layers, norms, feed-forwards, dropout and heads, by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta
from scipy import special

from ptm_jax.models import heads, layers
from tests.models.stacks import apply, count, model, params_of, shapes_of

ROW = np.array([[1.0, 2, 3, 6]], np.float32)
SCALE = np.array([1, 2, 1, 1], np.float32)
BIAS = np.array([0, 0, 0, 5], np.float32)


def test_layer_norm_by_hand():
  found = apply(layers.Norm(model()), {'scale': SCALE, 'bias': BIAS}, ROW)
  # Mean 3, variance (4 + 1 + 0 + 9) / 4.
  root = math.sqrt(3.5)
  np.testing.assert_allclose(
      found, [[-2 / root, -2 / root, 0, 3 / root + 5]], rtol=1e-5, atol=1e-6)


def test_rms_norm_by_hand():
  found = apply(layers.Norm(model(norm='rms')), {'scale': SCALE}, ROW)
  root = math.sqrt(50 / 4)
  np.testing.assert_allclose(
      found, [[1 / root, 4 / root, 3 / root, 6 / root]], rtol=1e-5)
  assert list(shapes_of(layers.Norm(model(norm='rms')), ROW)) == ['scale']


def test_norm_statistics_are_single_precision():
  # 1000 and 1001 are not told apart in bfloat16's 8 bits, nor is their mean.
  row = np.array([[1000, 1001, 1002, 1003]], np.float32)
  module = layers.Norm(model(dtype='bfloat16'))
  params = {'scale': np.ones(4, 'f4'), 'bias': np.zeros(4, 'f4')}
  root = math.sqrt(1.25)
  np.testing.assert_allclose(
      apply(module, params, row),
      [[-1.5 / root, -0.5 / root, 0.5 / root, 1.5 / root]], rtol=1e-2)


@pytest.mark.parametrize('name,at_one,at_minus_one', [
    ('gelu', 0.8413447, -0.1586553), ('gelu_tanh', 0.8411920, -0.1588080),
    ('relu', 1.0, 0.0), ('silu', 0.7310586, -0.2689414),
    ('swiglu', 0.7310586, -0.2689414), ('geglu', 0.8411920, -0.1588080)])
def test_activations_by_hand(name, at_one, at_minus_one):
  found = layers.activation(name)(jnp.array([1.0, -1.0]))
  np.testing.assert_allclose(found, [at_one, at_minus_one], rtol=1e-5)


def test_gelu_is_x_times_the_normal_distribution_function():
  x = np.concatenate([np.linspace(-9, 9, 20_001), [1e5, -1e5, 1e30, -1e30]])
  at, exact = jnp.asarray(x, jnp.float32), special.ndtr(x)
  np.testing.assert_allclose(layers.gelu(at), x * exact, rtol=3e-7, atol=1e-6)
  density = np.exp(-np.minimum(x**2, 1000) / 2) / math.sqrt(2 * math.pi)
  slope = jax.vmap(jax.grad(layers.gelu))(at)
  np.testing.assert_allclose(slope, exact + x * density, atol=5e-6)


def test_a_gate_multiplies_the_value():
  settings = model(width=1, num_heads=1, mlp_dim=1, activation='swiglu',
                   use_bias=False)
  params = {name: {'kernel': np.full((1, 1), value, 'f4')} for name, value in
            (('up', 1.0), ('value', 3.0), ('down', 10.0))}
  found = apply(layers.MLP(settings), params, np.array([[1.0]], 'f4'))
  assert found[0, 0] == pytest.approx(0.7310586 * 3 * 10, rel=1e-5)


def test_dense_sums_over_several_axes_and_makes_several():
  x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
  into = layers.Dense(model(), (2, 5), ('embed', 'heads', 'head_dim'))
  params = params_of(into, x)
  found = apply(into, params, x)
  np.testing.assert_allclose(
      found, np.einsum('blw,whd->blhd', x, params['kernel']) + params['bias'],
      rtol=1e-5, atol=1e-6)
  out = layers.Dense(model(), (4,), ('heads', 'head_dim', 'embed'))
  params = params_of(out, found)
  np.testing.assert_allclose(
      apply(out, params, found),
      np.einsum('blhd,hdw->blw', found, params['kernel']) + params['bias'],
      rtol=1e-5, atol=1e-6)


def test_parameters_know_the_meaning_of_their_axes():
  boxed = jax.eval_shape(
      layers.Dense(model(), (2, 5), ('embed', 'heads', 'head_dim')).init,
      jax.random.key(0), ROW)['params']
  assert boxed['kernel'].names == ('embed', 'heads', 'head_dim')
  assert boxed['bias'].names == ('heads', 'head_dim')
  assert isinstance(boxed['kernel'], meta.Partitioned)


dropout = jax.jit(layers.dropout, static_argnums=(2, 3))
KEYS = jax.random.split(jax.random.key(3), 2)
ONES = np.ones((2, 41, 61), np.float32)  # an odd number of entries


def test_dropout_keeps_its_share_and_its_mean():
  found = np.asarray(dropout(KEYS, ONES, 0.3, 'a'))
  kept = found > 0
  np.testing.assert_allclose(found[kept], 1 / 0.7, rtol=1e-6)
  # 5 standard errors of 2501 entries a row.
  assert np.all(np.abs(kept.mean((1, 2)) - 0.7) < 5 * math.sqrt(0.21 / 2501))
  assert not np.array_equal(kept[0], kept[1])


def test_dropout_is_of_key_and_name():
  one = dropout(KEYS, ONES, 0.3, 'a')
  assert np.array_equal(one, dropout(KEYS, ONES, 0.3, 'a'))
  assert not np.array_equal(one, dropout(KEYS, ONES, 0.3, 'b'))
  swapped = dropout(KEYS[::-1], ONES, 0.3, 'a')
  assert np.array_equal(one[0], swapped[1])


def test_neighbours_are_dropped_independently():
  """Both halves of a 32-bit draw decide: no pair moves together."""
  kept = np.asarray(dropout(KEYS, ONES, 0.3, 'a')).reshape(2, -1)[:, :2500] > 0
  pairs = kept.reshape(-1, 2)
  both = np.mean(pairs[:, 0] & pairs[:, 1])
  assert both == pytest.approx(0.49, abs=5 * math.sqrt(0.25 / 2500))
  assert np.mean(pairs[:, 0]) == pytest.approx(0.7, abs=0.05)


def test_no_dropout_without_keys_or_rate():
  assert layers.dropout(None, ONES, 0.3) is ONES
  assert layers.dropout(KEYS, ONES, 0.0) is ONES


def test_dropout_keeps_the_dtype():
  half = jax.ShapeDtypeStruct((2, 4), jnp.bfloat16)
  assert jax.eval_shape(lambda x: layers.dropout(KEYS, x, 0.1),
                        half).dtype == jnp.bfloat16


@pytest.mark.parametrize('norm_position,expected', [('pre', 1 / 4),
                                                    ('post', 1)])
def test_residual_weights_begin_smaller_where_the_stream_grows(
    norm_position, expected):
  settings = model(depth=8, norm_position=norm_position)
  assert layers.residual_scale(settings) == expected


HIDDEN = np.random.default_rng(1).normal(size=(2, 3, 8)).astype(np.float32)


def head(settings, embedding, **fields):
  module = heads.LMHead(settings, 13, **fields)
  params = params_of(module, HIDDEN, embedding)
  features, table, bias = jax.jit(lambda params: module.apply(
      {'params': params}, HIDDEN, embedding))(params)
  return params, features, table, bias


def test_a_tied_head_is_the_embedding():
  embedding = np.ones((13, 8), np.float32)
  params, features, table, bias = head(model(), embedding, transform=False,
                                       bias=False)
  assert not params and bias is None
  assert np.array_equal(features, HIDDEN)
  assert np.array_equal(table, embedding)


def test_a_head_of_its_own_has_a_table_and_a_bias():
  params, features, table, bias = head(model(), None, transform=False,
                                       bias=True)
  assert np.array_equal(table, params['table']) and table.shape == (13, 8)
  assert np.array_equal(bias, params['bias']) and bias.shape == (13,)
  assert np.array_equal(features, HIDDEN)


def test_berts_transform_goes_to_the_embeddings_width():
  settings = model(embedding_width=6, activation='relu')
  embedding = np.ones((13, 6), np.float32)
  params, features, table, _ = head(settings, embedding, transform=True,
                                    bias=True)
  assert table.shape == (13, 6)
  hidden = np.maximum(HIDDEN @ params['transform']['kernel']
                      + params['transform']['bias'], 0)
  hidden = hidden - hidden.mean(-1, keepdims=True)
  norm = params['transform_norm']
  expected = hidden / np.sqrt((hidden**2).mean(-1, keepdims=True) + 1e-6)
  np.testing.assert_allclose(features, expected * norm['scale']
                             + norm['bias'], rtol=1e-4, atol=1e-5)


def test_a_factorised_embedding_needs_a_projection():
  embedding = np.ones((13, 6), np.float32)
  params, features, _, _ = head(model(embedding_width=6), embedding,
                                transform=False, bias=False)
  np.testing.assert_allclose(
      features, HIDDEN @ params['projection']['kernel']
      + params['projection']['bias'], rtol=1e-4, atol=1e-5)


def test_token_classifiers_score_every_position():
  module = heads.TokenClassifier(model(activation='relu'), 2, transform=True)
  params = params_of(module, HIDDEN)
  hidden = np.maximum(HIDDEN @ params['transform']['kernel']
                      + params['transform']['bias'], 0)
  np.testing.assert_allclose(
      apply(module, params, HIDDEN), hidden @ params['classifier']['kernel']
      + params['classifier']['bias'], rtol=1e-4, atol=1e-5)
  linear = heads.TokenClassifier(model(), 3, transform=False)
  assert count(shapes_of(linear, HIDDEN)) == 8 * 3 + 3


def test_pooled_classifiers_read_the_first_state_only():
  module = heads.PooledClassifier(model(), 3)
  params = params_of(module, HIDDEN)
  pooled = np.tanh(HIDDEN[:, 0] @ params['pooler']['kernel']
                   + params['pooler']['bias'])
  np.testing.assert_allclose(
      apply(module, params, HIDDEN), pooled @ params['classifier']['kernel']
      + params['classifier']['bias'], rtol=1e-4, atol=1e-5)
