"""Heads: what turns a trunk's states into scores. They stay out of
`params['trunk']`, which is what transfers.
"""

import flax.linen as nn
import jax.numpy as jnp

from ptm_jax.models.layers import Dense, Norm, activation, normal, param_init


class LMHead(nn.Module):
  """The vocabulary head, up to but without the product with the table, which
  the loss computes in chunks.

  T5 v1.0 multiplies the states by width**-0.5 before its tied table, whose
  entries are of order 1 (`config.Model.scale_head`).

  Attributes:
    model: `config.Model`.
    vocab_size: rows of the table.
    transform: BERT's dense layer, activation and norm before the table; it
      also goes to the width of a factorised embedding, for which there is a
      plain projection otherwise.
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
      width]`, bias `[vocab]` or None.
    """
    model = self.model
    width = model.embedding_width or model.width
    x = hidden
    if self.transform:
      x = Dense(model, (width,), ('embed', 'embed_out'), name='transform')(x)
      x = activation(model.activation)(x)
      x = Norm(model, name='transform_norm')(x)
    elif width != model.width:
      x = Dense(model, (width,), ('embed', 'embed_out'), name='projection')(x)
    if embedding is None:
      embedding = self.param(
          'table', param_init(normal(model), 'vocab', 'embed'),
          (self.vocab_size, width), model.param_dtype)
    elif model.scale_head:
      x = x * jnp.asarray(model.width ** -0.5, x.dtype)
    bias = None
    if self.bias:
      bias = self.param(
          'bias', param_init(nn.initializers.zeros, 'vocab'),
          (self.vocab_size,), model.param_dtype)
    return x, embedding, bias


class BoundaryHead(nn.Module):
  """The vocabulary head of a token inside a span, from the states at the
  span's two sides and the token's place in it.

  Reference: Joshi et al. 2020, arXiv:1907.10529, section 3.2, and its released
  code for the position vectors.

  Attributes:
    model, vocab_size: as of `LMHead`.
    places: rows of the table of position vectors.
    place_width: of these vectors.
  """

  model: object
  vocab_size: int
  places: int
  place_width: int = 200

  @nn.compact
  def __call__(self, sides, embedding):
    """Prepares the scores of every id.

    Args:
      sides: the left and the right state, each `[batch, n, width]`, and the
        place, int32 `[batch, n]` from 0.
      embedding: as of `LMHead`.

    Returns:
      As `LMHead`.
    """
    model = self.model
    left, right, place = sides
    table = self.param(
        'place_embedding', param_init(normal(model), 'positions', 'embed'),
        (self.places, self.place_width), model.param_dtype)
    x = jnp.concatenate([left, right, table.astype(left.dtype)[place]], -1)
    x = Dense(model, (model.width,), ('embed', 'embed_out'), name='sides')(x)
    x = Norm(model, name='sides_norm')(activation(model.activation)(x))
    # The second layer is what any masked LM has before its table.
    return LMHead(model, self.vocab_size, transform=True, bias=True,
                  name='tokens')(x, embedding)


class TokenClassifier(nn.Module):
  """Scores of every position: dense and activation if asked (ELECTRA), then
  linear.
  """

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


def state_at(place, hidden, real=None):
  """The state of a text at its 'first' or its 'last' token.

  Args:
    place: as said.
    hidden: `[batch, n, width]`, padding at the end.
    real: bool `[batch, n]`, True where there is a token; None where
      everywhere.

  Returns:
    `[batch, width]`.
  """
  if place == 'first':
    return hidden[:, 0]
  if real is None:
    return hidden[:, -1]
  last = jnp.maximum(jnp.sum(real, 1) - 1, 0)
  return jnp.take_along_axis(hidden, last[:, None, None], 1)[:, 0]


class Pooler(nn.Module):
  """A vector of a sequence from one of its states: dense and
  `pooler_activation`, as published encoders bring it from their own
  pre-training.

  Attributes:
    model: `config.Model`.
    place: of the state, as of `state_at`; None is the model's `pooler_place`.
  """

  model: object
  place: str | None = None

  @nn.compact
  def __call__(self, hidden, real=None):
    """`[batch, n, width]` -> `[batch, width]`; `real` is as of `state_at`."""
    model = self.model
    state = state_at(self.place or model.pooler_place, hidden, real)
    return activation(model.pooler_activation)(Dense(
        model, (model.width,), ('embed', 'embed_out'), bias=True,
        name='dense')(state))


# Ways that have a pooler, and the place of the state that it reads.
POOLED = {'pooler': None, 'decoder': 'last'}


class TaskHead(nn.Module):
  """What fine-tuning puts on a trunk, linear. Its parameters are
  `params['task']`.

  Attributes:
    model: `config.Model`.
    num_outputs: of the linear layer.
    pooling: what it reads: 'each' state, a 'pooler' of them, the same of the
      last one of a 'decoder' (Lewis et al. 2020, arXiv:1910.13461, section
      3.1), or the 'last', without a bias (Radford et al. 2018, section 3.2).
  """

  model: object
  num_outputs: int
  pooling: str

  @nn.compact
  def __call__(self, hidden, real=None):
    """`[batch, n, width]` -> `[batch, n, outputs]`, or `[batch, outputs]`;
    `real` is as of `state_at`."""
    x = hidden
    if self.pooling in POOLED:
      x = Pooler(self.model, POOLED[self.pooling], name='pooler')(hidden, real)
    if self.pooling == 'last':
      x = state_at('last', hidden, real)
    return Dense(self.model, (self.num_outputs,), ('embed', 'classes'),
                 bias=self.pooling != 'last', name='head')(x)


class PooledClassifier(nn.Module):
  """Scores of a sequence from its first state, `[CLS]`: dense, tanh, linear.

  Reference: Devlin et al. 2019, arXiv:1810.04805, and its released code.
  """

  model: object
  num_classes: int

  @nn.compact
  def __call__(self, hidden):
    """`[batch, n, width]` -> `[batch, num_classes]`."""
    model = self.model
    x = jnp.tanh(Dense(model, (model.width,), ('embed', 'embed_out'),
                       name='pooler')(hidden[:, 0]))
    return Dense(model, (self.num_classes,), ('embed', 'classes'),
                 name='classifier')(x)
