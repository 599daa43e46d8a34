"""Heads: what turns a trunk's states into scores. They stay out of
`params['trunk']`, which is what transfers.
"""

import flax.linen as nn

from ptm_jax.models.layers import Dense, Norm, activation, normal, param_init


class LMHead(nn.Module):
  """The vocabulary head, up to but without the product with the table, which
  the loss computes in chunks.

  Attributes:
    model: `config.Model`.
    vocab_size: rows of the table.
    transform: BERT's dense layer, activation and norm before the table; a
      factorised embedding needs it, or a plain projection, to its width.
    bias: whether each id has a bias.
  """

  model: object
  vocab_size: int
  transform: bool
  bias: bool

  @nn.compact
  def __call__(self, hidden, embedding):
    """Prepares the scores of every id.

    Args:
      hidden: `[batch, n, width]`.
      embedding: `[vocab, embedding width]` of the trunk, or None for a table
        of its own.

    Returns:
      features `[batch, n, embedding width]`, table `[vocab, embedding
      width]`, bias `[vocab]` or None. T5's tied head divides by sqrt(width),
      since its scores are not divided elsewhere (`scale_attention` off).
    """
    model = self.model
    width = model.embedding_width or model.width
    x = hidden
    if self.transform or width != model.width:
      x = Dense(model, (width,), ('embed', 'embed_out'), name='transform')(x)
    if self.transform:
      x = activation(model.activation)(x)
      x = Norm(model, name='transform_norm')(x)
    if embedding is not None and not model.scale_attention:
      x = x * model.width**-0.5
    if embedding is None:
      embedding = self.param(
          'table', param_init(normal(model), 'vocab', 'embed'),
          (self.vocab_size, width), model.param_dtype)
    bias = None
    if self.bias:
      bias = self.param(
          'bias', param_init(nn.initializers.zeros, 'vocab'),
          (self.vocab_size,), model.param_dtype)
    return x, embedding, bias


class TokenClassifier(nn.Module):
  """Scores of every position: dense, activation (ELECTRA), linear."""

  model: object
  num_classes: int
  transform: bool

  @nn.compact
  def __call__(self, hidden):
    """`[batch, n, width]` -> `[batch, n, num_classes]`."""
    model = self.model
    x = hidden
    if self.transform:
      x = activation(model.activation)(
          Dense(model, (model.width,), ('embed', 'embed_out'),
                name='transform')(x))
    return Dense(model, (self.num_classes,), ('embed', 'classes'),
                 name='classifier')(x)
