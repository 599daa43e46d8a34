"""T5 v1.0 and v1.1.

Reference: Raffel et al. 2020, arXiv:1910.10683; `T5Model` of transformers. In
v1.0 the head is the table of tokens and reads scaled states, in v1.1 it is a
table of its own.
"""

from ptm_jax.convert import encoder_decoders
from ptm_jax.convert.family import BaseFamily, Field
from ptm_jax.objectives import sequence_to_sequence, span_corruption


def _stack(side, cross):
  """The names of one stack."""
  ours, theirs = f'trunk/{side}/layer_{{}}/', f'{side}.block.{{}}.layer.'
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
      f'trunk/{side}/final_norm': f'{side}.final_layer_norm',
      f'trunk/{side}_bias': f'{side}.block.0.layer.0.SelfAttention.'
                            'relative_attention_bias',
  }


_NAMES = {'trunk/token_embedding': 'shared',
          **_stack('encoder', False), **_stack('decoder', True)}
_TABLES = ['encoder.embed_tokens.weight', 'decoder.embed_tokens.weight']
_SHARED, _PREFIX = 'shared.weight', 'transformer.'


def _architectures(name):
  return {
      f'{name}ForConditionalGeneration': encoder_decoders.rewriter(
          span_corruption.Objective, sequence_to_sequence.Rewriting, _TABLES,
          _SHARED),
      **encoder_decoders.readers(
          name, span_corruption.Objective, _TABLES, _SHARED,
          {ours: _PREFIX + theirs for ours, theirs in _NAMES.items()},
          _PREFIX)}


class Family(BaseFamily):
  """T5: an encoder-decoder with a relative bias and RMS norms."""

  model_types = ('t5', 'mt5')
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
               'relative_attention_max_distance': 128,
               'is_encoder_decoder': True}
  handled = ('decoder_start',)
  ignored = (r'^(transformer\.)?decoder\.block\.0\.layer\.1\.EncDecAttention\.'
             r'relative_attention_bias\.weight$')  # of the first releases
  names = _NAMES
  architectures = _architectures('T5') | _architectures('MT5')

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
    own = tensors.get('lm_head.weight')
    if own and (not values['scale_decoder_outputs']
                or not values.get('tie_word_embeddings', True)):
      return {**values, 'tie_word_embeddings': False}
    return values

  @classmethod
  def read_more(cls, values, model):
    encoder_decoders.read_start(values, model, 'pad')

  @classmethod
  def write_more(cls, model, vocabulary):
    return encoder_decoders.start(model, vocabulary)
