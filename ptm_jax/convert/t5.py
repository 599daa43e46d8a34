"""T5 v1.0 and v1.1.

Reference: Raffel et al. 2020, arXiv:1910.10683; `T5Model` of transformers. In
v1.0 the head is the table of tokens and reads scaled states, in v1.1 it is a
table of its own. Its encoder is published alone too.
"""

import dataclasses

from ptm_jax.convert import encoder_decoders
from ptm_jax.convert.architecture import TASKS, Architecture
from ptm_jax.convert.family import BaseFamily, Field
from ptm_jax.objectives import sequence_to_sequence, span_corruption


def _stack(side, stack, bias, cross=False):
  """The names of one stack, published as a `side`, here `stack` with a
  `bias`."""
  ours, theirs = f'trunk/{stack}/layer_{{}}/', f'{side}.block.{{}}.layer.'
  attentions = {'attention': '0.SelfAttention'}
  if cross:
    attentions['cross_attention'] = '1.EncDecAttention'
  last = len(attentions)
  return {
      **{f'{ours}{name}/{part}': f'{theirs}{there}.{part[0]}'
         for name, there in attentions.items()
         for part in ('query', 'key', 'value', 'output')},
      **{f'{ours}{name}_norm': f'{theirs}{number}.layer_norm'
         for number, name in enumerate([*attentions, 'mlp'])},
      f'{ours}mlp/up': f'{theirs}{last}.DenseReluDense.wi_0',
      f'{ours}mlp/value': f'{theirs}{last}.DenseReluDense.wi_1',
      f'{ours}mlp/down': f'{theirs}{last}.DenseReluDense.wo',
      f'trunk/{stack}/final_norm': f'{side}.final_layer_norm',
      f'trunk/{bias}': f'{side}.block.0.layer.0.SelfAttention.'
                       'relative_attention_bias',
  }


_ALONE = 'encoder'  # the form of one without a decoder
_NAMES = {'trunk/token_embedding': 'shared',
          **_stack('encoder', 'encoder', 'encoder_bias'),
          **_stack('decoder', 'decoder', 'decoder_bias', cross=True),
          **_stack('encoder', 'stack', 'relative_bias')}
_TABLES = ['encoder.embed_tokens.weight', 'decoder.embed_tokens.weight']
_SHARED, _PREFIX = 'shared.weight', 'transformer.'
_PREFIXED = {ours: _PREFIX + theirs for ours, theirs in _NAMES.items()}


def classes(name):
  """The architectures of a family, as whose classes' names begin."""
  objective, table = span_corruption.Objective, _TABLES[0]
  return {
      f'{name}ForConditionalGeneration': encoder_decoders.rewriter(
          objective, sequence_to_sequence.Rewriting, _TABLES, _SHARED),
      **encoder_decoders.readers(
          name, objective, _TABLES, _SHARED, _PREFIXED, _PREFIX),
      f'{name}For{TASKS["token"]}': Architecture(
          objective, names={**_PREFIXED, 'task/head': 'classifier'},
          aliases={_PREFIX + table: _PREFIX + _SHARED}, form=_ALONE,
          task='token'),
      f'{name}EncoderModel': Architecture(
          objective, aliases={table: _SHARED}, form=_ALONE)}


class Family(BaseFamily):
  """T5: an encoder-decoder with a relative bias and RMS norms."""

  model_types = ('t5',)
  fields = (
      Field('d_model', 'width', 512),
      Field('num_layers', 'depth', 6, factor=2),
      Field('num_decoder_layers', 'depth', None, factor=2),
      Field('num_heads', 'num_heads', 8),
      Field('d_kv', 'head_dim', 64),
      Field('d_ff', 'mlp_dim', 2048),
      Field('feed_forward_proj', 'activation', 'relu', {
          'relu': 'relu', 'gated-gelu': 'geglu', 'gated-silu': 'swiglu'}),
      Field('layer_norm_epsilon', 'norm_epsilon', 1e-6),
      Field('dropout_rate', 'dropout', 0.1),
      Field('dropout_rate', 'attention_dropout', 0.1),
      Field('n_positions', 'max_length', 512),
      Field('tie_word_embeddings', 'tied_head', True),
      Field('scale_decoder_outputs', 'scale_head', True))
  fixed = dict(norm='rms', positions='t5', use_bias=False,
               scale_attention=False)
  constants = {'relative_attention_num_buckets': 32,
               'relative_attention_max_distance': 128}
  handled = ('decoder_start',)
  ignored = (r'^(transformer\.)?decoder\.block\.0\.layer\.1\.EncDecAttention\.'
             r'relative_attention_bias\.weight$')  # of the first releases
  names = _NAMES
  architectures = classes('T5')

  @classmethod
  def all_names(cls, architecture, model):
    names = super().all_names(architecture, model)
    if model.activation == 'relu':  # one matrix instead of two
      names = {ours: theirs.replace('.wi_0', '.wi')
               for ours, theirs in names.items()}
    return names

  @classmethod
  def absent(cls, values, tensors):
    # Newer transformers writes that the table is tied whatever it is, and
    # tells v1.1 by `scale_decoder_outputs`.
    values = {'scale_decoder_outputs': values.get('tie_word_embeddings', True),
              **values}
    if cls._is_alone(values):
      values.pop('num_decoder_layers', None)
    own = tensors.get('lm_head.weight')
    if own and (not values['scale_decoder_outputs']
                or not values.get('tie_word_embeddings', True)):
      return {**values, 'tie_word_embeddings': False}
    return values

  @classmethod
  def _is_alone(cls, values):
    return cls.architectures[cls.named(values)].form == _ALONE

  @classmethod
  def read_more(cls, values, model):
    if not cls._is_alone(values):
      encoder_decoders.read_start(values, model, 'pad')

  @classmethod
  def to_model(cls, values):
    model = super().to_model(values)
    if cls._is_alone(values):  # `fields` speak of two stacks
      model = dataclasses.replace(model, depth=model.depth // 2)
    return model

  @classmethod
  def from_model(cls, model, vocabulary, rows, architecture):
    if model.form == _ALONE:
      model = dataclasses.replace(model, depth=2 * model.depth)
    return super().from_model(model, vocabulary, rows, architecture)

  @classmethod
  def write_more(cls, model, vocabulary):
    if model.form == _ALONE:
      return {'is_encoder_decoder': False}
    return {'is_encoder_decoder': True,
            **encoder_decoders.start(model, vocabulary)}
