"""MPNet, with masked LM or bare.

Reference: Song et al. 2020, arXiv:2004.09297; `MPNetModel` of transformers.
"""

from ptm_jax.convert import bert, roberta
from ptm_jax.convert.architecture import Architecture, task_heads
from ptm_jax.convert.family import BaseFamily
from ptm_jax.objectives import masked

_LAYER = 'mpnet.encoder.layer.{}.'
_PADDING = 1  # behind which positions are counted, whatever id padding has


class Family(BaseFamily):
  """MPNet: BERT's encoder with T5's relative bias, without token types."""

  model_types = ('mpnet',)
  fields = tuple(field for field in bert.FIELDS
                 if field.theirs != 'type_vocab_size')
  fixed = dict(norm_position='post', embedding_norm=True,
               positions='learned_t5')
  handled = ('position_offset',)
  constants = {'relative_attention_num_buckets': 32}
  names = {
      **{ours: theirs for ours, theirs in bert.trunk('mpnet.').items()
         if 'token_type' not in ours},
      'trunk/relative_bias': 'mpnet.encoder.relative_attention_bias',
      'trunk/stack/layer_{}/attention/query': _LAYER + 'attention.attn.q',
      'trunk/stack/layer_{}/attention/key': _LAYER + 'attention.attn.k',
      'trunk/stack/layer_{}/attention/value': _LAYER + 'attention.attn.v',
      'trunk/stack/layer_{}/attention/output': _LAYER + 'attention.attn.o',
      'trunk/stack/layer_{}/attention_norm': _LAYER + 'attention.LayerNorm',
  }
  prefix = 'mpnet.'
  optional = {'pooler/dense': 'mpnet.pooler.dense'}
  ignored = r'\.position_ids$'
  architectures = {
      'MPNetForMaskedLM': Architecture(
          masked.Objective, (masked.Cloze,), roberta.HEAD,
          {'head/bias': 'lm_head.decoder.bias'}, roberta.aliases('mpnet.')),
      **task_heads('MPNet', masked.Objective, (
          'classifier.dense', 'classifier.out_proj')),
      'MPNetModel': Architecture(masked.Objective),
  }

  @classmethod
  def read_more(cls, values, model):
    roberta.behind_padding({'pad_token_id': _PADDING}, model)

  @classmethod
  def write_more(cls, model, vocabulary):
    return {'max_position_embeddings': roberta.rows(model, _PADDING)}
