"""A trunk without layers: a table of vectors, one for each token."""

import flax.linen as nn

from ptm_jax.models.transformer import Embedding


class Table(nn.Module):
  """Token embeddings and nothing else; position and neighbours do not count.

  Attributes:
    model: `config.Model`; of it `width` and how the table is stored.
    vocab_size: rows.
  """

  model: object
  vocab_size: int

  @nn.compact
  def __call__(self, stack, keys=None):
    """The vectors `[batch, length, width]` of a stack's `inputs`."""
    del keys
    x = Embedding(self.model, self.vocab_size, self.model.width,
                  name='token_embedding')(stack['inputs'])
    return x + stack['offset'].astype(x.dtype) if 'offset' in stack else x


class Contexts(nn.Module):
  """The second table of word2vec, of tokens as contexts, which begins at 0.
  """

  model: object
  vocab_size: int

  @nn.compact
  def __call__(self, ids):
    table = self.param(
        'embedding', nn.with_logical_partitioning(
            nn.initializers.zeros, ('vocab', 'embed')),
        (self.vocab_size, self.model.width), self.model.param_dtype)
    return table.astype(self.model.dtype)[ids]
