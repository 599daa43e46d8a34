"""Sums and weights: what every objective's terms are made of.

A term is a sum over predictions and the weight that its mean is over; the
step divides once, after all sums over micro-batches and devices. The
vocabulary's cross entropy is computed in chunks of rows, and its gradient
already in the forward pass, while the logits are at hand: three matrix
products, as without chunks, and never `[tokens, vocab]` at once.
"""

import contextlib
import contextvars
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Logits held at once, in numbers: 2**22 float32 are 16 MiB, near a CPU's
# last cache, and 8192 rows of a vocabulary of 512.
_CHUNK = 2**22
# Ids in a block of `sample`'s search: about the root of a vocabulary's size.
_BLOCK = 64
_plain = contextvars.ContextVar('plain', default=False)


class Term(NamedTuple):
  """One term of an objective's loss on one batch.

  Attributes:
    sum: float32, sum of factors * nll; the only part with a gradient.
    weight: float32, what the mean is over; known from the batch alone.
    nll: float32 `[batch, n]`, nats.
    correct: bool `[batch, n]`, whether no value is likelier than the target.
    targets: int32 `[batch, n]`.
    weights: float32 `[batch, n]`, 0 where there is no prediction.
    coefficients: float32 `[batch, n]`, where the factor of an nll in the sum
      is not its weight, or None.
  """

  sum: jax.Array
  weight: jax.Array
  nll: jax.Array
  correct: jax.Array
  targets: jax.Array
  weights: jax.Array
  coefficients: jax.Array | None = None

  @property
  def factors(self):
    """float32 `[batch, n]`, of each nll in the sum."""
    return self.weights if self.coefficients is None else self.coefficients

  def over(self, weights):
    """The same sum, its mean taken over other weights `[batch, n]`."""
    return self._replace(weight=jnp.sum(weights), weights=weights,
                         coefficients=self.factors)


@contextlib.contextmanager
def plain():
  """Inside, cross entropies are computed at once, so that every single nll
  has a gradient, which proofs need, and not only their sum."""
  token = _plain.set(True)
  try:
    yield
  finally:
    _plain.reset(token)


def entropy(counts):
  """Entropy of `counts`' distribution, in nats: the loss of the best constant
  predictor, which knows the frequencies of the very targets it is scored on.
  """
  shares = counts[counts > 0] / counts.sum()
  return float(-np.sum(shares * np.log(shares)))


def cross_entropy(features, table, bias, targets, weights):
  """Cross entropy of `features @ table.T + bias` against token ids.

  The products run in the dtype of `features`, everything else in float32.

  Args:
    features: float `[batch, n, width]`.
    table: float `[vocab, width]`.
    bias: float `[vocab]` or None.
    targets: int32 `[batch, n]`, in [0, vocab).
    weights: float32 `[batch, n]`; they carry no gradient.

  Returns:
    `Term`; the gradient of its `sum` reaches features, table and bias.
  """
  if _plain.get():
    return plain_cross_entropy(features, table, bias, targets, weights)
  shape = targets.shape
  total, nll, correct = _chunked(
      features.reshape(-1, features.shape[-1]), table, bias,
      targets.reshape(-1), weights.reshape(-1))
  return Term(total, jnp.sum(weights), nll.reshape(shape),
              correct.reshape(shape), targets, weights)


def binary_cross_entropy(logits, labels, weights):
  """Sigmoid cross entropy, nats.

  Args:
    logits: float `[batch, n]`, of label 1.
    labels: int32 `[batch, n]`, 0 or 1.
    weights: float32 `[batch, n]`.

  Returns:
    `Term`.
  """
  logits = logits.astype(jnp.float32)
  nll = jax.nn.softplus(logits) - labels * logits
  correct = (logits > 0) == (labels > 0)
  return Term(jnp.sum(weights * nll), jnp.sum(weights), nll, correct, labels,
              weights)


def class_cross_entropy(logits, labels, weights):
  """Softmax cross entropy of a few classes, nats.

  Args:
    logits: float `[batch, n, classes]`.
    labels: int32 `[batch, n]`, in [0, classes).
    weights: float32 `[batch, n]`.

  Returns:
    `Term`.
  """
  logs = jax.nn.log_softmax(logits.astype(jnp.float32))
  nll = -jnp.take_along_axis(logs, labels[..., None], -1)[..., 0]
  return Term(jnp.sum(weights * nll), jnp.sum(weights), nll,
              nll <= -jnp.max(logs, -1), labels, weights)


def sample(keys, features, table, bias, temperature):
  """Draws ids from the softmax of `(features @ table.T + bias) / temperature`.

  One uniform number per prediction is looked up in the cumulative
  distribution; a Gumbel draw per id would cost many times the product. In
  float32 an id of probability below about 1e-7 may never be drawn.

  Args:
    keys: one jax key per example `[batch]`; used up.
    features: float `[batch, n, width]`; no gradient flows through.
    table: float `[vocab, width]`.
    bias: float `[vocab]` or None.
    temperature: float above 0. May be traced.

  Returns:
    int32 `[batch, n]`.
  """
  features, table, bias = jax.lax.stop_gradient((features, table, bias))
  uniform = jax.vmap(
      lambda key: jax.random.uniform(key, features.shape[1:2]))(keys)

  def part(_, rows):
    features, uniform = rows
    logits = _logits(features, table, bias) / temperature
    exponentials = jnp.exp(logits - jnp.max(logits, -1, keepdims=True))
    return None, _invert(exponentials, uniform)

  _, ids = _in_chunks(
      part, None, (features.reshape(-1, features.shape[-1]),
                   uniform.reshape(-1)), table.shape[0])
  return ids.reshape(uniform.shape)


def tempered(features, table, bias, temperature):
  """The law that `sample` draws from, as `cross_entropy` reads it."""
  return features / temperature, table, bias / temperature


def plain_cross_entropy(features, table, bias, targets, weights):
  """`cross_entropy` in its plain form, which the tests compare with."""
  logits = jnp.einsum('bnw,vw->bnv', features, table,
                      preferred_element_type=jnp.float32)
  if bias is not None:
    logits = logits + bias[None, None]
  logs = jax.nn.log_softmax(logits)
  target = jnp.take_along_axis(logs, targets[..., None], -1)[..., 0]
  return Term(-jnp.sum(weights * target), jnp.sum(weights), -target,
              target >= jnp.max(logs, -1), targets, weights)


def _logits(features, table, bias):
  """float32 `[rows, vocab]`."""
  logits = jnp.einsum('nw,vw->nv', features, table.astype(features.dtype),
                      preferred_element_type=jnp.float32)
  return logits if bias is None else logits + bias[None].astype(jnp.float32)


def _scores(rows, table, bias):
  """Exponentials `[rows, vocab]`, their sums, nll and hits of some rows."""
  features, targets, _ = rows
  logits = _logits(features, table, bias)
  largest = jnp.max(logits, -1)
  exponentials = jnp.exp(logits - largest[:, None])
  normaliser = jnp.sum(exponentials, -1)
  target = jnp.take_along_axis(logits, targets[:, None], -1)[:, 0]
  nll = jnp.log(normaliser) + largest - target
  # An argmax would cost as much as the rest of the softmax.
  return exponentials, normaliser, nll, target >= largest


def _in_chunks(function, carry, rows, vocab):
  """Scans `function(carry, rows) -> (carry, out)` over chunks of rows.

  A chunk takes every n-th row, so that it is spread over the devices when
  the batch is. Rows are padded with zeros (weight 0) to whole chunks where
  no near number of chunks divides them.
  """
  count = jax.tree.leaves(rows)[0].shape[0]
  least = max(1, -(-count * vocab // _CHUNK))
  chunks = next((c for c in range(least, 2 * least) if count % c == 0), least)
  if chunks == 1:
    return function(carry, rows)
  size = -(-count // chunks)

  def split(x):
    padding = ((0, chunks * size - count),) + ((0, 0),) * (x.ndim - 1)
    x = jnp.pad(x, padding).reshape((size, chunks) + x.shape[1:])
    return jnp.swapaxes(x, 0, 1)

  def join(x):
    x = jnp.swapaxes(x, 0, 1)
    return x.reshape((size * chunks,) + x.shape[2:])[:count]

  carry, out = jax.lax.scan(function, carry, jax.tree.map(split, rows))
  return carry, jax.tree.map(join, out)


@jax.custom_vjp
def _chunked(features, table, bias, targets, weights):
  """Weighted sum, nll and hits of `[rows]`; the first is differentiable."""
  def part(total, rows):
    _, _, nll, correct = _scores(rows, table, bias)
    return total + jnp.sum(rows[-1] * nll), (nll, correct)

  total, (nll, correct) = _in_chunks(
      part, jnp.zeros(()), (features, targets, weights), table.shape[0])
  return total, nll, correct


def _forward(features, table, bias, targets, weights):
  """As `_chunked`, and the gradients for a cotangent of 1."""
  ids = jnp.arange(table.shape[0])[None]

  def part(carry, rows):
    total, table_grad, bias_grad = carry
    features, targets, weights = rows
    exponentials, normaliser, nll, correct = _scores(rows, table, bias)
    # Of the logits: weight * (probability - 1 at the target).
    error = (exponentials * (weights / normaliser)[:, None]
             - jnp.where(ids == targets[:, None], weights[:, None], 0))
    small = error.astype(features.dtype)
    feature_grad = jnp.einsum('nv,vw->nw', small,
                              table.astype(features.dtype))
    table_grad += jnp.einsum('nv,nw->vw', small, features,
                             preferred_element_type=jnp.float32)
    if bias is not None:
      bias_grad += jnp.sum(error, 0)
    carry = total + jnp.sum(weights * nll), table_grad, bias_grad
    return carry, (nll, correct, feature_grad)

  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32),
                       (table, bias))
  (total, *grads), (nll, correct, feature_grad) = _in_chunks(
      part, (jnp.zeros(()), *zeros), (features, targets, weights),
      table.shape[0])
  grads = jax.tree.map(lambda grad, x: grad.astype(x.dtype),
                       (feature_grad, *grads), (features, table, bias))
  return (total, nll, correct), grads


def _backward(grads, cotangents):
  scale = cotangents[0]  # nll and hits carry no gradient
  return (*jax.tree.map(lambda g: (g * scale).astype(g.dtype), grads),
          None, None)


_chunked.defvjp(_forward, _backward)


def _invert(masses, uniform):
  """The id at which the cumulative distribution passes a uniform number.

  A running sum over the vocabulary is slow, so the block of ids is found
  first, by the blocks' sums, and then the id within it.

  Args:
    masses: float32 `[rows, vocab]`, not normalised.
    uniform: float32 `[rows]`, in [0, 1).

  Returns:
    int32 `[rows]`.
  """
  rows, vocab = masses.shape
  masses = jnp.pad(masses, ((0, 0), (0, -vocab % _BLOCK)))
  masses = masses.reshape(rows, -1, _BLOCK)
  ends = jnp.cumsum(jnp.sum(masses, -1), -1)
  goal = uniform * ends[:, -1]
  block = _first_above(ends, goal)
  inside = jnp.take_along_axis(masses, block[:, None, None], 1)[:, 0]
  start = (jnp.take_along_axis(ends, block[:, None], 1)[:, 0]
           - jnp.sum(inside, -1))
  within = _first_above(jnp.cumsum(inside, -1), goal - start)
  return jnp.minimum(block * _BLOCK + within, vocab - 1)


def _first_above(ends, goal):
  """Index of the first of `ends [rows, n]` above `goal [rows]`."""
  index = jnp.sum((ends <= goal[:, None]).astype(jnp.int32), -1)
  return jnp.minimum(index, ends.shape[1] - 1)
