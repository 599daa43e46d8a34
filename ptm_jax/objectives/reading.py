"""How an objective runs its trunk, on what it made and on uncorrupted text."""

import copy

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.errors import ConfigError
from ptm_jax.models import experts
from ptm_jax.models.encoder_decoder import EncoderDecoder
from ptm_jax.models.sown import attention_maps, entering_states
from ptm_jax.objectives import arrange

# Where a form's trunk keeps what is shown of its layers.
_SIDES = {'encoder_decoder': 'encoder', 'two_tower': 'forward'}


class Reader:
  """The part of an objective that reads text; see `base.BaseObjective`.

  Attributes:
    num_segments: parts that a window is read in (`objectives.segments`).
    span_fields: names of fields, tokens or words (one number or several) that
      must lie within a window.
    opening_ids: in front of what an encoder reads and of what its decoder
      writes.
  """

  num_segments = 1
  span_fields = ()
  opening_ids = ()

  def fitting(self, raw_length):
    """The shortest window of `raw_length` tokens or more that it can read."""
    return raw_length

  def check_spans(self):
    """Raises ConfigError if a span is longer than the window."""
    for name in self.span_fields:
      found = getattr(self, name)
      if np.max(found or 0) > self.raw_length:
        raise ConfigError(
            f'objective.{name}={found} is longer than the window '
            f'of data.raw_length={self.raw_length} tokens: lower the one or '
            'raise the other')

  def run_trunk(self, params, stack, keys):
    """The trunk's states of a stack, and the terms `{name: losses.Term}` that
    it adds to the loss in training, when there are `keys`."""
    trunk, variables = self.trunk(), {'params': params['trunk']}
    if keys is None or not self.model.num_experts:
      return trunk.apply(variables, stack, keys), {}
    hidden, sown = trunk.apply(
        variables, stack, keys, mutable=[experts.BALANCE])
    return hidden, {experts.BALANCE: experts.balance_term(sown)}

  @property
  def start_id(self):
    """Id of what a decoder that is given a text to read starts from."""
    return getattr(self.vocabulary, f'{self.model.decoder_start}_id')

  def read(self, window):
    """How the trunk reads one uncorrupted window: a stack's fields."""
    arranged = self.arrange(jax.random.key(0), window)
    return {'inputs': arranged['tokens'],
            'segment_ids': arranged['segment_ids'],
            'positions': arranged['positions']}

  def ways(self):
    """How it scores a text: `{name: ways.Way}`, the one to take first; of an
    objective that says nothing of a text's tokens, none."""
    return {}

  def ending(self):
    """The same of a trunk that has learnt to end with `</s>` what it writes.
    """
    found = copy.copy(self)
    found.writes_end = True
    return found

  def attention(self, params, windows):
    """Self-attention weights of uncorrupted windows.

    Returns:
      A list, one float32 `[batch, heads, length', length']` per layer (of the
      encoder or the forward tower where there are two stacks), and the ids
      read, int32 `[batch, length']`.
    """
    stack, _, sown = self._watch(params, windows)
    side = _SIDES.get(self.model.form, 'stack')
    return attention_maps(sown[side]), stack['inputs']

  def all_features(self, params, windows):
    """The trunk's states of uncorrupted windows at every depth.

    Returns:
      A list of `[batch, length', width]`, from the embeddings to what
      `features` gives, and bool `[batch, length']`, True where there is a
      token.
    """
    stack, states, sown = self._watch(params, windows)
    side = _SIDES.get(self.model.form, 'stack')
    return [*entering_states(sown[side]), states], stack['segment_ids'] > 0

  def _watch(self, params, windows):
    """The stack read, its states and what its layers sowed."""
    stack = self._stack_of_text(windows)
    states, sown = self._apply(params, stack, None, mutable=['intermediates'])
    return stack, states, sown['intermediates']

  def features(self, params, windows, keys=None, offset=None):
    """The trunk's states of uncorrupted windows.

    Args:
      params: `params['trunk']` is used, and `params['prefix']` if there is
        one, keys and values as `kept` gives them.
      windows: raw windows, each field `[batch, length]`; any length. A second
        text stands behind a `[SEP]`.
      keys: one key per example for dropout, or None.
      offset: float `[batch, length', embedding width]`, added to the token
        embeddings of a single stack or an encoder; or None.

    Returns:
      states `[batch, length', width]` and bool `[batch, length']`, True
      where there is a token.
    """
    stack = self._stack_of_text(windows)
    if offset is not None:
      stack['offset'] = offset
    return self._apply(params, stack, keys), stack['segment_ids'] > 0

  def decoded(self, params, windows, keys=None):
    """The same of an encoder-decoder whose decoder reads the text too, shifted
    right, and so sees all of it through the encoder and what is before a
    token itself (Lewis et al. 2020, arXiv:1910.13461, section 3.1).

    Args:
      params, windows, keys: as of `features`.

    Returns:
      As `features`, with the decoder's states in the places of the encoder's.
    """
    stack = self._stack_of_text(windows)
    shifted = jax.vmap(arrange.shift_right, (0, 0, None))(
        stack['inputs'], stack['segment_ids'], self.start_id)
    both = {**_named('encoder_', stack),
            **_named('decoder_', {**stack, 'inputs': shifted})}
    return self.trunk().apply(_variables(params), both, keys), (
        stack['segment_ids'] > 0)

  def kept(self, params, tokens):
    """Keys and values that tokens have in every layer.

    Args:
      params: `params['trunk']` is used.
      tokens: int32 `[n]`.

    Returns:
      a tree as the trunk's, with `keys` and `values` `[n, kv heads, head_dim]`
      of each self attention, scanned layers in front.
    """
    places = jnp.arange(len(tokens))[None]
    stack = {'inputs': tokens[None], 'positions': places, 'slots': places,
             'segment_ids': jnp.ones_like(places)}
    _, found = self._apply(params, stack, None, mutable=['cache'])
    return jax.tree.map(lambda leaf: jnp.squeeze(leaf, -4), found['cache'])

  def _stack_of_text(self, windows):
    """What `read` gives of every window; where tokens have types, those
    behind the first `[SEP]` are of the second, and where types are only
    compared, each `[SEP]` ends one."""
    stack, model = jax.vmap(self.read)(windows), self.model
    if 'token_types' not in stack and (
        model.num_token_types > 1 or model.relative_types):
      parts = arrange.part_numbers(
          stack['inputs'], stack['segment_ids'], self.vocabulary.sep_id)
      stack['token_types'] = (
          parts if model.relative_types else jnp.minimum(parts, 1))
    return stack

  def _apply(self, params, stack, keys, **options):
    """The trunk on text alone: of an encoder-decoder, the encoder."""
    module, variables = self.trunk(), _variables(params)
    if isinstance(module, EncoderDecoder):
      return module.apply(variables, _named('encoder_', stack), keys,
                          method='encode', **options)
    if self.model.form == 'prefix':  # all of the text is read both ways
      stack['prefix_length'] = jnp.full(
          stack['inputs'].shape[:1], stack['inputs'].shape[1], jnp.int32)
    return module.apply(variables, stack, keys, **options)


def bound_to_read(settings, vocabulary):
  """The bound objective of a trunk that is there already, which it may lack
  what it would need to train.

  Args:
    settings: `config.Experiment`.
    vocabulary: `data.vocabulary.Vocabulary`.

  Raises:
    ConfigError: as of `base.BaseObjective.bind`.
  """
  objective = copy.copy(settings.objective)
  objective.trains = False
  return objective.bind(settings.model, vocabulary, settings.data.raw_length)


def _named(prefix, stack):
  return {f'{prefix}{name}': value for name, value in stack.items()}


def _variables(params):
  """What the trunk is applied with: its parameters, and a prefix's keys and
  values where there are some."""
  return {'params': params['trunk'], **{
      name: params[name] for name in ('prefix',) if name in params}}
