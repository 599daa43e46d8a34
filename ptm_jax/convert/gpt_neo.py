"""GPT-Neo: GPT-2's decoder, some of whose layers see a window.

Reference: Black et al. 2021, 'GPT-Neo'; `GPTNeoModel` of transformers.
"""

from ptm_jax.convert.architecture import Architecture
from ptm_jax.convert.decoders import decoder_heads
from ptm_jax.convert.family import ACTIVATIONS, BaseFamily, Field
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import autoregressive

_LAYER = 'transformer.h.{}.'
_ATTENTION = _LAYER + 'attn.attention.'
_WINDOW = 256  # where no layer has one


class Family(BaseFamily):
  """GPT-Neo: a decoder, every second layer of which sees a window."""

  model_types = ('gpt_neo',)
  fields = (
      Field('hidden_size', 'width', 2048),
      Field('num_layers', 'depth', 24),
      Field('num_heads', 'num_heads', 16),
      Field('max_position_embeddings', 'max_length', 2048),
      Field('intermediate_size', 'mlp_dim', None),
      Field('activation_function', 'activation', 'gelu_new', ACTIVATIONS),
      Field('layer_norm_epsilon', 'norm_epsilon', 1e-5),
      Field('initializer_range', 'init_scale', 0.02),
      Field('resid_dropout', 'dropout', 0.0),
      Field('embed_dropout', 'dropout', 0.0),
      Field('attention_dropout', 'attention_dropout', 0.0),
      Field('tie_word_embeddings', 'tied_head', True))
  fixed = dict(scale_attention=False, qkv_bias=False)
  handled = ('attention_window', 'window_every')
  prefix = 'transformer.'
  ignored = r'\.attention\.(masked_)?bias$'
  names = {
      'trunk/token_embedding': 'transformer.wte',
      'trunk/inputs/position_embedding': 'transformer.wpe',
      'trunk/stack/layer_{}/attention_norm': _LAYER + 'ln_1',
      'trunk/stack/layer_{}/attention/query': _ATTENTION + 'q_proj',
      'trunk/stack/layer_{}/attention/key': _ATTENTION + 'k_proj',
      'trunk/stack/layer_{}/attention/value': _ATTENTION + 'v_proj',
      'trunk/stack/layer_{}/attention/output': _ATTENTION + 'out_proj',
      'trunk/stack/layer_{}/mlp_norm': _LAYER + 'ln_2',
      'trunk/stack/layer_{}/mlp/up': _LAYER + 'mlp.c_fc',
      'trunk/stack/layer_{}/mlp/down': _LAYER + 'mlp.c_proj',
      'trunk/stack/final_norm': 'transformer.ln_f',
  }
  architectures = {
      'GPTNeoForCausalLM': Architecture(
          autoregressive.Objective, (autoregressive.Objective,),
          {'head/table': 'lm_head.weight'},
          aliases={'lm_head.weight': 'transformer.wte.weight'},
          form='decoder'),
      **decoder_heads('GPTNeo', 'classifier'),
      'GPTNeoModel': Architecture(autoregressive.Objective, form='decoder'),
  }

  @classmethod
  def read_more(cls, values, model):
    kinds = values.get('attention_types', [[['global', 'local'], 12]])
    try:
      layers = [kind for group, times in kinds for _ in range(
          min(times, model.depth)) for kind in group]
    except (TypeError, ValueError) as error:
      raise ConfigError(f'config.json has attention_types={kinds!r:.120}'
                        ) from error
    found = [every for every in range(1, model.depth + 2)
             if layers == _layers(model.depth, every)]
    if not found:
      raise ConfigError(f'config.json has attention_types={kinds!r:.120}, '
                        'where the local layers must be every n-th one')
    if 'local' in layers:
      model.window_every = found[0]
      model.attention_window = values.get('window_size', _WINDOW)

  @classmethod
  def write_more(cls, model, vocabulary):
    every = model.window_every if model.attention_window else model.depth + 1
    layers = _layers(model.depth, every)
    return {'attention_types': [[[kind], 1] for kind in layers],
            'attention_layers': layers,
            'window_size': model.attention_window or _WINDOW}


def _layers(depth, every):
  return ['local' if (index + 1) % every == 0 else 'global'
          for index in range(depth)]
