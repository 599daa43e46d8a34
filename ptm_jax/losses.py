"""Sums and weights: what every objective's terms are made of.

A term is a sum over predictions and the weight that its mean is over; the
step divides once, after all sums over micro-batches and devices. The
vocabulary's cross entropy is computed in chunks of rows, and its gradient
already in the forward pass: three matrix products instead of four, and never
`[tokens, vocab]` at once.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Logits held at once, in numbers: 2**22 float32 are 16 MiB, near a CPU's
# last cache, and 8192 rows of a vocabulary of 512.
_CHUNK = 2**22


class Term(NamedTuple):
  """One term of an objective's loss on one batch.

  Attributes:
    sum: float32, sum of weights * nll; the only part with a gradient.
    weight: float32, what the mean is over; known from the batch alone.
    nll: float32 `[batch, n]`, nats.
    correct: bool `[batch, n]`, whether the most likely value is the target.
    targets: int32 `[batch, n]`.
    weights: float32 `[batch, n]`, 0 where there is no prediction.
  """

  sum: jax.Array
  weight: jax.Array
  nll: jax.Array
  correct: jax.Array
  targets: jax.Array
  weights: jax.Array


def cross_entropy(features, table, bias, targets, weights):
  """Cross entropy of `features @ table.T + bias` against token ids.

  Args:
    features: float `[batch, n, width]`.
    table: float `[vocab, width]`.
    bias: float `[vocab]` or None.
    targets: int32 `[batch, n]`.
    weights: float32 `[batch, n]`.

  Returns:
    `Term`.
  """
  shape = targets.shape
  width, vocab = features.shape[-1], table.shape[0]
  if bias is None:
    bias = jnp.zeros((vocab,), jnp.float32)
  total, nll, correct = _chunked(
      features.reshape(-1, width), table, bias, targets.reshape(-1),
      weights.reshape(-1))
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
  return Term(jnp.sum(weights * nll), jnp.sum(weights),
              nll,
              correct, labels, weights)


def sample(keys, features, table, bias, temperature):
  """Draws ids from the softmax of `(features @ table.T + bias) / temperature`.

  Args:
    keys: one jax key per example `[batch]`; used up.
    features: float `[batch, n, width]`; no gradient flows through.
    table: float `[vocab, width]`.
    bias: float `[vocab]` or None.
    temperature: float above 0. May be traced.

  Returns:
    int32 `[batch, n]`.
  """
  features, table = jax.lax.stop_gradient((features, table))
  shift = 0.0 if bias is None else jax.lax.stop_gradient(bias)[None]

  def one(args):
    key, rows = args
    logits = _logits(rows, table) + shift
    return jax.random.categorical(key, logits / temperature).astype(jnp.int32)

  # Examples are drawn a few at a time, so that logits stay small.
  size = max(1, _CHUNK // (features.shape[1] * table.shape[0]))
  return jax.lax.map(one, (keys, features), batch_size=size)


def plain_cross_entropy(features, table, bias, targets, weights):
  """`cross_entropy` in its plain form, which the tests compare with."""
  logits = jnp.einsum('bnw,vw->bnv', features, table,
                      preferred_element_type=jnp.float32)
  if bias is not None:
    logits = logits + bias
  logs = jax.nn.log_softmax(logits)
  nll = -jnp.take_along_axis(logs, targets[..., None], -1)[..., 0]
  return Term(jnp.sum(weights * nll), jnp.sum(weights),
              nll, jnp.argmax(logs, -1) == targets, targets, weights)


def _logits(features, table):
  return jnp.einsum('nw,vw->nv', features, table.astype(features.dtype),
                    preferred_element_type=jnp.float32)


def _scores(features, table, bias, targets):
  """Logits, their log-sum-exp, nll and hits of some rows."""
  logits = _logits(features, table) + bias[None]
  largest = jnp.max(logits, -1)
  exponentials = jnp.exp(logits - largest[:, None])
  normaliser = jnp.sum(exponentials, -1)
  target = jnp.take_along_axis(logits, targets[:, None], -1)[:, 0]
  nll = jnp.log(normaliser) + largest - target
  return exponentials, normaliser, nll, target >= largest


def _in_chunks(function, carry, rows, vocab):
  """Scans `function(carry, rows) -> (carry, out)` over chunks of rows.

  The rows are padded with zeros (weight 0) to whole chunks of equal size.
  """
  count = rows[0].shape[0]
  chunks = max(1, -(-count * vocab // _CHUNK))
  if chunks == 1:
    return function(carry, rows)
  size = -(-count // chunks)
  def split(x):
    padding = ((0, chunks * size - count),) + ((0, 0),) * (x.ndim - 1)
    return jnp.pad(x, padding).reshape((chunks, size) + x.shape[1:])
  carry, out = jax.lax.scan(function, carry, jax.tree.map(split, rows))
  return carry, jax.tree.map(
      lambda x: x.reshape((-1,) + x.shape[2:])[:count], out)


@jax.custom_vjp
def _chunked(features, table, bias, targets, weights):
  """Weighted sum, nll and hits of `[rows]`; the first is differentiable."""
  def part(total, rows):
    features, targets, weights = rows
    _, _, nll, correct = _scores(features, table, bias, targets)
    return total + jnp.sum(weights * nll), (nll, correct)

  total, (nll, correct) = _in_chunks(
      part, jnp.zeros(()), (features, targets, weights), table.shape[0])
  return total, nll, correct


def _forward(features, table, bias, targets, weights):
  """As `_chunked`, and the gradients for a cotangent of 1."""
  def part(carry, rows):
    total, table_grad, bias_grad = carry
    features, targets, weights = rows
    exponentials, normaliser, nll, correct = _scores(
        features, table, bias, targets)
    error = exponentials * (weights / normaliser)[:, None]
    rows_index = jnp.arange(targets.shape[0])
    error = error.at[rows_index, targets].add(-weights)
    small = error.astype(features.dtype)
    feature_grad = jnp.einsum('nv,vw->nw', small,
                              table.astype(features.dtype))
    table_grad += jnp.einsum('nv,nw->vw', small, features,
                             preferred_element_type=jnp.float32)
    carry = (total + jnp.sum(weights * nll), table_grad,
             bias_grad + jnp.sum(error, 0))
    return carry, (nll, correct, feature_grad)

  zero = (jnp.zeros(()), jnp.zeros(table.shape, jnp.float32),
          jnp.zeros(bias.shape, jnp.float32))
  (total, table_grad, bias_grad), (nll, correct, feature_grad) = _in_chunks(
      part, zero, (features, targets, weights), table.shape[0])
  grads = (feature_grad, table_grad.astype(table.dtype),
           bias_grad.astype(bias.dtype))
  return (total, nll, correct), grads


def _backward(grads, cotangents):
  scale = cotangents[0]  # nll and hits carry no gradient
  return (*jax.tree.map(lambda g: (g * scale).astype(g.dtype), grads),
          None, None)


_chunked.defvjp(_forward, _backward)
