"""Runs that write from left to right, one token after the other.

Keys and values of what was read are kept, so that a further token costs one
row of every product and attention over what there is; those of an encoder's
states are computed once.
"""

import jax
import jax.numpy as jnp

from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.objectives import autoregressive, base, sequence_to_sequence


class Decoder:
  """One run's next tokens, for a batch of texts.

  What was read and written of a batch is a *state*, a dict of arrays:
    scores: float32 `[batch, vocab]`, logits of the next token.
    place: int32 `[batch]`, its slot in the cache.
    positions: int32 `[batch]`, its position; where a stack has two, that of
      its blank, and `block_positions` its place in it.
    cache: keys and values by layer.
    encoder_segment_ids: int32 `[batch, length]`, of an encoder-decoder.

  Args:
    run: `load.Loaded`.

  Attributes:
    read: `(params, stack, room=) -> state`, compiled. `stack` is as `prompt`
      makes it, and at most `room` tokens will follow.
    next: `(params, state, token int32 [batch]) -> state`; traceable.

  Raises:
    ConfigError: the run's objective does not write from left to right.
  """

  def __init__(self, run):
    objective, model = run.objective, run.objective.model
    if not isinstance(objective, (
        autoregressive.LeftToRight, sequence_to_sequence.Rewriting)) or (
            model.form not in ('decoder', 'prefix', 'encoder_decoder')):
      raise ConfigError(
          f'{name_of(objective)[1]} as {model.form} does not write from left '
          'to right: use a run of autoregressive, prefix_lm, '
          'fill_in_the_middle or of an encoder-decoder, or `fill` for a masked '
          'one')
    if (model.share_layers or model.enhanced_decoder or model.num_experts
        or objective.num_segments > 1 or model.disentangled
        or model.positions == 'transformer_xl'):
      raise ConfigError(
          'layers that share parameters or are run twice, or have experts, '
          'memory or positions of Transformer-XL or DeBERTa, keep no cache, so '
          'they cannot write')
    self.objective = objective
    self._side = 'decoder_' if model.form == 'encoder_decoder' else ''
    self.read = jax.jit(self._read, static_argnames='room')

  def prompt(self, windows):
    """What is read of raw windows of one text each before more is written.

    Returns:
      A stack dict: the text that is continued, or that an encoder or a prefix
      reads and the `<s>` that its counterpart begins with.
    """
    stack = jax.vmap(self.objective.read)(windows)
    if self._side:
      start = [self.objective.start_id, *self.objective.opening_ids]
      def all_of(row):
        return jnp.tile(jnp.asarray([row], jnp.int32),
                        (len(stack['inputs']), 1))
      return {**{f'encoder_{name}': rows for name, rows in stack.items()},
              'inputs': all_of(start), 'segment_ids': all_of([1] * len(start)),
              'positions': all_of([*range(len(start))])}
    if self.objective.model.form == 'prefix':
      stack['prefix_length'] = _count(stack)
      if isinstance(self.objective, sequence_to_sequence.Rewriting):
        stack = self._opened(stack)
    return stack

  def _opened(self, stack):
    """A prefix stack with the `<s>` of what is written behind it."""
    count = stack['prefix_length']
    def behind(rows, value):
      return jnp.pad(rows, ((0, 0), (0, 1))).at[
          jnp.arange(rows.shape[0]), count].set(value)
    return {'inputs': behind(stack['inputs'], self.objective.start_id),
            'segment_ids': behind(stack['segment_ids'], 1),
            'positions': behind(stack['positions'], count),
            'prefix_length': count}

  def check(self, stack, room):
    """Raises ConfigError unless `room` more tokens have positions."""
    model, count = self.objective.model, int(jnp.max(_count(stack)))
    read = max(0, *(int(jnp.max(jnp.sum(rows > 0, 1)))
                    for name, rows in stack.items()
                    if name == 'encoder_segment_ids'), 0)
    longest = max(count + room, read)
    if model.learned_positions and longest > model.max_length:
      raise ConfigError(
          f'{max(count, read)} tokens of a prompt and {room} more '
          f'need {longest} positions, and the model has {model.max_length}')

  def _read(self, params, stack, room):
    rows, count = stack['inputs'].shape, _count(stack)
    length = rows[1] + room
    own = {**stack, 'slots': jnp.broadcast_to(jnp.arange(rows[1])[None], rows),
           'key_segment_ids': (jnp.arange(length)[None] < count[:, None]
                               ).astype(jnp.int32)}
    encoder = {name: own.pop(name) for name in stack
               if name.startswith('encoder_')}
    hidden, cache = self._apply(params, {**encoder, **self._named(own)}, None)
    last = count[:, None] - 1
    state = {'scores': self._scores(params, base.at(hidden, last)[:, 0]),
             'cache': cache, 'place': count,
             'positions': base.at(stack['positions'], last)[:, 0] + 1}
    if encoder:
      state['encoder_segment_ids'] = encoder['encoder_segment_ids']
    if 'block_positions' in stack:
      state['positions'] -= 1
      state['block_positions'] = base.at(
          stack['block_positions'], last)[:, 0] + 1
    return state

  def next(self, params, state, token):
    """The state behind one more token of each row."""
    slots = state['place'][:, None]
    counted = 'block_positions' if 'block_positions' in state else 'positions'
    # Of a cache's leaves [..., slots, heads, width] cross attention's differ.
    own = {'inputs': token[:, None], 'positions': state['positions'][:, None],
           'segment_ids': jnp.ones_like(slots), 'slots': slots,
           'key_segment_ids': (jnp.arange(_slots(state['cache']))[None]
                               <= slots).astype(jnp.int32)}
    if 'block_positions' in state:
      own['block_positions'] = state['block_positions'][:, None]
    stack = self._named(own)
    if self._side:
      stack['encoder_segment_ids'] = state['encoder_segment_ids']
    hidden, cache = self._apply(params, stack, state['cache'])
    return {**state, 'scores': self._scores(params, hidden[:, 0]),
            'cache': cache, 'place': state['place'] + 1,
            counted: state[counted] + 1}

  def _named(self, own):
    return {self._side + name: rows for name, rows in own.items()}

  def _apply(self, params, stack, cache):
    """States of the rows that write, and the cache with them."""
    trunk, variables = self.objective.trunk(), {'params': params['trunk']}
    if cache is None:
      hidden, changed = trunk.apply(variables, stack, mutable=['cache'])
    elif self._side:
      hidden, changed = trunk.apply(
          {**variables, 'cache': cache}, stack, None, mutable=['cache'],
          method='decode')
    else:
      hidden, changed = trunk.apply(
          {**variables, 'cache': cache}, stack, mutable=['cache'])
    return hidden, changed['cache']

  def _scores(self, params, hidden):
    """Logits float32 `[batch, vocab]` of one row each."""
    objective = self.objective
    features, table, bias = base.apply_head(
        objective._head(), params, hidden[:, None], objective.model)
    scores = jnp.einsum('bnw,vw->bnv', features, table.astype(features.dtype),
                        preferred_element_type=jnp.float32)[:, 0]
    return scores if bias is None else scores + bias[None]


def take(state, rows):
  """A state with other rows of its batch, int32 `[new batch]`; an encoder's
  keys and values as well."""
  def of_cache(leaf):  # [..., batch, slots, heads, width]
    return jnp.take(leaf, rows, leaf.ndim - 4)
  return {name: jax.tree.map(of_cache, value) if name == 'cache'
          else value[rows] for name, value in state.items()}


def writable(vocabulary, ends, more=()):
  """bool `[vocab]`: text, `</s>` if the text `ends` with it, and `more` ids.
  """
  ids = jnp.arange(vocabulary.size)
  allowed = vocabulary.is_text(ids)
  allowed |= ends & (ids == vocabulary.eos_id)
  for one in more:
    allowed |= ids == one
  return allowed


def behind_the_end(vocabulary):
  """The id that fills up a text behind its `</s>`, and is no text itself, as 0
  may be in a published vocabulary."""
  pad = vocabulary.id_of('pad')
  return vocabulary.eos_id if pad is None else pad


def _count(stack):
  return jnp.sum(stack['segment_ids'] > 0, 1, dtype=jnp.int32)


def _slots(cache):
  """Slots of a cache, by a self attention's leaf."""
  (found, *_) = (leaf.shape[-3] for path, leaf
                 in jax.tree_util.tree_leaves_with_path(cache)
                 if not any(getattr(part, 'key', '') == 'cross_attention'
                            for part in path))
  return found
