"""PEGASUS.

Reference: Zhang et al. 2020, arXiv:1912.08777; `PegasusModel` of transformers,
whose files hold the sinusoids too.
"""

import numpy as np

from ptm_jax.convert import bart, encoder_decoders
from ptm_jax.convert.architecture import Architecture
from ptm_jax.objectives import gap_sentences, sequence_to_sequence


class Family(bart.Family):
  """PEGASUS: an encoder-decoder with sinusoids, its norms before the
  sub-layers."""

  model_types = ('pegasus',)
  fixed = dict(norm_position='pre', positions='sinusoidal', norm_epsilon=1e-5)
  names = {
      'trunk/token_embedding': 'model.shared', **bart.stacks(),
      **{f'trunk/{side}/final_norm': f'model.{side}.layer_norm'
         for side in ('encoder', 'decoder')}}
  start = 'pad'
  architectures = {
      'PegasusForConditionalGeneration': encoder_decoders.rewriter(
          gap_sentences.Objective, sequence_to_sequence.Rewriting,
          bart.TABLES, bart.SHARED),
      'PegasusModel': Architecture(
          gap_sentences.Objective, aliases=dict.fromkeys(
              bart.TABLES, bart.SHARED), form='encoder_decoder')}

  @classmethod
  def constant_tensors(cls, model, rows):
    places = np.arange(model.max_length)[:, None]
    rates = np.power(10000, 2 * np.arange(model.width // 2) / model.width)
    angles = places / rates[None]
    table = np.concatenate([np.sin(angles), np.cos(angles)], 1).astype(
        np.float32)
    return {**super().constant_tensors(model, rows),
            'model.encoder.embed_positions.weight': table,
            'model.decoder.embed_positions.weight': table}
