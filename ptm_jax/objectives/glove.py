"""GloVe: a word's vector and another's give the logarithm of how often the two
stand near each other.

Reference: Pennington et al. 2014, https://aclanthology.org/D14-1162, section
3, and its released code.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ptm_jax import checks, losses
from ptm_jax.data.annotations import cooccurrence
from ptm_jax.errors import ConfigError
from ptm_jax.models.table import Contexts, Pair
from ptm_jax.objectives import base, word_table


@dataclasses.dataclass
class Objective(word_table.WordTable):
  """Weighted least squares on the co-occurrence counts X of the train split.

  The loss is the sum over cells of f(X) (w . w' + b + b' - ln X)**2, with f =
  min(1, (X / x_max)**power). Two words that stand d words apart in a document
  add 1 / d to X, in both orders. The trunk gives w + w'.

  Deviations: cells are met where their words stand. A pair of a window weighs
  f(X) / (X d) in both orders, so that a pass over the text adds every cell
  with weight f(X), as a pass over the cells does. Held-out text is scored on
  the train split's X, and a pair that this lacks is left out. ln X is kept in
  steps of ln 2 / 8. A word's vector and bias are the sums of its pieces', and
  one that an edge of the window cuts has the pieces that are left. Vectors
  begin at the model's `init_scale`, biases at 0. The mean is over the weights,
  so tokens with loss are counted in them.

  Attributes:
    window: words on either side, at most.
    x_max: count from which on all cells weigh the same.
    power: of the weight below.
  """

  window: int = 10
  x_max: float = 100.0
  power: float = 0.75

  span_fields = ('window',)

  def validate(self):
    checks.positive(self, 'objective', 'window', 'x_max')
    if not 0 <= self.power <= 1:
      raise ConfigError(f'objective.power={self.power} must lie in [0, 1]')

  def raw_fields(self):
    return {f'cooccurrence_{distance}': cooccurrence.Annotator(
        self.window, distance) for distance in self._distances()}

  def _distances(self):
    return range(1, self.window + 1)

  def coefficients(self):
    return {'glove': 1.0}

  def trunk(self):
    return Pair(self.model, self.vocabulary.size)

  def _biases(self):
    return Contexts(dataclasses.replace(self.model, width=2),
                    self.vocabulary.size)

  def networks(self):
    return {'trunk': (self.trunk(), (base.empty_stack(self.raw_length),)),
            'biases': (self._biases(), (jnp.zeros((1, 1), jnp.int32),))}

  def noise(self, key, arranged):
    del key
    words, first, exists = word_table.words_of(arranged)
    numbers = jnp.stack([arranged[name][first]
                         for name in self.raw_fields()], -1)
    # The d-th next word is there as well.
    after = jnp.stack([jnp.roll(exists, -distance).at[-distance:].set(False)
                       for distance in self._distances()], -1)
    there = exists[:, None] & after & (numbers > 0)
    return {'inputs': arranged['tokens'],
            'segment_ids': arranged['segment_ids'],
            'positions': arranged['positions'], 'words': words, 'first': first,
            'numbers': numbers.astype(jnp.int32),
            'weights': there.astype(jnp.float32),
            'noise': jnp.zeros(words.shape, bool)}

  def _weights(self, batch):
    """float32 `[batch, words, window]`, of pairs within a document."""
    segments = base.at(batch['segment_ids'], batch['first'])
    same = jnp.stack([jnp.roll(segments, -distance, 1) == segments
                      for distance in self._distances()], -1)
    log_x = cooccurrence.log_count(batch['numbers'])
    weighed = jnp.minimum(0.0, self.power * (log_x - np.log(self.x_max)))
    distances = jnp.arange(1, self.window + 1)[None, None]
    return batch['weights'] * same * jnp.exp(weighed - log_x) / distances

  def loss(self, keys, params, batch):
    vectors = self.trunk().apply(
        {'params': params['trunk']}, base.stack_of(batch), method='both')
    biases = self._biases().apply(
        {'params': params['biases']}, batch['inputs'])
    own, other, biases = (word_table.sums(one, batch['words'])
                          .astype(jnp.float32) for one in (*vectors, biases))

    def score(one, two, distance):
      """Of a word in one role and the word so far behind it in the other."""
      two = [jnp.roll(part, -distance, 1) for part in two]
      return jnp.einsum('blw,blw->bl', one[0], two[0]) + one[1] + two[1]

    word, context = (own, biases[..., 0]), (other, biases[..., 1])
    found = jnp.stack([jnp.stack([score(word, context, distance),
                                  score(context, word, distance)], -1)
                       for distance in self._distances()], 2)
    def flat(x):  # both orders of a pair, side by side
      return jnp.broadcast_to(x[..., None], found.shape).reshape(
          found.shape[0], -1)
    error = found.reshape(found.shape[0], -1) - flat(
        cooccurrence.log_count(batch['numbers']))
    weights = flat(self._weights(batch))
    # A hit is a count within a factor of two.
    return {'glove': losses.Term(
        jnp.sum(weights * error**2), jnp.sum(weights), error**2,
        jnp.abs(error) < np.log(2), flat(batch['numbers']), weights)}

  def constant(self, term, counts):
    # A target's place says its ln X: the best constant is their mean.
    values = cooccurrence.log_count(np.arange(len(counts)))
    mean = np.sum(counts * values) / np.sum(counts)
    return float(np.sum(counts * (values - mean)**2) / np.sum(counts))

  def visibility(self, batch):
    words = batch['words'][:, None, None]
    index = jnp.arange(words.shape[-1])[None, :, None, None]
    others = index + jnp.arange(1, self.window + 1)[None, None, :, None]
    seen = (words == index) | (words == others)
    seen &= self._weights(batch)[..., None] > 0  # of another document, nothing
    return {'glove': {'inputs': jnp.repeat(seen.reshape(
        seen.shape[0], -1, seen.shape[-1]), 2, 1)}}

  def exempt(self, batch):
    return {'glove': None}  # a count is no token of the text
