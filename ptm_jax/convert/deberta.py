"""DeBERTa v2 and v3, with masked LM or bare.

References: He et al. 2020, arXiv:2006.03654; He et al. 2021, arXiv:2111.09543;
`DebertaV2Model` of transformers. v3's discriminator is the bare trunk, as no
class there has its head.
"""

from ptm_jax.convert import bert
from ptm_jax.convert.architecture import Architecture, task_heads
from ptm_jax.convert.family import BaseFamily, Field
from ptm_jax.convert.mapping import Axes
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import masked

_CONVOLUTION = 'deberta.encoder.conv.'
_SELF = 'deberta.encoder.layer.{}.attention.self.'
# The class has two heads, and `legacy` in `config.json` says which.
_MASKED = 'DebertaV2ForMaskedLM'
_NOT_LEGACY = f'{_MASKED}, legacy=false'
# What all published ones have, and the value where `config.json` does not say.
_SAME = {'relative_attention': (True, False),
         'position_biased_input': (False, True),
         'share_att_key': (True, False),
         'norm_rel_ebd': ('layer_norm', 'none'),
         'conv_groups': (1, 1)}
_TERMS = 'p2c', 'c2p'


class Family(BaseFamily):
  """DeBERTa v2: BERT's encoder, whose scores are of content and distance."""

  model_types = ('deberta-v2',)
  fields = (
      *(field for field in bert.FIELDS if field.theirs not in (
          'type_vocab_size', 'layer_norm_eps')),
      Field('type_vocab_size', 'num_token_types', 0),
      Field('layer_norm_eps', 'norm_epsilon', 1e-7),
      Field('embedding_size', 'embedding_width', None),
      Field('pooler_hidden_act', 'pooler_activation', 'gelu',
            {'gelu': 'gelu', 'tanh': 'tanh'}),
      Field('conv_kernel_size', 'convolution_width', 0),
      Field('conv_act', 'convolution_activation', 'tanh',
            {'tanh': 'tanh', 'gelu': 'gelu'}))
  fixed = dict(norm_position='post', embedding_norm=True,
               positions='disentangled_v2')
  handled = ('distance_buckets',)
  names = {
      **{ours: theirs for ours, theirs in bert.trunk('deberta.').items()
         if 'position' not in ours},
      'trunk/distance_embedding': 'deberta.encoder.rel_embeddings',
      'trunk/distance_norm': 'deberta.encoder.LayerNorm',
      **{f'trunk/stack/layer_{{}}/attention/{part}': f'{_SELF}{part}_proj'
         for part in ('query', 'key', 'value')},
      'trunk/stack/layer_{}/convolution/kernel': Axes(
          _CONVOLUTION + 'conv.weight', ('embed_out', 'embed', 'offsets')),
      'trunk/stack/layer_{}/convolution/bias': _CONVOLUTION + 'conv.bias',
      'trunk/stack/layer_{}/convolution_norm': _CONVOLUTION + 'LayerNorm',
  }
  prefix = 'deberta.'
  ignored = r'\.position_ids$'
  headless = ('mask_predictions.',)
  architectures = {
      _MASKED: Architecture(
          masked.Objective, (masked.Cloze,),
          {'head/transform': 'cls.predictions.transform.dense',
           'head/transform_norm': 'cls.predictions.transform.LayerNorm',
           'head/table': 'cls.predictions.decoder.weight',
           'head/bias': 'cls.predictions.bias'},
          {'head/bias': 'cls.predictions.decoder.bias'},
          {'cls.predictions.decoder.weight':
               'deberta.embeddings.word_embeddings.weight',
           'cls.predictions.decoder.bias': 'cls.predictions.bias'}),
      _NOT_LEGACY: Architecture(
          masked.Objective, (masked.Cloze,),
          {'head/transform': 'lm_predictions.lm_head.dense',
           'head/transform_norm': 'lm_predictions.lm_head.LayerNorm',
           'head/bias': 'lm_predictions.lm_head.bias'}),
      **task_heads('DebertaV2', masked.Objective,
                   ('pooler.dense', 'classifier')),
      'DebertaV2Model': Architecture(masked.Objective),
  }

  @classmethod
  def named(cls, values):
    name = super().named(values)
    if name == _MASKED and not values.get('legacy', True):
      return _NOT_LEGACY
    return name

  @classmethod
  def read_more(cls, values, model):
    for name, (known, default) in _SAME.items():
      if values.get(name, default) != known:
        raise ConfigError(f'config.json has {name}='
                          f'{values.get(name, default)!r:.80}, where only '
                          f'{known!r} is known')
    terms = values.get('pos_att_type')
    named = terms if isinstance(terms, list) else str(terms).split('|')
    if sorted(str(one).strip().lower() for one in named) != sorted(_TERMS):
      raise ConfigError(f'config.json has pos_att_type={terms!r:.80}, where '
                        f'only {"|".join(_TERMS)} is known')
    buckets, farthest = (_whole(values, name) for name in (
        'position_buckets', 'max_relative_positions'))
    if model.embedding_width not in (None, model.width):
      raise ConfigError(f'config.json has embedding_size='
                        f'{model.embedding_width}, where only hidden_size='
                        f'{model.width} is known')
    model.distance_buckets = max(buckets, 0)
    # Without absolute positions nothing else reads `max_position_embeddings`.
    model.max_length = farthest if farthest > 0 else model.max_length

  @classmethod
  def from_model(cls, model, vocabulary, rows, architecture):
    values = super().from_model(model, vocabulary, rows, architecture)
    if model.embedding_width not in (None, model.width):
      raise ConfigError(f'it has no model.embedding_width='
                        f'{model.embedding_width}, only the width')
    return {**values, 'architectures': [architecture.split(',')[0]],
            'legacy': architecture != _NOT_LEGACY}

  @classmethod
  def write_more(cls, model, vocabulary):
    return {**{name: known for name, (known, _) in _SAME.items()},
            'embedding_size': model.width,
            'pooler_hidden_size': model.width, 'pos_att_type': list(_TERMS),
            'position_buckets': model.distance_buckets or -1,
            'max_relative_positions': -1}


def _whole(values, name):
  """A number of `config.json`, -1 where it has none."""
  found = values.get(name, -1)
  if type(found) is not int:
    raise ConfigError(f'config.json has {name}={found!r:.80}, where a whole '
                      'number is needed')
  return found
