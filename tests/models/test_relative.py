"""Transformer-XL's, XLNet's and DeBERTa's scores by loops, DeBERTa's last layer
by hand, and what they leak.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax.errors import ConfigError
from ptm_jax.leaks import Prover
from ptm_jax.models.attention import Attention, Structure
from ptm_jax.models.relative import (DisentangledScores, RelativeScores,
                                     distance_rows)
from ptm_jax.models.sown import entering_states
from ptm_jax.models.transformer import Block, Trunk
from tests.eager import eager
from tests.models.stacks import apply, model, side, trunk
from tests.objectives.cases import MODEL, bound
from tests.objectives.words import random_windows

DEBERTA = dict(positions='disentangled', enhanced_decoder=True,
               norm_position='post')


def test_disentangled_scores_by_loops():
  rng = np.random.default_rng(0)
  def draw(*shape):
    return rng.normal(size=shape).astype(np.float32)
  query, key, table = draw(1, 5, 2, 4), draw(1, 5, 2, 4), draw(4, 8)
  params = {name: {'kernel': draw(8, 2, 4), 'bias': draw(2, 4)}
            for name in ('key_distance', 'query_distance')}
  # The last two tokens are another document's, whose places begin again.
  places = np.array([[0, 1, 4, 0, 1]], np.int32)
  found = apply(DisentangledScores(model()), params, query, key, places,
                places, table)
  of_keys, of_queries = (
      np.einsum('rw,whd->rhd', table, params[name]['kernel'])
      + params[name]['bias'] for name in ('key_distance', 'query_distance'))

  def row(distance):  # with k = 2: -2 and below, -1, 0, 1 and above
    return 0 if distance <= -2 else 3 if distance >= 2 else distance + 2

  for head in range(2):
    for i in range(5):
      for j in range(5):
        away = int(places[0, i] - places[0, j])
        expected = (query[0, i, head] @ of_keys[row(away), head]
                    + key[0, j, head] @ of_queries[row(-away), head])
        assert found[0, head, i, j] == pytest.approx(expected, abs=1e-4)


def test_distances_and_types_by_loops():
  rng = np.random.default_rng(0)
  def draw(*shape):
    return rng.normal(size=shape).astype(np.float32)
  settings = model(positions='transformer_xl', relative_types=True,
                   qkv_bias=False)
  query, far = draw(1, 5, 2, 4), draw(8, 2, 4)
  params = {'distance': {'kernel': far}, 'types': draw(2, 2, 4), **{
      name: draw(2, 4) for name in ('content_bias', 'place_bias', 'type_bias')}}
  # The last two tokens are another document's, whose places begin again.
  places = np.array([[0, 1, 4, 0, 1]], np.int32)
  kinds = np.array([[0, 0, 2, 1, 1]], np.int32)
  for types in (kinds, kinds), None:
    content, found = RelativeScores(settings).apply(
        {'params': params}, query, places, places, types)
    np.testing.assert_array_equal(content, query + params['content_bias'])
    for head in range(2):
      for i in range(5):
        for j in range(5):
          angles = (places[0, i] - places[0, j]) / 10_000 ** (np.arange(4) / 4)
          wave = np.concatenate([np.sin(angles), np.cos(angles)])
          expected = (query[0, i] + params['place_bias'])[head] @ (
              wave @ far[:, head])
          if types:
            expected += (query[0, i] + params['type_bias'])[head] @ params[
                'types'][int(kinds[0, i] != kinds[0, j]), head]
          assert found[0, head, i, j] == pytest.approx(expected, abs=1e-4)


def test_queries_begin_as_a_vector_of_their_own():
  settings = model(query_embedding=True, norm_position='post', depth=1,
                   positions='none')
  # In each of two segments the last of four rows is a query.
  stack = dict(side(((8,),), 8), num_segments=2,
               visibility=np.ones((1, 8, 3), bool))
  _, variables = Trunk(settings, 'two_stream', 13).init_with_output(
      jax.random.key(0), stack, mutable=True)
  params = meta.unbox(variables['params'])
  found = entering_states(variables['intermediates']['stack'])[0].reshape(8, 8)
  is_query = np.arange(8) % 4 == 3
  vector = params['inputs']['query_embedding']
  np.testing.assert_array_equal(found[is_query], [vector] * 2)
  np.testing.assert_array_equal(found[~is_query], params['token_embedding'][
      'embedding'][stack['inputs'][0][~is_query]])


def test_far_distances_share_logarithmic_buckets():
  rows = distance_rows(600, 256, 512) - 256
  away = dict(zip(range(-599, 600), rows.tolist(), strict=True))
  # Exact up to 128; then 127 buckets up to a distance of 511.
  assert [away[one] for one in (0, 1, -128, 128, 129, -129)] == [
      0, 1, -128, 128, 129, -129]
  assert [away[one] for one in (130, 200, -300, 511, 512, -512, -599)] == [
      130, 169, -207, 255, 255, -256, -256]
  assert (np.diff(rows) >= 0).all()


def test_the_second_version_reads_one_distance_and_projects_as_the_content():
  rng = np.random.default_rng(0)
  def draw(*shape):
    return rng.normal(size=shape).astype(np.float32) / 2
  settings = model(positions='disentangled_v2', distance_buckets=4, width=8)
  x, table = draw(1, 9, 8), draw(8, 8)
  # The last three tokens are another document's.
  segments = np.array([[1] * 6 + [2] * 3], np.int32)
  places = np.array([[0, 1, 2, 3, 4, 5, 0, 1, 2]], np.int32)
  params = {name: {'kernel': draw(8, 2, 4), 'bias': draw(2, 4)}
            for name in ('query', 'key', 'value')}
  params['output'] = {'kernel': draw(2, 4, 8), 'bias': draw(8)}
  _, sown = Attention(settings).apply(
      {'params': params}, x, x, Structure(segments, segments), places,
      distances=table, places=places, mutable=['intermediates'])
  (found,) = sown['intermediates']['weights']
  query, key, query_far, key_far = (
      np.einsum('nw,whd->hnd', one, params[name]['kernel'])
      + params[name]['bias'][:, None] for one in (x[0], table)
      for name in ('query', 'key'))
  rows = distance_rows(9, 4, settings.max_length)
  for head in range(2):
    for i in range(9):
      scores = np.full(9, -np.inf)
      for j in np.flatnonzero(segments[0] == segments[0, i]):
        row = rows[places[0, i] - places[0, j] + 8]
        scores[j] = (query[head, i] @ key[head, j]
                     + query[head, i] @ key_far[head, row]
                     + key[head, j] @ query_far[head, row]) / np.sqrt(3 * 4)
      expected = np.exp(scores - scores.max())
      np.testing.assert_allclose(found[0, head, i], expected / expected.sum(),
                                 atol=1e-5)


def run(settings, stack, variables=None):
  module = trunk(settings)
  if variables is None:
    variables = meta.unbox(eager(module.init, jax.random.key(0), stack))
  states, sown = jax.jit(lambda variables, stack: module.apply(
      variables, stack, mutable=['intermediates']))(variables, stack)
  return variables, np.asarray(states), sown['intermediates']


def test_the_enhanced_decoder_is_the_last_layer_twice():
  settings = model(depth=2, positions='none', enhanced_decoder=True,
                   norm_position='post')
  stack = side(((3, 4), (8,)), 8)
  variables, states, sown = run(settings, stack)
  params = variables['params']
  assert list(params['stack']) == ['layer_0']
  segments = stack['segment_ids']
  shared = {'structure': Structure(segments, segments)}
  first, _ = Block(settings).apply(
      {'params': params['stack']['layer_0']},
      entering_states(sown['stack'])[0], jnp.int32(0), shared)
  last = params['enhanced_decoder']
  x = first + last['position_embedding']['embedding'][stack['positions']]
  for _ in range(2):
    x, _ = Block(settings).apply({'params': last['layer']}, x, jnp.int32(1),
                                 {**shared, 'context': first})
  np.testing.assert_allclose(states, x, atol=1e-5)


def test_only_the_last_layer_learns_where_a_text_stands():
  settings = model(depth=3, **DEBERTA)
  stack = side(((4,),), 8)
  later = {**stack, 'positions': stack['positions'] + 3 * (
      stack['segment_ids'] > 0)}
  variables, here, before = run(settings, stack)
  _, there, after = run(settings, later, variables)
  for one, other in zip(entering_states(before['stack']),
                        entering_states(after['stack']), strict=True):
    np.testing.assert_allclose(one[:, :4], other[:, :4], atol=1e-6)
  assert np.abs(here[:, :4] - there[:, :4]).max() > 1e-3


@pytest.mark.parametrize('fields', [
    {}, pytest.param(dict(positions='disentangled_v2', distance_buckets=4),
                     marks=pytest.mark.slow)])
def test_disentangled_attention_leaks_nothing(fields):
  settings = dataclasses.replace(MODEL, **{**DEBERTA, **fields})
  shared = Prover(bound('masked', model=settings))
  (one,) = shared.derivative(shared.corrupt(random_windows(2, 12, 2, 2)))
  assert not one.leaks and one.checked and one.blind < 0.05, one


@pytest.mark.parametrize('fields,found', [
    (dict(norm_position='pre'), 'norm_position=post'),
    (dict(depth=1), 'model.depth=1'),
    (dict(num_heads=4, num_kv_heads=2), 'num_kv_heads=2'),
    (dict(distance_buckets=4), 'distance_buckets=4'),
    (dict(positions='disentangled_v2', distance_buckets=3),
     'distance_buckets=3'),
    (dict(positions='disentangled_v2', num_heads=4, num_kv_heads=2),
     'positions=disentangled_v2')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    model(**{**DEBERTA, **fields})


def test_types_that_are_compared_have_no_rows_of_their_own():
  fields = dict(positions='transformer_xl', relative_types=True)
  with pytest.raises(ConfigError, match='num_token_types=0, found 2'):
    model(**fields, num_token_types=2)
  with pytest.raises(ConfigError, match='relative_types is for'):
    model(**dict(fields, positions='rotary'))


def test_two_stacks_are_refused():
  with pytest.raises(ConfigError, match='a single stack'):
    bound('span_corruption', model=dataclasses.replace(MODEL, **DEBERTA))
