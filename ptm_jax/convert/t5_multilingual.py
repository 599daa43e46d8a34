"""mT5: T5 v1.1 of many languages, under classes of its own.

Reference: Xue et al. 2020, arXiv:2010.11934; `MT5Model` of transformers, whose
head never reads scaled states.
"""

from ptm_jax.convert import t5


class Family(t5.Family):
  """mT5: T5's encoder-decoder, and its encoder alone."""

  model_types = ('mt5',)
  fields = tuple(one for one in t5.Family.fields if one.ours != 'scale_head')
  architectures = t5.classes('MT5')

  @classmethod
  def absent(cls, values, tensors):
    return super().absent({**values, 'scale_decoder_outputs': False}, tensors)
