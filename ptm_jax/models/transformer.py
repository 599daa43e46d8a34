"""The Transformer: encoder, decoder and prefix models are one stack under
another attention description.
"""

import flax.linen as nn
import jax.numpy as jnp

from ptm_jax.models import memory
from ptm_jax.models import positions as position_kinds
from ptm_jax.models.attention import Attention, Structure
from ptm_jax.models.convolution import Convolution
from ptm_jax.models.experts import Experts
from ptm_jax.models.layers import (MLP, Dense, Norm, dropout, normal,
                                   param_init)
from ptm_jax.models.shared import at_rows, narrowed, narrows, shared_inputs
from ptm_jax.rng import stream


class Embedding(nn.Module):
  """A table of vectors, `embedding` `[rows, width]`."""

  model: object
  rows: int
  width: int
  axis: str = 'vocab'

  @nn.compact
  def __call__(self, ids):
    larger = self.model.scale_head and self.axis == 'vocab'
    table = self.param(
        'embedding', param_init(
            normal(self.model, self.width**0.5 if larger else 1.0), self.axis,
            'embed'),
        (self.rows, self.width), self.model.param_dtype)
    return table.astype(self.model.dtype)[ids]


class Block(nn.Module):
  """One layer: self attention, cross attention if asked, feed-forward or
  experts, and a convolution beside all of it if asked."""

  model: object
  cross: bool = False
  experts: bool = False
  window: int | None = None
  convolution: bool = False

  @nn.compact
  def __call__(self, x, index, shared):
    """Runs the layer.

    Args:
      x: `[batch, length, width]`.
      index: int32, the layer's number, for its random streams.
      shared: what all layers read: `structure`, `positions` (rotary,
        Transformer-XL, disentangled) and their keys' `places`, `distances`,
        `types` of both, `bias`, `slots`, `keys`, for cross attention `encoded`
        and `cross_structure`, and `context`, which self attention reads in
        place of `x`; `rows`, of `x`, that alone are queries.

    Returns:
      `[batch, length, width]` and None, as `nn.scan` wants it.
    """
    model, entering = self.model, x
    if 'rows' in shared:  # the others are keys and values alone
      x = at_rows(x, shared['rows'])
    self.sow('intermediates', 'entering', entering)
    keys = shared.get('keys')
    keys = None if keys is None else stream(keys, 'layer', index)

    def sublayer(name, function, x):
      norm = Norm(model, name=f'{name}_norm')
      read = norm if model.norm_position == 'pre' else lambda x: x
      x = x + dropout(keys, function(x, read), model.dropout, name)
      return x if model.norm_position == 'pre' else norm(x)

    def own(name):
      return None if keys is None else stream(keys, name)

    structure = shared['structure']
    if self.window:
      structure = structure.replace(window=self.window - 1)

    def attention(x, read):
      y = read(x)
      if structure.num_segments > 1:  # memory is of states before their norm
        context = read(memory.of_keys(shared.get('context', x), structure))
      else:
        states = read(entering) if 'rows' in shared else y
        context = memory.of_keys(shared.get('context', states), structure)
      return Attention(model, name='attention')(
          y, context, structure, shared.get('positions'), shared.get('bias'),
          own('attention_weights'), shared.get('slots'),
          shared.get('distances'), shared.get('places'), shared.get('types'))

    x = sublayer('attention', attention, x)
    if self.cross:
      x = sublayer('cross_attention', lambda x, read: Attention(
          model, name='cross_attention')(
              read(x), shared['encoded'], shared['cross_structure'],
              keys=own('cross_attention_weights'), keep='slots' in shared), x)
    if self.experts:
      return sublayer('mlp', lambda x, read: Experts(model, name='mlp')(
          read(x), structure, own('router')), x), None
    x = sublayer('mlp', lambda x, read: MLP(model, name='mlp')(read(x)), x)
    if self.convolution:
      x = sublayer('convolution', lambda *_: Convolution(
          model, name='convolution')(entering, structure), x)
    return x, None


class Stack(nn.Module):
  """Layers, unrolled, scanned or one shared by all, and the final norm."""

  model: object
  depth: int
  cross: bool = False

  @nn.compact
  def __call__(self, x, shared):
    model = self.model
    block = nn.remat(Block) if model.remat else Block
    window = model.attention_window
    if model.share_layers:
      layer = block(model, self.cross, window=window, name='layer')
      for index in range(self.depth):
        x, _ = layer(x, jnp.int32(index), shared)
    elif model.scan_layers:
      scanned = nn.scan(
          block, variable_axes={'params': 0, 'intermediates': 0, 'cache': 0,
                                'prefix': 0},
          split_rngs={'params': True}, in_axes=(0, nn.broadcast),
          length=self.depth, metadata_params={nn.PARTITION_NAME: 'layers'})
      x, _ = scanned(model, self.cross, window=window, name='layers')(
          x, jnp.arange(self.depth, dtype=jnp.int32), shared)
    else:
      for index in range(self.depth):
        experts = bool(model.num_experts and index % 2)
        far = (index + 1) % model.window_every == 0
        last = 'asked' in shared and index == self.depth - 1
        x, _ = block(model, self.cross, experts, window if far else None,
                     bool(model.convolution_width and not index),
                     name=f'layer_{index}')(
                         x, jnp.int32(index),
                         narrowed(shared) if last else shared)
    if model.norm_position == 'pre':
      x = Norm(model, name='final_norm')(x)
    return x


class Inputs(nn.Module):
  """Tokens, positions and token types -> the residual stream.

  A factorised embedding (ALBERT, ELECTRA) sums its tables at the embedding's
  width and then projects. Tables of positions are sized `max_length`. A stack
  with `block_positions` has a second, learned table for these.
  """

  model: object
  tokens: Embedding

  @nn.compact
  def __call__(self, stack, keys=None, num_content=None):
    """Returns `[batch, length, width]` for a stack dict; of two streams with
    `model.query_embedding`, rows behind the first `num_content` are queries.
    """
    model = self.model
    width = model.embedding_width or model.width
    x = self.tokens(stack['inputs'])
    if model.query_embedding:
      query = self.param('query_embedding', param_init(normal(model), 'embed'),
                         (width,), model.param_dtype)
      is_query = jnp.arange(x.shape[1]) >= num_content
      x = jnp.where(is_query[None, :, None], query.astype(x.dtype)[None, None],
                    x)
    if 'offset' in stack:
      x = x + stack['offset'].astype(x.dtype)
    if model.scale_embeddings:
      x = x * jnp.sqrt(jnp.asarray(model.width, x.dtype))
    if model.learned_positions:
      rows = model.max_length + model.position_offset
      x = x + Embedding(model, rows, width, 'positions',
                        name='position_embedding')(
                            stack['positions'] + model.position_offset)
    elif model.positions == 'sinusoidal':
      x = x + position_kinds.sinusoids(
          stack['positions'], width).astype(x.dtype)
    if 'block_positions' in stack:
      x = x + Embedding(model, model.max_length, width, 'positions',
                        name='block_position_embedding')(
                            stack['block_positions'])
    if model.num_token_types:
      types = stack.get('token_types', jnp.zeros_like(stack['inputs']))
      x = x + Embedding(model, model.num_token_types, width, 'types',
                        name='token_type_embedding')(types)
    if model.embedding_norm:
      x = Norm(model, name='embedding_norm')(x)
    x = dropout(keys, x, model.dropout, 'embedding')
    if width != model.width:
      x = Dense(model, (model.width,), ('embed', 'embed_out'),
                name='embedding_projection')(x)
    return x


class EnhancedDecoder(nn.Module):
  """The last layer, which learns where tokens stand in the text and is run
  twice: its queries are states and absolute positions, then its own output;
  its keys and values are the states.

  Reference: He et al. 2020, arXiv:2006.03654, section 3.2, and its released
  code for the two runs with one set of weights.
  """

  model: object

  @nn.compact
  def __call__(self, states, positions, shared):
    """Returns `[batch, length, width]`, like `states`."""
    model = self.model
    block = nn.remat(Block) if model.remat else Block
    layer = block(model, name='layer')
    x = states + Embedding(model, model.max_length, model.width, 'positions',
                           name='position_embedding')(positions)
    for turn in range(2):
      x, _ = layer(x, jnp.int32(model.depth - 1 + turn),
                   dict(shared, context=states))
    return x


class Trunk(nn.Module):
  """One stack: 'encoder', 'decoder', 'prefix' or 'two_stream' by its `form`.

  Two streams share all parameters (Yang et al. 2019, arXiv:1906.08237, section
  2.3), so they are rows of one stack: the content, and behind it the queries,
  which read the content and are read by nobody.

  Attributes:
    model: `config.Model`.
    form: decides what a position may see.
    vocab_size: rows of the token embedding.
  """

  model: object
  form: str
  vocab_size: int

  @nn.compact
  def __call__(self, stack, keys=None):
    """Reads a stack.

    Args:
      stack: dict of int32 `[batch, length]`: `inputs`, `positions`,
        `segment_ids` (0 = padding), optionally `token_types`,
        `block_positions`, `prefix_length` `[batch]`, `visibility` bool
        `[batch, length, keys]`, its keys the first rows (with two streams,
        the content), and `offset` float `[batch, length, embedding width]`.
        To write token by token, with the collection `cache` mutable: `slots`,
        where a row's keys are kept, and `key_segment_ids` `[batch, slots]`,
        0 where a slot is empty. `num_segments`, an int of 2 or more, reads
        the text in so many segments of equal length with memory. `asked`
        `[batch, n]`, rows whose states alone are given.
      keys: one jax key per example for dropout, or None.

    Returns:
      Hidden states `[batch, length, width]`, normalised.
    """
    model, num_segments = self.model, stack.get('num_segments', 1)
    asked = stack.get('asked')
    if num_segments > 1:
      stack = memory.cut_stack({name: value for name, value in stack.items()
                                if name != 'asked'}, num_segments)
      keys = None if keys is None else memory.cut_keys(keys, num_segments)
    tokens = Embedding(model, self.vocab_size,
                       model.embedding_width or model.width,
                       name='token_embedding')
    segments = stack['segment_ids']
    visibility = stack.get('visibility')
    num_keys = (segments if visibility is None else visibility).shape[-1]
    keys_of = stack.get('key_segment_ids', segments[:, :num_keys])
    # What a single row reads from a cache has all been written before it.
    alone = 'slots' in stack and segments.shape[1] == 1
    structure = Structure(
        segments, keys_of, stack.get('prefix_length'), visibility,
        stack.get('slots'),
        causal=self.form in ('decoder', 'prefix') and not alone,
        num_segments=num_segments)
    x = Inputs(model, tokens, name='inputs')(
        stack, keys, memory.own_keys(structure))
    bias = None
    if model.relative_bias:
      bias = position_kinds.RelativeBias(
          model, self.form != 'decoder', name='relative_bias')
    shared = shared_inputs(model, stack, structure, bias, keys)
    if model.disentangled:
      rows = 2 * (model.distance_buckets or model.max_length)
      distances = Embedding(model, rows, model.width, 'positions',
                            name='distance_embedding')(jnp.arange(rows))
      if model.positions == 'disentangled_v2':
        distances = Norm(model, name='distance_norm')(distances)
      shared['distances'] = distances
    early = narrows(model, num_segments)
    if asked is not None and early:
      shared['asked'] = asked
    last = int(model.enhanced_decoder)
    x = Stack(model, model.depth - last, name='stack')(x, shared)
    if model.enhanced_decoder:
      x = EnhancedDecoder(model, name='enhanced_decoder')(
          x, stack['positions'], shared)
    x = memory.join(x, num_segments)
    return x if asked is None or early else at_rows(x, asked)
