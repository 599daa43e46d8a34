"""Attention: masks by hand, every kernel against plain loops, and queries
that see nothing.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.models import attention
from ptm_jax.models.attention import Structure
from ptm_jax.models.sown import attention_maps
from tests.models.stacks import batch, build, model, params_of, trunk

BATCH, QUERIES, KEYS, HEADS, KV_HEADS, SIZE = 2, 4, 6, 4, 2, 4


def mask(structure, queries=4, keys=4):
  """Rows of 'x' (seen) and '.' for each example."""
  found = attention.dense_mask(structure, queries, keys)
  assert found.dtype == bool
  return [[''.join('.x'[seen] for seen in row) for row in example]
          for example in found.astype(int).tolist()]


def ints(*rows):
  return jnp.array(rows, jnp.int32)


def test_masks_by_hand():
  assert mask(Structure()) == [['xxxx'] * 4]
  assert mask(Structure(), 1, 3) == [['xxx']]
  assert mask(Structure(causal=True)) == [['x...', 'xx..', 'xxx.', 'xxxx']]
  assert mask(Structure(window=1)) == [['xx..', 'xxx.', '.xxx', '..xx']]
  assert mask(Structure(causal=True, window=1)) == [
      ['x...', 'xx..', '.xx.', '..xx']]


def test_segments_by_hand():
  segments = ints([1, 1, 2, 0], [3, 0, 3, 3])
  assert mask(Structure(segments, segments)) == [
      ['xx..', 'xx..', '..x.', '....'], ['x.xx', '....', 'x.xx', 'x.xx']]
  assert mask(Structure(segments, segments, causal=True)) == [
      ['x...', 'xx..', '..x.', '....'], ['x...', '....', 'x.x.', 'x.xx']]
  # Queries of one stack, keys of another.
  assert mask(Structure(ints([2, 1, 0]), ints([1, 1, 2, 0])), 3) == [
      ['..x.', 'xx..', '....']]


def test_prefixes_by_hand():
  prefix = jnp.array([0, 2, 4])
  assert mask(Structure(prefix_length=prefix, causal=True)) == [
      ['x...', 'xx..', 'xxx.', 'xxxx'], ['xx..', 'xx..', 'xxx.', 'xxxx'],
      ['xxxx'] * 4]
  # Only what is causal has a prefix, and other documents stay hidden.
  assert mask(Structure(prefix_length=prefix)) == [['xxxx'] * 4]
  segments = ints([1, 1, 2, 0])
  assert mask(Structure(segments, segments, jnp.array([3]), causal=True)) == [
      ['xx..', 'xx..', '..x.', '....']]


def test_visibility_by_hand():
  visibility = jnp.array([[[True, False, True], [False] * 3]])
  assert mask(Structure(visibility=visibility), 2, 3) == [['x.x', '...']]
  assert mask(Structure(visibility=visibility, causal=True), 2, 3) == [
      ['x..', '...']]


def draw(seed=0):
  """Queries, keys, values and a bias."""
  rng = np.random.default_rng(seed)
  shapes = ((BATCH, QUERIES, HEADS, SIZE), (BATCH, KEYS, KV_HEADS, SIZE),
            (BATCH, KEYS, KV_HEADS, SIZE), (BATCH, HEADS, QUERIES, KEYS))
  return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


# The first query of example 0 and all of example 1's last see nothing.
STRUCTURE = Structure(np.array([[0, 1, 1, 2], [1, 2, 2, 9]], np.int32),
                      np.array([[1, 1, 2, 1, 2, 0], [2, 2, 1, 1, 0, 1]],
                               np.int32))


def loops(query, key, value, bias, scale):
  """The same in loops over everything."""
  seen = np.asarray(attention.dense_mask(STRUCTURE, QUERIES, KEYS))
  output = np.zeros(query.shape)
  weights = np.zeros((BATCH, HEADS, QUERIES, KEYS))
  for b in range(BATCH):
    for h in range(HEADS):
      kv = h // (HEADS // KV_HEADS)  # neighbouring heads share a key head
      for q in range(QUERIES):
        keys = np.flatnonzero(seen[b, q])
        scores = np.array([scale * query[b, q, h] @ key[b, k, kv]
                           + bias[b, h, q, k] for k in keys])
        exponentials = np.exp(scores)
        for k, one in zip(keys, exponentials):
          weights[b, h, q, k] = one / exponentials.sum()
          output[b, q, h] += one / exponentials.sum() * value[b, k, kv]
  return output, weights


@pytest.fixture(scope='module', params=['einsum', 'xla', None])
def attended(request):
  """Output and gradients of a kernel."""
  def run(query, key, value, bias):
    def loss(*arrays):
      output = attention.attend(*arrays[:3], STRUCTURE, arrays[3], 0.7,
                                implementation=request.param)
      # What the output is multiplied with makes gradients that differ.
      return jnp.sum(output * jnp.cos(jnp.arange(output.size).reshape(
          output.shape))), output
    return jax.grad(loss, argnums=(0, 1, 2, 3), has_aux=True)(
        query, key, value, bias)

  grads, output = jax.jit(run)(*draw())
  return output, grads


def test_kernels_are_plain_loops(attended):
  expected, _ = loops(*draw(), 0.7)
  np.testing.assert_allclose(attended[0], expected, rtol=1e-4, atol=1e-5)


def test_a_query_that_sees_nothing_gives_zero_and_no_gradient(attended):
  output, (query_grad, key_grad, value_grad, bias_grad) = attended
  for row in (0, 0), (1, 3):
    assert not np.any(output[row]) and not np.any(query_grad[row])
    assert not np.any(bias_grad[row[0], :, row[1]])
  # Neither has a key that nobody sees.
  for row in (0, 5), (1, 4):
    assert not np.any(key_grad[row]) and not np.any(value_grad[row])
  for grad in attended[1]:
    assert np.all(np.isfinite(grad)) and np.any(grad)


def test_gradients_of_all_kernels_are_those_of_a_plain_softmax(attended):
  seen = attention.dense_mask(STRUCTURE, QUERIES, KEYS)

  def run(query, key, value, bias):
    def loss(query, key, value, bias):
      key, value = (jnp.repeat(x, HEADS // KV_HEADS, 2) for x in (key, value))
      scores = 0.7 * jnp.einsum('bqhd,bkhd->bhqk', query, key) + bias
      weights = jax.nn.softmax(jnp.where(seen[:, None], scores, -1e9))
      weights = jnp.where(seen[:, None], weights, 0)
      output = jnp.einsum('bhqk,bkhd->bqhd', weights, value)
      return jnp.sum(output * jnp.cos(jnp.arange(output.size).reshape(
          output.shape)))
    return jax.grad(loss, argnums=(0, 1, 2, 3))(query, key, value, bias)

  for found, expected in zip(attended[1], jax.jit(run)(*draw()), strict=True):
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_weights_sum_to_one_or_to_nothing():
  query, key, _, bias = draw()
  found = jax.jit(lambda *x: attention.attention_weights(
      *x[:2], STRUCTURE, x[2], 0.7))(query, key, bias)
  _, expected = loops(*draw(), 0.7)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
  sums = np.ones((BATCH, HEADS, QUERIES))
  sums[0, :, 0] = sums[1, :, 3] = 0
  np.testing.assert_allclose(found.sum(-1), sums, atol=1e-6)


def test_large_scores_do_not_overflow():
  query, key, value, bias = draw()
  output = jax.jit(lambda *x: attention.attend(*x, STRUCTURE))(
      1e4 * query, 1e4 * key, value)
  assert np.all(np.isfinite(output))
  assert np.abs(output).max() <= np.abs(value).max() * 1.001


@pytest.mark.parametrize('implementation', ['xla', 'cudnn'])
def test_kernels_that_cannot_drop_say_so(implementation):
  keys = jax.random.split(jax.random.key(0), BATCH)
  with pytest.raises(ConfigError, match=f"{implementation}.*use 'einsum'"):
    attention.attend(*draw()[:3], STRUCTURE, dropout_keys=keys,
                     dropout_rate=0.1, implementation=implementation)


def test_dropped_weights_keep_the_mean():
  query, key, value, _ = draw()
  keys = jax.random.split(jax.random.key(0), BATCH)
  run = jax.jit(lambda rate_keys: attention.attend(
      query, key, value, STRUCTURE, dropout_keys=rate_keys, dropout_rate=0.5))
  dry = attention.attend(query, key, value, STRUCTURE)
  outputs = np.array([run(jax.vmap(lambda k, n=n: jax.random.fold_in(k, n))(
      keys)) for n in range(400)])
  assert outputs.std(0)[0, 1].min() > 0.1
  np.testing.assert_allclose(outputs.mean(0), dry, atol=0.35)
  assert not np.any(outputs[:, 0, 0])


@pytest.mark.parametrize('fields', [
    dict(), dict(scan_layers=True), dict(share_layers=True)])
def test_attention_maps_are_those_of_the_layers(fields):
  module, inputs = trunk(model(**fields)), batch('encoder')
  params = params_of(module, inputs)
  _, sown = jax.jit(lambda params: module.apply(
      {'params': params}, inputs, mutable='intermediates'))(params)
  maps = attention_maps(sown['intermediates']['stack'])
  assert [one.shape for one in maps] == [(5, 2, 8, 8)] * 2
  assert not np.allclose(maps[0], maps[1])
  segments = inputs['segment_ids']
  for one in maps:
    np.testing.assert_allclose(one.sum(-1), np.broadcast_to(
        (segments > 0)[:, None], one.shape[:3]), atol=1e-5)
    assert not np.any(np.asarray(one) * (
        segments[:, None, :, None] != segments[:, None, None, :]))


def test_maps_are_in_the_order_of_the_layers():
  """Each layer's map changes with its own parameters."""
  _, module, inputs, params = build('plain', 'encoder')
  run = jax.jit(lambda params: attention_maps(module.apply(
      {'params': params}, inputs, mutable='intermediates')[1][
          'intermediates']['stack']))
  before = run(params)
  changed = jax.tree.map(lambda x: x, params)
  changed['stack']['layer_1']['attention']['query']['bias'] = params['stack'][
      'layer_1']['attention']['query']['bias'] + 1
  after = run(changed)
  assert np.array_equal(before[0], after[0])
  assert not np.array_equal(before[1], after[1])


def test_scores_are_divided_by_the_root_of_the_head_width():
  """With two equal queries and keys, weights follow from the scale alone."""
  ones = np.ones((1, 2, 1, 4), np.float32)
  key = np.stack([np.ones((1, 1, 4)), np.zeros((1, 1, 4))], 1).astype('f4')
  weights = attention.attention_weights(ones, key, Structure(),
                                        scale=1 / math.sqrt(4))
  np.testing.assert_allclose(weights[0, 0, 0],
                             [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))],
                             rtol=1e-6)
