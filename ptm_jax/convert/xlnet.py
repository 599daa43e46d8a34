"""XLNet, with permutation LM or bare.

Reference: Yang et al. 2019, arXiv:1906.08237; `XLNetModel` of transformers.
Of its two question answerers the simple one is here: two scores of every
state. The other searches for ends behind the likeliest starts.
"""

import dataclasses
import functools

from ptm_jax.convert.architecture import Architecture, task_heads
from ptm_jax.convert.family import ACTIVATIONS, BaseFamily, Field
from ptm_jax.convert.mapping import Axes
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import permutation

_LAYER = 'transformer.layer.{}.'
_ATTENTION = _LAYER + 'rel_attn.'
_FORM = 'two_stream'
_objective = functools.partial(permutation.Objective, closing=True)


def _tasks():
  heads = task_heads('XLNet', _objective, ('sequence_summary.summary',
                                           'logits_proj'))
  return {name + 'Simple' * (one.task == 'span'): dataclasses.replace(
      one, form=_FORM) for name, one in heads.items()}


class Family(BaseFamily):
  """XLNet: Transformer-XL's relative scores, read from both sides."""

  model_types = ('xlnet',)
  fields = (
      Field('d_model', 'width', 1024),
      Field('n_layer', 'depth', 24),
      Field('n_head', 'num_heads', 16),
      Field('d_inner', 'mlp_dim', 4096),
      Field('ff_activation', 'activation', 'gelu', ACTIVATIONS),
      Field('layer_norm_eps', 'norm_epsilon', 1e-12),
      Field('initializer_range', 'init_scale', 0.02),
      Field('dropout', 'dropout', 0.1),
      Field('summary_activation', 'pooler_activation', 'tanh',
            {'tanh': 'tanh', 'gelu': 'gelu'}),
      Field('tie_word_embeddings', 'tied_head', True))
  fixed = dict(norm_position='post', positions='transformer_xl',
               relative_types=True, query_embedding=True, qkv_bias=False,
               output_bias=False, pooler_place='last')
  constants = {'attn_type': 'bi', 'bi_data': False, 'clamp_len': -1,
               'untie_r': True, 'summary_type': 'last',
               'summary_use_proj': True}
  names = {
      'trunk/token_embedding': 'transformer.word_embedding',
      'trunk/inputs/query_embedding': Axes(
          'transformer.mask_emb', (None, None, 'embed')),
      **{f'trunk/stack/layer_{{}}/attention/{ours}/kernel': Axes(
          # Whichever of these axes are the inputs.
          _ATTENTION + theirs, ('embed', heads, 'head_dim'))
         for ours, theirs, heads in (
             ('query', 'q', 'heads'), ('key', 'k', 'kv'), ('value', 'v', 'kv'),
             ('output', 'o', 'heads'), ('relative/distance', 'r', 'heads'))},
      **{f'trunk/stack/layer_{{}}/attention/relative/{ours}':
         _ATTENTION + theirs for ours, theirs in (
             ('content_bias', 'r_w_bias'), ('place_bias', 'r_r_bias'),
             ('type_bias', 'r_s_bias'), ('types', 'seg_embed'))},
      'trunk/stack/layer_{}/attention_norm': _ATTENTION + 'layer_norm',
      'trunk/stack/layer_{}/mlp/up': _LAYER + 'ff.layer_1',
      'trunk/stack/layer_{}/mlp/down': _LAYER + 'ff.layer_2',
      'trunk/stack/layer_{}/mlp_norm': _LAYER + 'ff.layer_norm',
  }
  prefix = 'transformer.'
  padding_side = 'left'
  architectures = {
      'XLNetLMHeadModel': Architecture(
          _objective, (permutation.Objective,),
          {'head/table': 'lm_loss.weight', 'head/bias': 'lm_loss.bias'},
          aliases={'lm_loss.weight': 'transformer.word_embedding.weight'},
          form=_FORM),
      **_tasks(),
      'XLNetModel': Architecture(_objective, form=_FORM),
  }

  @classmethod
  def choose(cls, objective, bare=False, task=None):
    name = super().choose(objective, bare, task)
    # Read back, the text would stand in another frame.
    if not getattr(objective, 'closing', False):
      raise ConfigError('it has no objective.closing=False, only True')
    return name

  @classmethod
  def read_more(cls, values, model):
    width = model.width // model.num_heads if model.num_heads else None
    if values.get('d_head') not in (None, width):
      raise ConfigError(f'config.json has d_head={values["d_head"]!r:.80}, '
                        f'where only d_model / n_head = {width} is known')
    model.attention_dropout = model.dropout

  @classmethod
  def write_more(cls, model, vocabulary):
    return {'d_head': model.width // model.num_heads}
