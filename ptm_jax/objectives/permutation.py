"""Permutation language modelling: predict hidden tokens in a random order,
each from the text that is left and from those before it.

Reference: Yang et al. 2019, arXiv:1906.08237, sections 2.2 to 2.4, and its
released code for which tokens are predicted.
"""

import copy
import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks, losses
from ptm_jax.models import memory
from ptm_jax.models.heads import LMHead
from ptm_jax.objectives import (arrange, base, ideal, masked, noise, segments,
                                units, ways)
from ptm_jax.rng import stream


@dataclasses.dataclass
class Ordered(masked.Cloze):
  """What both objectives share that predict in an order, with two streams.

  A row of content knows its own token, a query only its place; both read the
  content. Everything follows from each token's `rank`: 0 for context, 1, 2 ...
  for predicted tokens in their order.

  A segment's queries stand behind its content, so with memory the next
  segment's content comes behind them.

  Where types of tokens are compared, each `[SEP]` ends one, and a query is of
  the type of its token.
  """

  forms = ('two_stream',)
  before = 1  # special tokens in front of the text
  compensated = False  # whether content also holds masks, at hidden places

  @property
  def content_length(self):
    """Tokens of a segment, special ones counted."""
    return (self.raw_length + 2) // self.num_segments

  def num_positions(self):
    return self.raw_length + 2

  def lengths(self):
    copies = 2 if self.compensated else 1
    return {'inputs': self.raw_length + 2 + (
        copies * self.num_segments * self.sizes['predictions'])}

  def make_sizes(self):
    return {'predictions': int(self.make_numbers()['num_predictions'].max())}

  def coefficients(self):
    return {'plm': 1.0}

  def arrange(self, key, window):
    arranged = self.surround(window)
    return {**arranged, 'types': arrange.part_numbers(
        arranged['tokens'], arranged['segment_ids'], self.vocabulary.sep_id)}

  def surround(self, window):
    """The window with special tokens, as of `arrange.surround`."""
    return arrange.surround(
        window, self.vocabulary.cls_id, self.vocabulary.sep_id)

  def example(self, arranged, hidden, rank, masks):
    """A training example.

    Args:
      arranged: an arranged example.
      hidden: bool `[length]`, the tokens that are predicted.
      rank: int32 `[length]`, as the class says.
      masks: int32 `[length]`, what is shown in the place of a token.

    Returns:
      As `noise`; `targets`, `weights` and `predicted` are `[predictions]`.
    """
    predicted = noise.first_places(hidden, self.sizes['predictions'])
    copies = 2 if self.compensated else 1

    def rows(content, others):
      return jnp.concatenate([content, *[others[predicted]] * copies])

    types = {}
    if self.model.relative_types:
      types['token_types'] = rows(*[arranged['types']] * 2)
    return {
        **types,
        'inputs': rows(arranged['tokens'], masks),
        'segment_ids': rows(*[arranged['segment_ids']] * 2),
        'positions': rows(*[arranged['positions']] * 2),
        'rank': rank,
        'predicted': predicted,
        'targets': arranged['tokens'][predicted],
        'weights': hidden[predicted].astype(jnp.float32),
        'noise': hidden,
    }

  def seen(self, batch):
    """What each row may see of its own segment's content, bool `[batch *
    segments, rows, content]`.

    The query of a token sees what a content row of the rank before it sees:
    the tokens up to that rank and, if there are any, the masks behind it.
    """
    rank, own = (memory.cut(ranks, self.num_segments) for ranks in (
        batch['rank'], base.at(batch['rank'], batch['predicted'])))
    rows = [rank, own - 1]
    if self.compensated:
      rows.insert(1, jnp.zeros_like(own))
    rows = jnp.concatenate(rows, 1)[:, :, None]
    seen = rank[:, None] <= rows
    if self.compensated:
      seen = jnp.concatenate([seen, own[:, None] > rows], 2)
    return seen

  def stack(self, batch):
    return dict(super().stack(batch), visibility=memory.join(
        self.seen(batch), self.num_segments))

  def queries(self, values):
    """The values of the queries, of `[batch, rows, ...]`."""
    own = memory.cut(values, self.num_segments)
    return memory.join(own[:, -self.sizes['predictions']:], self.num_segments)

  def content(self, values):
    """The values of the text's own rows, of `[batch, rows, ...]`."""
    own = memory.cut(values, self.num_segments)
    return memory.join(own[:, :self.content_length], self.num_segments)

  def score(self, params, hidden, batch):
    queries = self.queries(hidden)
    return {'plm': losses.cross_entropy(
        *base.apply_head(self._head(), params, queries, self.model),
        batch['targets'], batch['weights'])}

  def ways(self):
    return {'any_order': ways.Way(
        'likelihood', 'log-likelihood by the chain rule, mean over four fixed '
        'random orders', ways.orders(), self._asked, self._all_lost)}

  def _asked(self, window, rank, factor):
    rank = jnp.pad(rank, (self.before, 2 - self.before))
    example = self._predicting_all(factor.size).example(
        self.arrange(None, window), rank > 0, rank,
        jnp.full(rank.shape, self.vocabulary.mask_id, jnp.int32))
    return example, {'plm': example['predicted'] - self.before}

  def _all_lost(self, params, batch):
    all_ = self._predicting_all(batch['predicted'].shape[1])
    return all_.loss(None, params, batch)

  def _predicting_all(self, length):
    """Itself for one segment of another length, all of it predicted."""
    sized = copy.copy(self)
    sized.raw_length, sized.num_segments = length, 1
    sized.sizes = {'predictions': length}
    return sized

  def visibility(self, batch):
    documents, count = batch['segment_ids'], self.sizes['predictions']
    content = self.seen(batch)[:, -count:]
    if self.compensated:
      # Context reads all masks, and every query reads context.
      own = base.at(batch['rank'], batch['predicted'])
      content = content | jnp.pad(
          own > 0, ((0, 0), (batch['rank'].shape[1], 0)))[:, None]
    itself = jnp.broadcast_to(jnp.eye(count, dtype=bool),
                              (content.shape[0], count, count))
    seen = memory.reach(jnp.concatenate([content, itself], 2),
                        self.num_segments, content.shape[2], self.model.depth)
    return {'plm': {'inputs': seen & base.same_segment(
        self.queries(documents), documents)}}

  def floor(self, law, batch):
    if law.word_starts is not None and not self.compensated:
      return {}  # spans of whole words tell where these begin
    length = self.content_length
    own = self.seen(batch)[:, -self.sizes['predictions']:, :length]
    seen = memory.reach(own, self.num_segments, length, self.model.depth)
    return {'plm': ideal.from_seen(
        law, self.vocabulary, self.content(batch['inputs']),
        self.content(batch['segment_ids']), np.asarray(seen),
        batch['predicted'])}


@dataclasses.dataclass
class Objective(segments.Segmented, Ordered):
  """Permutation LM (XLNet) on `[CLS] text [SEP]`.

  The query vector is the embedding of `[MASK]`, which no other row shows,
  or with `model.query_embedding` one of its own. Special tokens are context.
  Tokens of a block come before those of the next
  and in random order within it; unlike the released code, a first block's
  content sees the context of all blocks.

  With several segments, each has its own predictions, of which `rate` counts,
  and its own order; both streams read the content of the segment before. The
  released code's segments overlap, these do not.

  Attributes:
    rate: fraction of the tokens, special ones counted, that is predicted;
      rounded down, at least 1.
    max_span: most tokens in a span; n has a chance proportional to 1 / n.
    context: tokens around each token of a span, see `units.contexts`.
    block: tokens whose order is drawn together, within a segment.
    closing: whether both special tokens stand behind the text, `text [SEP]
      [CLS]`, as in the released code.
  """

  rate: float = 1 / 6
  max_span: int = 5
  context: int = 6
  block: int = 256
  closing: bool = False

  special_tokens = 2
  traced = ('rate',)
  span_fields = ('max_span',)

  def validate(self):
    super().validate()
    checks.fraction(self, 'objective', 'rate', open_low=True)
    checks.positive(self, 'objective', 'max_span', 'context', 'block')

  @property
  def before(self):
    return 0 if self.closing else 1

  def surround(self, window):
    if not self.closing:
      return super().surround(window)
    return arrange.closed(
        window, self.vocabulary.sep_id, self.vocabulary.cls_id)

  def make_numbers(self):
    return {'num_predictions': masked.count_table(
        self.rate, self.content_length - 2, count=_count)}

  def _head(self):
    return LMHead(self.model, self.vocabulary.size, transform=False, bias=True)

  def noise(self, key, arranged):
    example = self.in_segments(self._noise, key, arranged)
    # Places count from the window's start.
    starts = np.arange(self.num_segments) * self.content_length
    return dict(example, predicted=example['predicted'] + np.repeat(
        starts.astype(np.int32), self.sizes['predictions']))

  def _noise(self, key, arranged):
    """As `noise`, of one segment."""
    total = jnp.sum(arranged['segment_ids'] > 0)
    hidden = units.contexts(
        stream(key, 'positions'), units.word_starts(arranged),
        arranged['candidates'], self.number('num_predictions')[total],
        np.asarray(units.ngram_law(self.max_span)), self.context)
    rank = draw_ranks(stream(key, 'order'), hidden, self.block)
    return self.example(arranged, hidden, rank, jnp.full(
        hidden.shape, self.vocabulary.mask_id, jnp.int32))


def _count(rate, length):
  return max(1, math.floor(rate * length + 1e-9))


def draw_ranks(key, hidden, block):
  """A random order of the hidden tokens, block after block.

  Returns:
    int32 `[length]`: 1, 2 ... for hidden tokens, 0 for the others.
  """
  length = hidden.shape[0]
  draws = jax.random.uniform(key, hidden.shape)
  draws = jnp.where(hidden, draws + jnp.arange(length) // block, length)
  order = jnp.zeros((length,), jnp.int32).at[jnp.argsort(draws)].set(
      jnp.arange(1, length + 1, dtype=jnp.int32))
  return jnp.where(hidden, order, 0)
