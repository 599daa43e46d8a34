"""Memory: all segments at once are a loop over them, what it reaches, and that
its gradient is stopped.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.models import memory, positions
from ptm_jax.models.attention import Structure, dense_mask
from ptm_jax.models.layers import Norm
from ptm_jax.models.sown import entering_states
from ptm_jax.models.transformer import Block
from tests.models import stacks
from tests.models.stacks import model, side, trunk

# Segments of 4 tokens: a document that goes on through two segments, one that
# begins within a segment, padding; and one document alone.
TEXT = side(((6, 5), (12,)), 12)
SEGMENTS = 3
CASES = {
    'transformer_xl': dict(positions='transformer_xl', norm_position='post',
                           activation='relu', scale_embeddings=True),
    'rotary': dict(positions='rotary', norm='rms', use_bias=False,
                   num_heads=4, num_kv_heads=2),
    't5': dict(positions='t5', share_layers=True),
    'learned': dict(max_length=12, scan_layers=True),
}


def params_of(settings, text):
  return jax.tree.map(jnp.asarray, stacks.params_of(
      trunk(settings, 'decoder'), text))


def together(settings, params, stack, **options):
  return trunk(settings, 'decoder').apply(
      {'params': params}, dict(stack, num_segments=SEGMENTS), **options)


def test_rows_that_are_asked_for_are_counted_through_the_whole_text():
  settings = model(**CASES['rotary'])
  params, asked = params_of(settings, TEXT), np.array([[9, 2], [11, 4]])
  whole, some = jax.jit(lambda params: (
      together(settings, params, TEXT),
      together(settings, params, {**TEXT, 'asked': asked})))(params)
  np.testing.assert_allclose(
      some, np.take_along_axis(whole, asked[..., None], 1), atol=1e-6)


def layer_of(stack, index):
  """A layer's parameters, be they its own, shared or stacked."""
  if 'layers' in stack:
    return jax.tree.map(lambda leaf: leaf[index], stack['layers'])
  return stack['layer' if 'layer' in stack else f'layer_{index}']


def by_loop(settings, params, stack):
  """States, one segment after the other, each with the memory that it is
  handed and a mask written out."""
  size = 12 // SEGMENTS
  memories, found = None, []
  for number in range(SEGMENTS):
    part = {name: value[:, number * size:(number + 1) * size]
            for name, value in stack.items()}
    _, sown = trunk(settings, 'decoder').apply(
        {'params': params}, part, mutable=['intermediates'])
    x = entering_states(sown['intermediates']['stack'])[0]
    documents = part['segment_ids']
    before = (stack['segment_ids'][:, (number - 1) * size:number * size]
              if number else np.zeros_like(documents))
    both = np.concatenate([before, documents], 1)
    seen = ((documents[:, :, None] == both[:, None])
            & (documents[:, :, None] > 0)
            & (np.arange(2 * size) <= size + np.arange(size)[:, None]))
    shared = {'structure': Structure(key_segments=both, visibility=seen)}
    # Only distances count: memory lies right before the segment.
    here, there = (np.arange(n, 2 * size)[None] for n in (size, 0))
    if settings.positions in ('transformer_xl', 'rotary'):
      shared.update(positions=here, places=there)
    elif settings.positions == 't5':
      shared['bias'] = positions.RelativeBias(settings, False).apply(
          {'params': params['relative_bias']}, here, there)
    entered = []
    for index in range(settings.depth):
      values = layer_of(params['stack'], index)
      old = memories[index] if memories else jnp.zeros_like(x)
      context = jnp.concatenate([jax.lax.stop_gradient(old), x], 1)
      if settings.norm_position == 'pre':
        context = Norm(settings).apply(
            {'params': values['attention_norm']}, context)
      entered.append(x)
      x, _ = Block(settings).apply({'params': values}, x, jnp.int32(index),
                                   dict(shared, context=context))
    memories = entered
    found.append(x)
  x = jnp.concatenate(found, 1)
  if settings.norm_position == 'pre':
    x = Norm(settings).apply({'params': params['stack']['final_norm']}, x)
  return x


@pytest.mark.parametrize('case', CASES)
def test_segments_at_once_are_a_loop_over_them(case):
  """States, and gradients of all parameters."""
  settings = model(**CASES[case])
  params = params_of(settings, TEXT)
  along = np.random.default_rng(1).normal(size=(2, 12, 8)).astype(np.float32)
  real = (TEXT['segment_ids'] > 0)[..., None]

  def both(function):
    def loss(params):
      states = jnp.where(real, function(settings, params, TEXT), 0)
      return jnp.sum(states * along), states
    return jax.value_and_grad(loss, has_aux=True)

  (_, states), gradient = jax.jit(both(together))(params)
  (_, expected), expected_gradient = jax.jit(both(by_loop))(params)
  np.testing.assert_allclose(states, expected, atol=1e-4)
  leaves = jax.tree.leaves(expected_gradient)
  scale = max(np.abs(leaf).max() for leaf in leaves)
  for one, other in zip(jax.tree.leaves(gradient), leaves, strict=True):
    np.testing.assert_allclose(one, other, atol=2e-5 * scale)


def test_what_memory_is():
  rows = jnp.arange(1, 13).reshape(2, 6)
  parts = memory.cut(rows, 3)
  assert memory.remember(parts, 3).tolist() == [
      [0, 0, 1, 2], [1, 2, 3, 4], [3, 4, 5, 6],
      [0, 0, 7, 8], [7, 8, 9, 10], [9, 10, 11, 12]]
  assert memory.join(parts, 3).tolist() == rows.tolist()
  # Keys are the first rows of a segment; what stands behind shows nothing.
  structure = Structure(key_segments=jnp.ones((6, 2)), num_segments=3)
  assert memory.of_keys(parts, structure).tolist() == [
      [0, 1], [1, 3], [3, 5], [0, 7], [7, 9], [9, 11]]
  assert memory.of_keys(rows, Structure(key_segments=jnp.ones((2, 3)))
                        ).tolist() == [[1, 2, 3], [7, 8, 9]]


def test_a_causal_segment_sees_all_its_memory():
  mask = dense_mask(Structure(causal=True, num_segments=2), 3, 6)[0]
  assert mask.astype(int).tolist() == [
      [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]]


def test_reach_is_a_segment_a_layer():
  own = jnp.ones((3, 1, 2), bool)  # a query, which sees a key and one row more
  assert memory.reach(own, 3, 1, 1)[0].astype(int).tolist() == [
      [1, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 1, 1]]
  assert memory.reach(own, 3, 1, 2)[0].astype(int).tolist() == [
      [1, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0], [1, 0, 1, 0, 1, 1]]
  assert memory.reach(own, 1, 1, 1).tolist() == own.tolist()


def test_a_token_reaches_as_far_as_declared():
  """Values, not derivatives: another token, and what it changes."""
  settings = model(positions='transformer_xl', depth=2)
  text = side(((16,),), 16)
  params = params_of(settings, text)
  read = jax.jit(lambda inputs: trunk(settings, 'decoder').apply(
      {'params': params}, dict(text, inputs=inputs, num_segments=4)))
  before = np.asarray(read(text['inputs']))
  seen = np.asarray(memory.reach(
      jnp.tril(jnp.ones((4, 4, 4), bool)), 4, 4, settings.depth))[0]
  for place in range(16):
    other = text['inputs'].copy()
    other[0, place] = other[0, place] % 11 + 1
    assert other[0, place] != text['inputs'][0, place]
    moved = np.any(np.asarray(read(other)) != before, -1)[0]
    assert moved.tolist() == seen[:, place].tolist()


def test_the_gradient_stops_at_memory_unless_a_proof_asks():
  settings = model(positions='alibi')
  text = side(((12,),), 12)
  params = params_of(settings, text)

  def influence(offset):
    return jax.grad(lambda offset: jnp.sum(together(
        settings, params, dict(text, offset=offset))[:, 8:] ** 2))(offset)

  def found():
    gradient = jax.jit(influence)(jnp.zeros((1, 12, 8)))
    return np.any(np.asarray(gradient) != 0, -1)[0].tolist()

  assert found() == [False] * 8 + [True] * 4
  with memory.with_gradient():
    jax.clear_caches()  # the same function, traced anew
    assert found() == [True] * 12


def test_segments_drop_independently():
  """Each segment has a random stream of its own, each text its own."""
  settings = model(dropout=0.5, positions='none')
  text = side(((4, 4, 4), (4, 4, 4)), 12)  # one document again and again
  params = params_of(settings, text)
  keys = jax.random.split(jax.random.key(0), 2)
  parts = np.asarray(jax.jit(lambda keys: together(
      settings, params, text, keys=keys))(keys)).reshape(6, -1)
  assert len({part.tobytes() for part in parts}) == 6
