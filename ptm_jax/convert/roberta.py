"""RoBERTa, with masked LM or bare.

Reference: Liu et al. 2019, arXiv:1907.11692; `RobertaModel` of transformers.
Its positions are counted from the id of padding on, so the rows of the table
up to that one are never read.
"""

from ptm_jax.convert import bert
from ptm_jax.convert.architecture import Architecture, task_heads
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import masked

HEAD = {
    'head/transform': 'lm_head.dense',
    'head/transform_norm': 'lm_head.layer_norm',
    'head/table': 'lm_head.decoder.weight',
    'head/bias': 'lm_head.bias',
}


def aliases(prefix):
  """Tensors of the head that are others."""
  return {'lm_head.decoder.weight':
              f'{prefix}embeddings.word_embeddings.weight',
          'lm_head.decoder.bias': 'lm_head.bias'}


def behind_padding(values, model):
  """Cuts a table's rows, `model.max_length`, into those that are read and
  those before them."""
  pad = values.get('pad_token_id', 1)
  if type(pad) is not int or not 0 <= pad < model.max_length - 1:
    raise ConfigError(f'config.json has pad_token_id={pad!r:.80}')
  model.position_offset = pad + 1
  model.max_length -= pad + 1


def rows(model, pad_id):
  """The rows of the table; ConfigError where they are not counted so."""
  if model.position_offset != pad_id + 1:
    raise ConfigError(f'it counts positions from {pad_id + 1} on, and model.'
                      f'position_offset={model.position_offset}')
  return model.max_length + model.position_offset


class Family(bert.OneType):
  """RoBERTa: BERT's encoder, its positions behind the id of padding."""

  model_types = ('roberta', 'xlm-roberta', 'camembert')
  fields, constants = bert.FIELDS, bert.CONSTANTS
  fixed = dict(norm_position='post', embedding_norm=True)
  handled = ('position_offset',)
  names = bert.trunk('roberta.')
  prefix = 'roberta.'
  optional = {'pooler/dense': 'roberta.pooler.dense'}
  ignored = r'\.position_ids$'
  architectures = {
      **{name: Architecture(
          masked.Objective, (masked.Cloze,), HEAD,
          {'head/bias': 'lm_head.decoder.bias'}, aliases('roberta.'))
         for name in ('RobertaForMaskedLM', 'XLMRobertaForMaskedLM',
                      'CamembertForMaskedLM')},
      **{key: one for name in ('Roberta', 'XLMRoberta', 'Camembert')
         for key, one in task_heads(name, masked.Objective, (
             'classifier.dense', 'classifier.out_proj')).items()},
      **{name: Architecture(masked.Objective)
         for name in ('RobertaModel', 'XLMRobertaModel', 'CamembertModel')},
  }

  @classmethod
  def read_more(cls, values, model):
    behind_padding(values, model)

  @classmethod
  def write_more(cls, model, vocabulary):
    return {**super().write_more(model, vocabulary),
            'max_position_embeddings': rows(model, vocabulary.pad_id)}
