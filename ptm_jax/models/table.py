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


class Pair(nn.Module):
  """The two tables of GloVe, of words and of words as contexts.

  Attributes:
    model, vocab_size: as of `Table`.
  """

  model: object
  vocab_size: int

  def setup(self):
    self.token_embedding = Embedding(self.model, self.vocab_size,
                                     self.model.width)
    self.context_embedding = Embedding(self.model, self.vocab_size,
                                       self.model.width)

  def both(self, stack):
    """The vectors of a stack's `inputs`, each `[batch, length, width]`."""
    offset = stack.get('offset', 0)
    return (self.token_embedding(stack['inputs']) + offset,
            self.context_embedding(stack['inputs']) + offset)

  def __call__(self, stack, keys=None):
    """Their sum (Pennington et al. 2014, section 4.2)."""
    del keys
    words, contexts = self.both(stack)
    return words + contexts


class Contexts(nn.Module):
  """A table that begins at 0: of tokens as contexts, in word2vec.
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
