"""A prefix at every layer is what a text before it would be."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import finetune_step
from ptm_jax.data.vocabulary import Listed
from ptm_jax.find import find
from ptm_jax.finetune_config import PREFIXED
from tests.eager import eager
from tests.objectives.cases import MODEL, bound
from tests.objectives.words import ids
from tests.scoring.runs import run_of
from tests.test_finetune import recipe_for

MODELS = {
    'unrolled': {}, 'scanned': {'scan_layers': True},
    'rotary': {'positions': 'rotary', 'num_kv_heads': 1},
    'transformer_xl': {'positions': 'transformer_xl'}}


@pytest.mark.parametrize('kind', ['rotary', 'scanned', *(
    pytest.param(kind, marks=pytest.mark.slow)
    for kind in ('unrolled', 'transformer_xl'))])
def test_it_is_the_beginning_of_a_text(kind):
  run = run_of('autoregressive', **MODELS[kind])
  objective, tokens = run.objective, ids('a b c d e f g')
  def stack(first):
    return {'inputs': tokens[None, first:],
            'positions': np.arange(first, 7, dtype=np.int32)[None],
            'segment_ids': np.ones((1, 7 - first), np.int32)}
  def states(params):
    prefix = objective.kept(params, jnp.asarray(tokens[:3]))
    alone = objective._apply(params, stack(3), None)
    return (objective._apply(params, stack(0), None)[:, 3:], alone,
            objective._apply({**params, 'prefix': prefix}, stack(3), None))
  whole, alone, behind = jax.jit(states)({'trunk': run.params['trunk']})
  if kind != 'transformer_xl':  # whose scores of the prefix's places are lost
    np.testing.assert_allclose(behind, whole, atol=1e-4)
  assert not np.allclose(behind, alone, atol=1e-2)


@pytest.mark.parametrize('name', ['masked', *(
    pytest.param(name, marks=pytest.mark.slow)
    for name in ('span_corruption', 'permutation'))])
def test_it_is_seen_from_every_layer_and_padding_is_not(name):
  objective = run_of(name).objective
  recipe = recipe_for('cola', objective, way='layer_prefix', pooling='mean')
  offset = finetune_step.text_offset(objective)
  tokens = np.broadcast_to(ids('a b c d e f'), (1, 1, 6)).copy()
  @jax.jit
  def run(prefix, tokens):
    batch = {'tokens': tokens, 'real': np.arange(6)[None, None] < 4}
    return finetune_step.outputs(recipe, offset, {
        **params, 'task': {**params['task'], 'prefix': prefix}}, batch)
  state = jax.jit(finetune_step.make_init(recipe))(
      jax.random.key(0), run_of(name).params['trunk'])
  params = state['params']
  prefix = params['task']['prefix']
  before = run(prefix, tokens)
  assert {leaf.shape[0] for leaf in jax.tree.leaves(prefix)} == {3}
  leaves, shape = jax.tree.flatten(prefix)
  assert len(leaves) == 2 * (1 if name == 'span_corruption' else 2)
  for place, leaf in enumerate(leaves):
    other = [*leaves[:place], leaf + 1.0, *leaves[place + 1:]]
    assert not np.allclose(run(shape.unflatten(other), tokens), before)
  tokens[..., 4:] = ids('a b')
  np.testing.assert_array_equal(run(prefix, tokens), before)
  # Nothing but prefix and head is trained.
  assert set(finetune_step.trained(recipe, params)) == {'task'}


@pytest.mark.parametrize('way', PREFIXED)
def test_it_is_trained_in_float32_whatever_the_trunk_computes_in(way):
  objective = bound('masked', model=dataclasses.replace(
      MODEL, dtype='bfloat16', param_dtype='bfloat16'))
  trunk = meta.unbox(jax.eval_shape(
      objective.init, jax.random.key(0)))['trunk']
  made = jax.eval_shape(finetune_step.make_init(
      recipe_for('cola', objective, way=way)), jax.random.key(0), trunk)
  kinds = {leaf.dtype.name
           for leaf in jax.tree.leaves(made['params']['task'])}
  assert kinds == {'float32'}


def test_at_the_input_it_begins_as_tokens_where_no_mask_is_known():
  """As in a published GPT-2."""
  listed = Listed(12, (('bos', 10), ('eos', 11)), (), tuple(range(10)))
  objective = find('objectives', 'autoregressive')().bind(MODEL, listed, 12)
  params = meta.unbox(eager(objective.init, jax.random.key(0)))
  recipe = recipe_for('cola', objective, way='prefix', pooling='last')
  state = eager(finetune_step.make_init(recipe), jax.random.key(0),
                params['trunk'])['params']
  table = np.asarray(params['trunk']['token_embedding']['embedding'])
  vectors = np.asarray(state['task']['prefix']) + table[0]
  first = np.argmin(np.abs(vectors[:, None] - table[None]).sum(-1), 1)
  text = np.asarray([3, 0, 5], np.int32)
  def outputs(way, tokens):
    tokens = np.asarray(tokens, np.int32)[None, None]
    return finetune_step.outputs(
        dataclasses.replace(recipe, way=way), 1, state,
        {'tokens': tokens, 'real': np.ones(tokens.shape, bool)})
  prefixed, written = jax.jit(lambda: (
      outputs('prefix', text), outputs('full', [*first, *text])))()
  np.testing.assert_allclose(prefixed, written, atol=1e-5)
