"""BERT, with masked LM, with next-sentence prediction besides, or bare.

Reference: Devlin et al. 2019, arXiv:1810.04805; `BertModel` of transformers.
"""

import numpy as np

from ptm_jax.convert.architecture import Architecture, task_heads
from ptm_jax.convert.family import ACTIVATIONS, BaseFamily, Field
from ptm_jax.objectives import masked, next_sentence
from ptm_jax.objectives import sum as sums

_LAYER = 'bert.encoder.layer.{}.'
# Names of a layer's parts, which BERT's descendants share.
LAYER = {
    'attention/query': 'attention.self.query',
    'attention/key': 'attention.self.key',
    'attention/value': 'attention.self.value',
    'attention/output': 'attention.output.dense',
    'attention_norm': 'attention.output.LayerNorm',
    'mlp/up': 'intermediate.dense',
    'mlp/down': 'output.dense',
    'mlp_norm': 'output.LayerNorm',
}
FIELDS = (
    Field('hidden_size', 'width', 768),
    Field('num_hidden_layers', 'depth', 12),
    Field('num_attention_heads', 'num_heads', 12),
    Field('intermediate_size', 'mlp_dim', 3072),
    Field('hidden_act', 'activation', 'gelu', ACTIVATIONS),
    Field('max_position_embeddings', 'max_length', 512),
    Field('type_vocab_size', 'num_token_types', 2),
    Field('layer_norm_eps', 'norm_epsilon', 1e-12),
    Field('initializer_range', 'init_scale', 0.02),
    Field('hidden_dropout_prob', 'dropout', 0.1),
    Field('attention_probs_dropout_prob', 'attention_dropout', 0.1),
    Field('tie_word_embeddings', 'tied_head', True))
CONSTANTS = {'position_embedding_type': 'absolute', 'is_decoder': False,
             'add_cross_attention': False}


def trunk(prefix):
  """The names of a trunk like BERT's."""
  embeddings = f'{prefix}embeddings.'
  return {
      'trunk/token_embedding': f'{embeddings}word_embeddings',
      'trunk/inputs/position_embedding': f'{embeddings}position_embeddings',
      'trunk/inputs/token_type_embedding':
          f'{embeddings}token_type_embeddings',
      'trunk/inputs/embedding_norm': f'{embeddings}LayerNorm',
      **{f'trunk/stack/layer_{{}}/{ours}':
         f'{prefix}encoder.layer.{{}}.{theirs}'
         for ours, theirs in LAYER.items()}}


class OneType(BaseFamily):
  """A family that cannot be without token types: where a model has none, they
  are one row of zeros."""

  @classmethod
  def _types(cls):
    return cls.names['trunk/inputs/token_type_embedding'] + '.weight'

  @classmethod
  def constant_tensors(cls, model, rows):
    if model.num_token_types:
      return {}
    return {cls._types(): np.zeros(
        (1, model.embedding_width or model.width), np.float32)}

  @classmethod
  def absent(cls, values, tensors):
    types = tensors.get(cls._types())
    if values.get('type_vocab_size') == 1 and types and not types().any():
      return {**values, 'type_vocab_size': 0}
    return values

  @classmethod
  def write_more(cls, model, vocabulary):
    return {**super().write_more(model, vocabulary),
            'type_vocab_size': model.num_token_types or 1}


class Family(OneType):
  """BERT: an encoder, its norms after the sub-layers."""

  model_types = ('bert',)
  fields, constants = FIELDS, CONSTANTS
  fixed = dict(norm_position='post', embedding_norm=True)
  names = trunk('bert.')
  prefix = 'bert.'
  optional = {'pooler/dense': 'bert.pooler.dense'}
  ignored = r'\.position_ids$'
  _masked = {
      'head/transform': 'cls.predictions.transform.dense',
      'head/transform_norm': 'cls.predictions.transform.LayerNorm',
      'head/table': 'cls.predictions.decoder.weight',
      'head/bias': 'cls.predictions.bias',
  }
  _untied = {'head/bias': 'cls.predictions.decoder.bias'}
  _aliases = {
      'cls.predictions.decoder.weight':
          'bert.embeddings.word_embeddings.weight',
      'cls.predictions.decoder.bias': 'cls.predictions.bias'}
  architectures = {
      'BertForPreTraining': Architecture(
          sums.Objective, (masked.Cloze, next_sentence.Objective),
          {**_masked, 'sentence_head/pooler': 'bert.pooler.dense',
           'sentence_head/classifier': 'cls.seq_relationship'},
          _untied, _aliases),
      'BertForMaskedLM': Architecture(
          masked.Objective, (masked.Cloze,), _masked, _untied,
          _aliases),
      **task_heads('Bert', masked.Objective,
                   ('bert.pooler.dense', 'classifier')),
      'BertModel': Architecture(masked.Objective),
  }
