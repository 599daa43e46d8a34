"""BART.

Reference: Lewis et al. 2020, arXiv:1910.13461; `BartModel` of transformers.
The first two rows of its tables of positions are never read.
"""

import functools

import numpy as np

from ptm_jax.convert import encoder_decoders
from ptm_jax.convert.family import ACTIVATIONS, BaseFamily, Field
from ptm_jax.objectives import denoising, sequence_to_sequence

_LAYER = {
    'attention/query': 'self_attn.q_proj',
    'attention/key': 'self_attn.k_proj',
    'attention/value': 'self_attn.v_proj',
    'attention/output': 'self_attn.out_proj',
    'attention_norm': 'self_attn_layer_norm',
    'mlp/up': 'fc1',
    'mlp/down': 'fc2',
    'mlp_norm': 'final_layer_norm',
}
_CROSS = {
    'cross_attention/query': 'encoder_attn.q_proj',
    'cross_attention/key': 'encoder_attn.k_proj',
    'cross_attention/value': 'encoder_attn.v_proj',
    'cross_attention/output': 'encoder_attn.out_proj',
    'cross_attention_norm': 'encoder_attn_layer_norm',
}


def stacks():
  """The names of the layers of both stacks."""
  return {
      f'trunk/{side}/layer_{{}}/{ours}': f'model.{side}.layers.{{}}.{theirs}'
      for side, layer in (('encoder', _LAYER), ('decoder', _LAYER | _CROSS))
      for ours, theirs in layer.items()}


TABLES = [f'model.{side}.embed_tokens.weight'
          for side in ('encoder', 'decoder')]
SHARED = 'model.shared.weight'
_BIAS = 'final_logits_bias'
_OBJECTIVE = functools.partial(denoising.Objective, opening=True)


class Family(BaseFamily):
  """BART: an encoder-decoder, its norms after the sub-layers."""

  model_types = ('bart',)
  fields = (
      Field('d_model', 'width', 1024),
      *(Field(f'{side}_{theirs}', ours, default, factor=factor)
        for side in ('encoder', 'decoder')
        for theirs, ours, default, factor in (
            ('layers', 'depth', 12, 2),
            ('attention_heads', 'num_heads', 16, 1),
            ('ffn_dim', 'mlp_dim', 4096, 1))),
      Field('max_position_embeddings', 'max_length', 1024),
      Field('activation_function', 'activation', 'gelu', ACTIVATIONS),
      Field('scale_embedding', 'scale_embeddings', False),
      Field('dropout', 'dropout', 0.1),
      Field('attention_dropout', 'attention_dropout', 0.0),
      Field('init_std', 'init_scale', 0.02),
      Field('tie_word_embeddings', 'tied_head', True))
  fixed = dict(norm_position='post', embedding_norm=True, norm_epsilon=1e-5,
               position_offset=2)
  handled = ('decoder_start',)
  constants = {'is_encoder_decoder': True}
  prefix = 'model.'
  names = {
      'trunk/token_embedding': 'model.shared', **stacks(),
      **{f'trunk/{side}_inputs/{ours}': f'model.{side}.{theirs}'
         for side in ('encoder', 'decoder') for ours, theirs in (
             ('position_embedding', 'embed_positions'),
             ('embedding_norm', 'layernorm_embedding'))}}
  start = 'eos'
  architectures = {
      'BartForConditionalGeneration': encoder_decoders.rewriter(
          _OBJECTIVE, sequence_to_sequence.Rewriting, TABLES, SHARED),
      **encoder_decoders.readers('Bart', _OBJECTIVE, TABLES, SHARED)}

  @classmethod
  def constant_tensors(cls, model, rows):
    return {_BIAS: np.zeros((1, rows), np.float32)}

  @classmethod
  def entries(cls, names, leaves, model, rows):
    found = super().entries(names, leaves, model, rows)
    if 'head/table' in names:
      return found
    return [entry for entry in found if entry.name != _BIAS]

  @classmethod
  def read_more(cls, values, model):
    encoder_decoders.read_start(values, model, cls.start)

  @classmethod
  def write_more(cls, model, vocabulary):
    return encoder_decoders.start(model, vocabulary)
