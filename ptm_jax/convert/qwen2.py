"""Qwen2: Llama's decoder whose queries, keys and values have biases.

Reference: Yang et al. 2024, arXiv:2407.10671; `Qwen2Model` of transformers.
"""

from ptm_jax.convert import llama


class Family(llama.Family):
  """Qwen2: Llama's decoder with biases of queries, keys and values."""

  model_types = ('qwen2',)
  fixed = dict(llama.Family.fixed, qkv_bias=True)
  constants = {'use_sliding_window': False}
  architectures = llama.decoder('Qwen2', 'transformer.')
