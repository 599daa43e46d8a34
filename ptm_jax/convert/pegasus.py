"""PEGASUS.

Reference: Zhang et al. 2020, arXiv:1912.08777; `PegasusModel` of transformers,
whose files hold the sinusoids too.
"""

import numpy as np

from ptm_jax.convert import bart
from ptm_jax.objectives import gap_sentences


class Family(bart.Family):
  """PEGASUS: an encoder-decoder with sinusoids, its norms before the
  sub-layers."""

  model_types = ('pegasus',)
  fixed = dict(norm_position='pre', positions='sinusoidal', norm_epsilon=1e-5)
  names = {
      'trunk/token_embedding': 'model.shared', **bart.stacks(),
      **{f'trunk/{side}/final_norm': f'model.{side}.layer_norm'
         for side in ('encoder', 'decoder')}}
  architectures = bart.architectures('Pegasus', gap_sentences.Objective)

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
