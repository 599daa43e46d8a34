"""word2vec: a word tells its neighbours from words drawn at random, or its
neighbours tell it.

References: Mikolov et al. 2013, arXiv:1301.3781, section 3, and
arXiv:1310.4546, sections 2.2 and 2.3.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks, losses
from ptm_jax.data.annotations import word_frequency
from ptm_jax.errors import ConfigError
from ptm_jax.models.table import Contexts
from ptm_jax.objectives import base, word_table
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(word_table.WordTable):
  """Skip-gram or CBOW with negative sampling, on the words of a window.

  A frequent word is dropped, with chance 1 - sqrt(subsample / f) for a
  frequency of f, before neighbours are looked for. A word's neighbours are
  those of its document at most so many words away, a number drawn from 1 ...
  `window`. Each pair (each word, in CBOW) is told from `negatives` others.
  The loss is nats per decision; its factor makes it nats per pair.

  Deviations: a word's vector is the sum of its pieces' vectors, in both tables.
  Negatives are drawn from the words of `group` neighbouring windows, each
  weighted by f**-0.25, which is unigram**0.75 in the mean; one that is the
  right word counts for nothing. The trunk is the table of words, and its
  vectors begin at the model's `init_scale`.

  Attributes:
    architecture: 'skip_gram' or 'cbow' (the mean of the neighbours).
    window: words on either side, at most.
    negatives: words drawn for each decision.
    subsample: frequency up to which no word is dropped; 1 drops none. The
      default is the released code's; the paper has 1e-5 for a billion words.
    group: neighbouring windows whose words are drawn; it divides every number
      of examples that are computed at once.
  """

  architecture: str = 'skip_gram'
  window: int = 5
  negatives: int = 5
  subsample: float = 1e-3
  group: int = 8

  traced = ('subsample',)
  span_fields = ('window',)

  def validate(self):
    checks.choices(self, 'objective',
                   {'architecture': ('skip_gram', 'cbow')})
    checks.positive(self, 'objective', 'window', 'negatives', 'group')
    if not 0 < self.subsample <= 1:
      raise ConfigError(f'objective.subsample={self.subsample} must lie in '
                        '(0, 1]; 1 drops no word')

  def raw_fields(self):
    return {'frequency': word_frequency.Annotator()}

  @property
  def group_size(self):
    return self.group

  def make_numbers(self):
    return {'subsample': np.float32(self.subsample)}

  def coefficients(self):
    return {self.architecture: 1.0 + self.negatives}

  def networks(self):
    return {'trunk': (self.trunk(), (base.empty_stack(self.raw_length),)),
            'contexts': (self._contexts(), (jnp.zeros((1, 1), jnp.int32),))}

  def _contexts(self):
    return Contexts(self.model, self.vocabulary.size)

  # --- which pairs ----------------------------------------------------------

  def noise(self, key, arranged):
    tokens, segments = arranged['tokens'], arranged['segment_ids']
    length = tokens.shape[0]
    words, first, exists = word_table.words_of(arranged)
    frequency = jnp.exp2(-arranged['frequency'][first].astype(jnp.float32)
                         / word_frequency.STEP)
    kept = exists & (jax.random.uniform(stream(key, 'drop'), (length,))
                     < jnp.sqrt(self.number('subsample') / frequency))
    order = jnp.cumsum(kept) - 1
    places = jnp.nonzero(kept, size=length, fill_value=length)[0]
    reach = jax.random.randint(stream(key, 'reach'), (length,), 1,
                               self.window + 1)
    steps = jnp.concatenate([jnp.arange(-self.window, 0),
                             jnp.arange(1, self.window + 1)])[None]
    there = order[:, None] + steps
    inside = (there >= 0) & (there < jnp.sum(kept))
    neighbours = places[jnp.clip(there, 0, length - 1)]
    return {
        'inputs': tokens, 'segment_ids': segments,
        'positions': arranged['positions'],
        'words': words, 'first': first,
        'rarity': jnp.where(exists, frequency**-0.25, 0.0),
        'neighbours': jnp.minimum(neighbours, length - 1).astype(jnp.int32),
        'weights': (kept[:, None] & inside
                    & (jnp.abs(steps) <= reach[:, None])).astype(jnp.float32),
        'noise': (segments > 0) & ~kept[jnp.minimum(words, length - 1)],
    }

  def _pairs(self, batch):
    """float32 `[batch, words, neighbours]`, 1 where there is a pair, which
    lies within a document."""
    segments = base.at(batch['segment_ids'], batch['first'])
    others = jax.vmap(lambda row, index: row[index])(
        segments, batch['neighbours'])
    return batch['weights'] * (others == segments[..., None])

  # --- told from others -----------------------------------------------------

  def loss(self, keys, params, batch):
    vectors = word_table.sums(self.trunk().apply(
        {'params': params['trunk']}, base.stack_of(batch), keys),
                    batch['words'])
    others = word_table.sums(self._contexts().apply(
        {'params': params['contexts']}, batch['inputs']), batch['words'])
    pairs = self._pairs(batch)
    right, weights = batch['neighbours'], pairs
    if self.architecture == 'cbow':
      total = jnp.maximum(jnp.sum(pairs, -1, keepdims=True), 1)
      near = jax.vmap(lambda row, index: row[index])(
          vectors, batch['neighbours'])
      vectors = jnp.sum(near * (pairs / total)[..., None].astype(near.dtype),
                        2)
      length = right.shape[1]
      right = jnp.broadcast_to(jnp.arange(length)[None, :, None],
                               (*right.shape[:2], 1))
      weights = jnp.max(pairs, -1, keepdims=True)
    logits, same = self._decisions(vectors, others, right, batch)
    labels = jnp.zeros(logits.shape, jnp.int32).at[..., 0].set(1)
    weights = weights[..., None] * (1.0 - same)
    def flat(x):
      return x.reshape(x.shape[0], -1)
    return {self.architecture: losses.binary_cross_entropy(
        flat(logits), flat(labels), flat(weights))}

  def _decisions(self, vectors, others, right, batch):
    """Scores of the right word and of the negatives, `[batch, words, n, 1 +
    negatives]`, and where a negative is the right word."""
    examples, length, width = vectors.shape
    if examples % self.group:
      raise ConfigError(
          f'{examples} examples at once are no multiple of objective.group='
          f'{self.group}: change data.batch_size, compute.micro_batches or '
          'the number of devices')
    def grouped(x):
      return x.reshape(-1, self.group * length, *x.shape[2:])
    scores = jnp.einsum(
        'gqw,gkw->gqk', grouped(vectors), grouped(others),
        preferred_element_type=jnp.float32).reshape(
            examples, length, self.group * length)
    def whole(x):  # what a group has, for each of its examples
      return jnp.repeat(grouped(x), self.group, 0)
    chances = jnp.cumsum(whole(batch['rarity']), -1)
    draws = jax.vmap(lambda key: jax.random.uniform(
        key, (*right.shape[1:], self.negatives)))(
            stream(batch['key'], 'negatives'))
    drawn = jax.vmap(jnp.searchsorted)(
        chances, draws * chances[:, -1, None, None, None])
    drawn = jnp.minimum(drawn, self.group * length - 1)
    # Where an example's own words stand among those of its group.
    own = (jnp.arange(examples) % self.group * length)[:, None, None]
    asked = jnp.concatenate([(right + own)[..., None], drawn], -1)
    named = whole(_names(batch))
    content = jax.vmap(lambda row, index: row[index])(named, asked)
    picked = jnp.take_along_axis(
        scores, asked.reshape(examples, length, -1), 2).reshape(asked.shape)
    return picked, (content == content[..., :1]).at[..., 0].set(False)

  def visibility(self, batch):
    words = batch['words'][:, None]
    index = jnp.arange(words.shape[2])[None, :, None]
    if self.architecture == 'skip_gram':
      seen, each = words == index, batch['neighbours'].shape[2]
    else:
      near = (batch['neighbours'][..., None] == words[:, :, None]) & (
          self._pairs(batch)[..., None] > 0)
      seen, each = jnp.any(near, 2), 1
    return {self.architecture: {'inputs': jnp.repeat(
        seen, each * (1 + self.negatives), 1)}}

  def exempt(self, batch):
    return {self.architecture: None}  # it is asked of words that it is shown


def _names(batch):
  """A hash of each word's ids, uint32 `[batch, words]`."""
  words = batch['words']
  first = jnp.take_along_axis(
      batch['first'], jnp.minimum(words, words.shape[1] - 1), 1)
  place = (jnp.arange(words.shape[1])[None] - first).astype(jnp.uint32)
  mixed = (batch['inputs'].astype(jnp.uint32) + 1) * jnp.uint32(2654435761)
  mixed = (mixed ^ (mixed >> 15)) * (2 * place + 1)
  return word_table.sums(mixed[..., None], words)[..., 0]
