"""GPT-2 and what has its shape.

Reference: Radford et al. 2019; `GPT2Model` of transformers. Its dense layers
are stored `[in, out]`, queries, keys and values in one.
"""

from ptm_jax.convert.architecture import Architecture
from ptm_jax.convert.decoders import decoder_heads
from ptm_jax.convert.family import ACTIVATIONS, BaseFamily, Field
from ptm_jax.objectives import autoregressive

_LAYER = 'transformer.h.{}.'


class Family(BaseFamily):
  """GPT-2: a decoder, its norms before the sub-layers."""

  model_types = ('gpt2',)
  fields = (
      Field('n_embd', 'width', 768),
      Field('n_layer', 'depth', 12),
      Field('n_head', 'num_heads', 12),
      Field('n_positions', 'max_length', 1024),
      Field('n_inner', 'mlp_dim', None),
      Field('activation_function', 'activation', 'gelu_new', ACTIVATIONS),
      Field('layer_norm_epsilon', 'norm_epsilon', 1e-5),
      Field('initializer_range', 'init_scale', 0.02),
      Field('resid_pdrop', 'dropout', 0.1),
      Field('embd_pdrop', 'dropout', 0.1),
      Field('attn_pdrop', 'attention_dropout', 0.1),
      Field('scale_attn_weights', 'scale_attention', True),
      Field('tie_word_embeddings', 'tied_head', True))
  constants = {'scale_attn_by_inverse_layer_idx': False,
               'add_cross_attention': False}
  prefix = 'transformer.'
  transposed = False
  ignored = r'\.attn\.(masked_)?bias$'
  names = {
      'trunk/token_embedding': 'transformer.wte',
      'trunk/inputs/position_embedding': 'transformer.wpe',
      'trunk/stack/layer_{}/attention_norm': _LAYER + 'ln_1',
      'trunk/stack/layer_{}/attention/query': (_LAYER + 'attn.c_attn', 0),
      'trunk/stack/layer_{}/attention/key': (_LAYER + 'attn.c_attn', 1),
      'trunk/stack/layer_{}/attention/value': (_LAYER + 'attn.c_attn', 2),
      'trunk/stack/layer_{}/attention/output': _LAYER + 'attn.c_proj',
      'trunk/stack/layer_{}/mlp_norm': _LAYER + 'ln_2',
      'trunk/stack/layer_{}/mlp/up': _LAYER + 'mlp.c_fc',
      'trunk/stack/layer_{}/mlp/down': _LAYER + 'mlp.c_proj',
      'trunk/stack/final_norm': 'transformer.ln_f',
  }
  architectures = {
      'GPT2LMHeadModel': Architecture(
          autoregressive.Objective, (autoregressive.Objective,),
          {'head/table': 'lm_head.weight'},
          aliases={'lm_head.weight': 'transformer.wte.weight'},
          form='decoder'),
      **decoder_heads('GPT2', 'classifier'),
      'GPT2Model': Architecture(autoregressive.Objective, form='decoder'),
  }
