"""Mistral: Llama's decoder with a window of attention.

Reference: Jiang et al. 2023, arXiv:2310.06825; `MistralModel` of
transformers.
"""

from ptm_jax.convert import llama
from ptm_jax.convert.family import Field


class Family(llama.Family):
  """Mistral: Llama's decoder, each layer of which sees a window."""

  model_types = ('mistral',)
  fields = (*llama.Family.fields,
            Field('sliding_window', 'attention_window', 4096))
  constants = {}
  architectures = llama.decoder('Mistral')
