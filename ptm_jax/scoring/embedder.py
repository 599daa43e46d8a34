"""Vectors of sentences and of words, as a trunk has them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import meta

from ptm_jax.convert.pooled import Pooled
from ptm_jax.convert.tokenizer_files import around_texts
from ptm_jax.errors import ConfigError
from ptm_jax.load import encode_windows
from ptm_jax.scoring.scorer import LENGTHS, SPECIAL

POOLINGS = ('mean', 'cls')
_TOKENS = 8192  # in one call


class Embedder:
  """Pooled states of texts.

  Args:
    run: `load.Loaded`.
    pooling: 'mean' over all tokens of a text, special ones included, or 'cls',
      the state of the first; '' is what a published encoder of texts says, its
      normalisation and longest text included, or else 'mean'.
    layer: 0 for the embeddings, 1 for the first layer's output ...; negative
      counts from the last, and -1 is what the trunk gives, its last norm
      included.

  Attributes:
    room: tokens that a text may have; the rest is cut off.
    cut: texts that were cut so far.

  Raises:
    ConfigError: there is no such pooling; on use, there is no such layer.
  """

  def __init__(self, run, pooling='', layer=-1):
    if pooling not in ('', *POOLINGS):
      raise ConfigError(f'--pooling={pooling}: there are '
                        f'{" and ".join(POOLINGS)}')
    self._run, self._layer = run, layer
    self._encoder = (run.encoder or Pooled()) if not pooling else (
        Pooled(pooling))
    positions = run.objective.model.max_length
    self.room = positions - SPECIAL
    if self._encoder.max_length:  # all of which its library reads
      before, _, after = around_texts(run.tokenizer, run.objective)
      self.room = min(positions, self._encoder.max_length) - len(
          before) - len(after)
    self.cut = 0
    self._program = jax.jit(self._pooled)

  def embed(self, texts, show=lambda count: None):
    """Vectors in the order of the texts; batches are sorted by length.

    Args:
      texts: list of strings.
      show: called with the number of texts that are done.

    Returns:
      float32 `[texts, width]`.
    """
    tokenizer = self._run.tokenizer
    sizes = np.asarray([len(tokenizer.encode(text)) for text in texts], int)
    self.cut += int(np.sum(sizes > self.room))
    sizes = np.minimum(sizes, self.room)
    order = np.argsort(sizes, kind='stable')
    found, done = np.zeros((len(texts), 0), np.float32), 0
    while done < len(texts):
      length = next((one for one in LENGTHS if sizes[order[done]] <= one),
                    self.room)
      count = int(np.sum(sizes[order[done:]] <= length))
      size = min(max(1, _TOKENS // length), 1 << (count - 1).bit_length())
      part = order[done:done + min(size, count)]
      # Rows that are not used are empty texts.
      windows = encode_windows(
          tokenizer, [texts[one] for one in part] + [''] * (size - len(part)),
          min(length, self.room))
      vectors = np.asarray(self._program(self._run.params, windows))
      if not found.shape[1]:
        found = np.zeros((len(texts), vectors.shape[1]), np.float32)
      found[part] = vectors[:len(part)]
      done += len(part)
      show(done)
    return found

  def _pooled(self, params, windows):
    objective = self._run.objective
    if self._layer == -1:
      states, mask = objective.features(params, windows)
    else:
      depths, mask = objective.all_features(params, windows)
      if not -len(depths) <= self._layer < len(depths):
        raise ConfigError(f'--layer={self._layer}: there are 0 to '
                          f'{len(depths) - 1}')
      states = depths[self._layer]
    states = states.astype(jnp.float32)
    if self._encoder.pooling == 'cls':
      vectors = states[:, 0]
    else:
      weights = mask[..., None].astype(jnp.float32)
      vectors = jnp.sum(states * weights, 1) / jnp.maximum(
          jnp.sum(weights, 1), 1)
    if self._encoder.normalised:
      vectors /= jnp.maximum(
          jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return vectors


def word_vectors(run, words):
  """Static vectors of words: the mean of their tokens' rows in the trunk's
  table of embeddings, of a word behind a space.

  Returns:
    float32 `[words, width]`.
  """
  table = np.asarray(meta.unbox(run.params['trunk'])['token_embedding'][
      'embedding'], np.float32)
  return np.stack([table[run.tokenizer.encode(f' {word}')].mean(0)
                   for word in words])
