"""ALBERT, with masked LM, with sentence order besides, or bare.

Reference: Lan et al. 2020, arXiv:1909.11942; `AlbertModel` of transformers.
"""

from ptm_jax.convert import bert
from ptm_jax.convert.architecture import Architecture, task_heads
from ptm_jax.convert.family import ACTIVATIONS, Field
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import masked, sentence_order
from ptm_jax.objectives import sum as sums

_LAYER = 'albert.encoder.albert_layer_groups.0.albert_layers.0.'


def _with_order():
  return sums.Objective({'masked': masked.Objective(),
                         'sentence_order': sentence_order.Objective()})


class Family(bert.OneType):
  """ALBERT: BERT's encoder with one layer for all, its embeddings narrower.
  """

  model_types = ('albert',)
  fields = (
      Field('embedding_size', 'embedding_width', 128),
      Field('hidden_act', 'activation', 'gelu_new', ACTIVATIONS),
      Field('hidden_size', 'width', 4096),
      Field('num_attention_heads', 'num_heads', 64),
      Field('intermediate_size', 'mlp_dim', 16384),
      *(field for field in bert.FIELDS if field.theirs not in (
          'hidden_act', 'hidden_size', 'num_attention_heads',
          'intermediate_size')))
  constants = {'num_hidden_groups': 1, 'inner_group_num': 1}
  fixed = dict(norm_position='post', embedding_norm=True, share_layers=True)
  names = {
      **{ours: theirs for ours, theirs in bert.trunk('albert.').items()
         if 'layer_' not in ours},
      'trunk/inputs/embedding_projection':
          'albert.encoder.embedding_hidden_mapping_in',
      'trunk/stack/layer/attention/query': _LAYER + 'attention.query',
      'trunk/stack/layer/attention/key': _LAYER + 'attention.key',
      'trunk/stack/layer/attention/value': _LAYER + 'attention.value',
      'trunk/stack/layer/attention/output': _LAYER + 'attention.dense',
      'trunk/stack/layer/attention_norm': _LAYER + 'attention.LayerNorm',
      'trunk/stack/layer/mlp/up': _LAYER + 'ffn',
      'trunk/stack/layer/mlp/down': _LAYER + 'ffn_output',
      'trunk/stack/layer/mlp_norm': _LAYER + 'full_layer_layer_norm',
  }
  prefix = 'albert.'
  optional = {'pooler/dense': 'albert.pooler'}
  ignored = r'\.position_ids$'
  _masked = {
      'head/transform': 'predictions.dense',
      'head/transform_norm': 'predictions.LayerNorm',
      'head/table': 'predictions.decoder.weight',
      'head/bias': 'predictions.bias',
  }
  _untied = {'head/bias': 'predictions.decoder.bias'}
  _aliases = {
      'predictions.decoder.weight': 'albert.embeddings.word_embeddings.weight',
      'predictions.decoder.bias': 'predictions.bias'}
  architectures = {
      'AlbertForPreTraining': Architecture(
          _with_order, (masked.Cloze, sentence_order.Objective),
          {**_masked, 'sentence_head/pooler': 'albert.pooler',
           'sentence_head/classifier': 'sop_classifier.classifier'},
          _untied, _aliases),
      'AlbertForMaskedLM': Architecture(
          masked.Objective, (masked.Cloze,), _masked, _untied, _aliases),
      **task_heads('Albert', masked.Objective,
                   ('albert.pooler', 'classifier')),
      'AlbertModel': Architecture(masked.Objective),
  }

  @classmethod
  def read_more(cls, values, model):
    if model.embedding_width == model.width:
      raise ConfigError('config.json has embedding_size=hidden_size, where '
                        'ALBERT projects all the same, and we do not')

  @classmethod
  def write_more(cls, model, vocabulary):
    if model.embedding_width is None:
      raise ConfigError('it needs an embedding_width other than the width')
    return super().write_more(model, vocabulary)
