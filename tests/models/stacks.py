"""Tiny models and inputs that the tests of this folder share.

All models read one batch of one shape, so that each is compiled once.
"""

import functools

import jax
import numpy as np
from flax.core import meta

from ptm_jax import config
from ptm_jax.models.encoder_decoder import EncoderDecoder
from ptm_jax.models.transformer import Trunk

VOCAB, LENGTH, TARGETS = 13, 8, 6
# Every value of every choice that a model has; what is apart goes together.
OPTIONS = {
    'plain': {},
    'post_norm': dict(norm_position='post', embedding_norm=True,
                      activation='relu', positions='none'),
    'rms': dict(norm='rms', activation='silu', positions='rotary'),
    'post_rms': dict(norm='rms', norm_position='post', scale_embeddings=True,
                     positions='sinusoidal'),
    't5': dict(positions='t5', scale_attention=False, mlp_dim=None,
               activation='gelu_tanh'),
    'alibi': dict(positions='alibi', activation='geglu', use_bias=False,
                  num_token_types=2),
    'grouped': dict(num_heads=4, num_kv_heads=2, positions='rotary',
                    norm='rms', activation='swiglu', use_bias=False),
    'albert': dict(share_layers=True, embedding_width=6, num_token_types=2,
                   embedding_norm=True, norm_position='post'),
}
FORMS = ('encoder', 'decoder', 'prefix', 'encoder_decoder')


def model(**fields):
  """Settings of two tiny layers."""
  values = dict(depth=2, width=8, num_heads=2, mlp_dim=12, max_length=LENGTH)
  settings = config.Model(**{**values, **fields})
  settings.validate()
  return settings


def trunk(settings, form='encoder'):
  if form == 'encoder_decoder':
    return EncoderDecoder(settings, VOCAB)
  return Trunk(settings, form, VOCAB)


def side(documents, length, seed=0):
  """Rows of packed documents: for each row, the documents that lie in it.

  A document is named by a number and has `number` tokens of its own; 0 stands
  for a position of padding.
  """
  found = {name: np.zeros((len(documents), length), np.int32)
           for name in ('inputs', 'positions', 'segment_ids', 'token_types')}
  for row, numbers in enumerate(documents):
    start = 0
    for segment, number in enumerate(numbers, 1):
      rng = np.random.default_rng((seed, number))
      place = (row, slice(start, start + number))
      found['inputs'][place] = rng.integers(1, VOCAB, number)
      found['token_types'][place] = rng.integers(0, 2, number)
      found['positions'][place] = np.arange(number)
      found['segment_ids'][place] = segment
      start += number
  return found


# Two documents alone and together, one that fills its row, only padding.
PACKED = ((3,), (4,), (3, 4), (8,), ())
PACKED_TARGETS = ((2,), (3,), (2, 3), (6,), ())


def batch(form):
  """One stack dict: what `PACKED` lists."""
  if form != 'encoder_decoder':
    found = side(PACKED, LENGTH)
    if form == 'prefix':
      found['prefix_length'] = np.array([2, 1, 2, 5, 0], np.int32)
    return found
  return {**{f'encoder_{name}': value
             for name, value in side(PACKED, LENGTH).items()},
          **{f'decoder_{name}': value
             for name, value in side(PACKED_TARGETS, TARGETS, 1).items()}}


def params_of(module, *inputs):
  """Parameters drawn by numpy, which compiles nothing; biases and norms are
  not at 0 and 1, so that none can be forgotten."""
  rng = np.random.default_rng(0)

  def draw(path, leaf):
    middle = float(path[-1].key == 'scale')
    return (middle + 0.4 * rng.normal(size=leaf.shape)).astype(leaf.dtype)

  return jax.tree_util.tree_map_with_path(
      draw, shapes_of(module, *inputs))


def shapes_of(module, *inputs):
  """The parameters' shapes, unboxed, without computing anything."""
  return meta.unbox(jax.eval_shape(
      module.init, jax.random.key(0), *inputs)).get('params', {})


@functools.cache
def _program(module):
  """One compiled program for all modules that read the same."""
  return jax.jit(lambda params, *inputs: module.module.apply(
      {'params': params}, *inputs))


class _ByText:
  """A module, which has no hash, as a key: equal ones read the same."""

  def __init__(self, module):
    self.module = module

  def __eq__(self, other):
    return repr(self.module) == repr(other.module)

  def __hash__(self):
    return hash(repr(self.module))


def apply(module, params, *inputs):
  """What a module makes of its inputs, as numpy float32."""
  found = _program(_ByText(module))(params, *inputs)
  return np.asarray(found, np.float32)


@functools.cache
def build(option, form):
  """Settings, module, inputs and parameters of one of `OPTIONS`."""
  settings = model(**OPTIONS[option])
  module, inputs = trunk(settings, form), batch(form)
  return settings, module, inputs, params_of(module, inputs)


def count(tree):
  return sum(leaf.size for leaf in jax.tree.leaves(tree))
