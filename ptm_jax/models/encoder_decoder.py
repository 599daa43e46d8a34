"""Two stacks with cross attention: the original Transformer's form."""

import flax.linen as nn

from ptm_jax.models.attention import Structure
from ptm_jax.models.positions import RelativeBias
from ptm_jax.models.shared import shared_inputs
from ptm_jax.models.transformer import Embedding, Inputs, Stack
from ptm_jax.rng import stream


class EncoderDecoder(nn.Module):
  """An encoder and a decoder with half the layers each.

  They share the token embedding; positions, types and T5's bias are their
  own. A packed document's target sees its own document's input only.

  Attributes:
    model: `config.Model`; its depth counts the layers of both stacks.
    vocab_size: rows of the token embedding.
  """

  model: object
  vocab_size: int

  def setup(self):
    model, depth = self.model, self.model.depth // 2
    self.token_embedding = Embedding(
        model, self.vocab_size, model.embedding_width or model.width)
    self.encoder_inputs = Inputs(model, self.token_embedding)
    self.decoder_inputs = Inputs(model, self.token_embedding)
    self.encoder = Stack(model, depth)
    self.decoder = Stack(model, depth, cross=True)
    if model.relative_bias:
      self.encoder_bias = RelativeBias(model, bidirectional=True)
      self.decoder_bias = RelativeBias(model, bidirectional=False)

  def __call__(self, stack, keys=None):
    """Reads the input and the target so far.

    Args:
      stack: a stack dict for each side, its names under the prefixes
        `encoder_` and `decoder_`; `encoder_cross_segment_ids`, if given, are
        the segments as cross attention has them, 0 where it must not look.
      keys: one jax key per example for dropout, or None.

    Returns:
      The decoder's states `[batch, target length, width]`, normalised.
    """
    return self.decode(stack, self.encode(stack, keys), keys)

  def encode(self, stack, keys=None):
    """The encoder's states `[batch, input length, width]`, normalised."""
    one, keys = _side(stack, 'encoder_'), _own(keys, 'encoder')
    segments = one['segment_ids']
    shared = shared_inputs(
        self.model, one, Structure(segments, segments),
        getattr(self, 'encoder_bias', None), keys)
    return self.encoder(self.encoder_inputs(one, keys), shared)

  def decode(self, stack, encoded, keys=None):
    """The decoder's states, given the encoder's.

    To write token by token, with the collection `cache` mutable, the stack has
    `decoder_slots` and `decoder_key_segment_ids`, as `transformer.Trunk` says;
    the encoder's states are read once and may then be None.
    """
    one, keys = _side(stack, 'decoder_'), _own(keys, 'decoder')
    segments = one['segment_ids']
    # What a single row reads from a cache has all been written before it.
    alone = 'slots' in one and segments.shape[1] == 1
    shared = shared_inputs(
        self.model, one,
        Structure(segments, one.get('key_segment_ids', segments),
                  causal=not alone),
        getattr(self, 'decoder_bias', None), keys)
    shared['encoded'] = encoded
    shared['cross_structure'] = Structure(segments, stack.get(
        'encoder_cross_segment_ids', stack['encoder_segment_ids']))
    return self.decoder(self.decoder_inputs(one, keys), shared)


def _side(stack, prefix):
  return {name.removeprefix(prefix): value for name, value in stack.items()
          if name.startswith(prefix)}


def _own(keys, name):
  return None if keys is None else stream(keys, name)
