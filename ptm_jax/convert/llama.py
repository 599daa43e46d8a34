"""Llama and what has its shape.

Reference: Touvron et al. 2023, arXiv:2302.13971; `LlamaModel` of
transformers.
"""

from ptm_jax.convert.architecture import Architecture
from ptm_jax.convert.decoders import decoder_heads
from ptm_jax.convert.family import BaseFamily, Field
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import autoregressive

_LAYER = 'model.layers.{}.'

_NAMES = {
    'trunk/token_embedding': 'model.embed_tokens',
    'trunk/stack/layer_{}/attention_norm': _LAYER + 'input_layernorm',
    'trunk/stack/layer_{}/attention/query': _LAYER + 'self_attn.q_proj',
    'trunk/stack/layer_{}/attention/key': _LAYER + 'self_attn.k_proj',
    'trunk/stack/layer_{}/attention/value': _LAYER + 'self_attn.v_proj',
    'trunk/stack/layer_{}/attention/output': _LAYER + 'self_attn.o_proj',
    'trunk/stack/layer_{}/mlp_norm': _LAYER + 'post_attention_layernorm',
    'trunk/stack/layer_{}/mlp/up': _LAYER + 'mlp.gate_proj',
    'trunk/stack/layer_{}/mlp/value': _LAYER + 'mlp.up_proj',
    'trunk/stack/layer_{}/mlp/down': _LAYER + 'mlp.down_proj',
    'trunk/stack/final_norm': 'model.norm',
}


def decoder(name, span='model.'):
  """The architectures of a family of this shape.

  Args:
    name: of the family, as the classes' names begin.
    span: the prefix of the trunk's tensors in a model of question answering.
  """
  return {
      f'{name}ForCausalLM': Architecture(
          autoregressive.Objective, (autoregressive.Objective,),
          {'head/table': 'lm_head.weight'},
          aliases={'lm_head.weight': 'model.embed_tokens.weight'},
          form='decoder'),
      **decoder_heads(name, trunk_of_span={
          ours: theirs.replace('model.', span, 1)
          for ours, theirs in _NAMES.items()}),
      f'{name}Model': Architecture(autoregressive.Objective, form='decoder'),
  }


class Family(BaseFamily):
  """Llama: a decoder with RMS norms, rotary positions, SwiGLU and grouped
  heads."""

  model_types = ('llama',)
  fields = (
      Field('hidden_size', 'width'),
      Field('num_hidden_layers', 'depth'),
      Field('num_attention_heads', 'num_heads'),
      Field('num_key_value_heads', 'num_kv_heads', None),
      Field('head_dim', 'head_dim', None),
      Field('intermediate_size', 'mlp_dim'),
      Field('hidden_act', 'activation', 'silu', {'silu': 'swiglu'}),
      Field('max_position_embeddings', 'max_length', 2048),
      Field('rms_norm_eps', 'norm_epsilon', 1e-6),
      Field('initializer_range', 'init_scale', 0.02),
      Field('attention_dropout', 'attention_dropout', 0.0),
      Field('tie_word_embeddings', 'tied_head', False))
  fixed = dict(norm='rms', positions='rotary', use_bias=False)
  handled = ('rotary_base',)
  constants = {'attention_bias': False, 'mlp_bias': False}
  names = _NAMES
  prefix = 'model.'
  ignored = r'rotary_emb\.inv_freq$'
  architectures = decoder('Llama', 'transformer.')

  @classmethod
  def read_more(cls, values, model):
    # Older files have `rope_theta` and `rope_scaling`.
    rope = values.get('rope_parameters') or values.get('rope_scaling') or {}
    if not isinstance(rope, dict) or rope.get(
        'rope_type', rope.get('type', 'default')) != 'default':
      raise ConfigError(f'config.json has rotary positions {rope!r:.120}, '
                        'where only those without scaling are known')
    base = rope.get('rope_theta', values.get('rope_theta', 10_000.0))
    model.rotary_base = float(base) if type(base) is int else base

  @classmethod
  def write_more(cls, model, vocabulary):
    return {'rope_theta': model.rotary_base, 'rope_parameters': {
        'rope_type': 'default', 'rope_theta': model.rotary_base}}
