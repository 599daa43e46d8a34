"""ELECTRA: the discriminator, the generator, or a bare trunk.

Reference: Clark et al. 2020, arXiv:2003.10555; `ElectraModel` of
transformers.
"""

from ptm_jax.convert import bert
from ptm_jax.convert.architecture import Architecture, task_heads
from ptm_jax.convert.family import Field
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import detection, masked, replaced_token


class Family(bert.OneType):
  """ELECTRA: BERT's encoder, its embeddings of a width of their own."""

  model_types = ('electra',)
  fields = (
      Field('embedding_size', 'embedding_width', 128),
      # The generator's head has no other.
      Field('hidden_act', 'activation', 'gelu', {'gelu': 'gelu'}),
      Field('hidden_size', 'width', 256),
      Field('num_attention_heads', 'num_heads', 4),
      Field('intermediate_size', 'mlp_dim', 1024),
      *(field for field in bert.FIELDS if field.theirs not in (
          'hidden_act', 'hidden_size', 'num_attention_heads',
          'intermediate_size')))
  constants = bert.CONSTANTS
  fixed = dict(norm_position='post', embedding_norm=True)
  handled = ('pooler_activation',)
  names = {**bert.trunk('electra.'),
           'trunk/inputs/embedding_projection': 'electra.embeddings_project'}
  prefix = 'electra.'
  ignored = r'\.position_ids$'
  architectures = {
      'ElectraForPreTraining': Architecture(
          replaced_token.Objective,
          ((replaced_token.Objective, detection.Detection),),
          {'head/transform': 'discriminator_predictions.dense',
           'head/classifier': 'discriminator_predictions.dense_prediction'}),
      'ElectraForMaskedLM': Architecture(
          masked.Objective, (masked.Cloze,),
          {'head/transform': 'generator_predictions.dense',
           'head/transform_norm': 'generator_predictions.LayerNorm',
           'head/table': 'generator_lm_head.weight',
           'head/bias': 'generator_lm_head.bias'},
          aliases={'generator_lm_head.weight':
                   'electra.embeddings.word_embeddings.weight'}),
      **task_heads('Electra', masked.Objective,
                   ('classifier.dense', 'classifier.out_proj')),
      'ElectraModel': Architecture(masked.Objective),
  }

  @classmethod
  def read_more(cls, values, model):
    super().read_more(values, model)
    model.pooler_activation = 'gelu'  # of its classifier of texts

  @classmethod
  def from_model(cls, model, vocabulary, rows, architecture):
    if cls.architectures[architecture].task == 'sequence' and (
        model.pooler_activation != 'gelu'):
      raise ConfigError(f'it has no model.pooler_activation='
                        f'{model.pooler_activation}, only gelu')
    return super().from_model(model, vocabulary, rows, architecture)
