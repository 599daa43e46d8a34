"""What objectives share that cut a document into runs of sentences, show some
of them as `[CLS] A [SEP] B [SEP]`, and ask one question about the whole.

A window gives its longest document; the packing 'document' loses nothing.
Everything works on one example with fixed shapes.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import losses
from ptm_jax.data.flags import SENTENCE_START
from ptm_jax.models.heads import PooledClassifier
from ptm_jax.objectives import arrange, base, ideal, noise


@dataclasses.dataclass
class SentenceLevel(base.BaseObjective):
  """A question about a text of several parts, answered from `[CLS]`.

  Class attributes that an objective sets:
    term: of the loss.
    num_parts: most parts that are shown.
  """

  forms = ('encoder',)
  needs_sentences = True
  arranges, changes = True, False
  term: ClassVar[str] = ''
  num_parts: ClassVar[int] = 2

  def num_classes(self):
    """Answers that there are."""
    return 2

  def compose(self, key, window):
    """What is shown, and what is asked.

    Returns:
      A list of parts in the order shown, each `(text, chosen)`, as `joined`
      takes them; the label, int32; whether there is a question at all, bool.
    """
    raise NotImplementedError

  def origins(self):
    """Where the parts are from, under each label, for the floor.

    Returns:
      A list of pairs: the places of the parts in the order in which they
      stood in one document, and where the second was instead: 'apart', in
      another document, 'behind', at the end with text in between, or None.
    """
    raise NotImplementedError

  def lengths(self):
    return {'inputs': self.raw_length + 1 + self.num_parts}

  def coefficients(self):
    return {self.term: 1.0}

  def arrange(self, key, window):
    parts, label, asked = self.compose(key, window)
    return {**joined(parts, self.lengths()['inputs'], self.vocabulary),
            'label': label[None].astype(jnp.int32),
            'total': jnp.sum(arrange.longest_document(window['segment_ids']))[
                None],
            'asked': asked[None].astype(jnp.float32)}

  def noise(self, key, arranged):
    del key
    return {'inputs': arranged['tokens'],
            'noise': jnp.zeros(arranged['tokens'].shape, bool),
            'weights': arranged['asked'],
            **{name: arranged[name] for name in (
                'segment_ids', 'positions', 'token_types', 'label', 'asked',
                'total')}}

  def networks(self):
    length = self.lengths()['inputs']
    return {'trunk': (self.trunk(), (base.empty_stack(length),)),
            'sentence_head': (self._classifier(),
                              (jnp.zeros((1, 1, self.model.width)),))}

  def _classifier(self):
    return PooledClassifier(self.model, self.num_classes())

  def score(self, params, hidden, batch):
    logits = self._classifier().apply(
        {'params': params['sentence_head']}, hidden)
    return {self.term: losses.class_cross_entropy(
        logits[:, None], batch['label'], batch['asked'])}

  def visibility(self, batch):
    return {self.term: {'inputs': batch['segment_ids'][:, None] > 0}}

  def exempt(self, batch):
    return {self.term: None}  # the label is no token of the text

  def floor(self, law, batch):
    # Sentences of one length are cut anywhere alike, so the cuts say nothing
    # of the label; labels with as many parts are equally likely. Documents
    # are equally long, so a part of another may stand at any sentence that
    # leaves it its length.
    if not law.sentence_length:
      return {}
    shown = ideal.symbols(self.vocabulary, batch['inputs'])
    separators = np.asarray(batch['inputs']) == self.vocabulary.sep_id
    part = np.where(shown >= 0, np.cumsum(separators, 1), -1)
    count = separators.sum(1)
    scores = np.full((len(shown), self.num_classes()), -np.inf)
    total = np.asarray(batch['total'])[:, 0]
    for label, (order, where) in enumerate(self.origins()):
      rank = np.argsort(order)[np.clip(part, 0, len(order) - 1)]
      places = np.argsort(np.where(shown < 0, len(order), rank), 1,
                          kind='stable')
      text, rank = ideal.at(shown, places), ideal.at(rank, places)
      chance = (_of_two(law, text, rank, total) if where == 'apart' else
                _with_a_gap(law, text, rank, total) if where == 'behind' else
                law.log_likelihood(text))
      scores[:, label] = np.where(count == len(order), chance, -np.inf)
    scores[count == 0] = 0  # padding
    chances = np.exp(scores - scores.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    return {self.term: ideal.Ideal(chances[:, None],
                                   np.asarray(batch['label'], np.int64))}

  def read(self, window):
    # A text is read as the first part, as in fine-tuning.
    arranged = arrange.surround(
        window, self.vocabulary.cls_id, self.vocabulary.sep_id)
    return {'inputs': arranged['tokens'],
            'segment_ids': arranged['segment_ids'],
            'positions': arranged['positions']}


def _of_two(law, text, part, total):
  """ln p of parts 0 and 1 of texts, the second from another document.

  Args:
    law: of the source.
    text: int `[batch, length]`, -1 where it is over.
    part: int `[batch, length]`.
    total: int `[batch]`, tokens of a document.
  """
  first = law.log_likelihood(np.where(part == 0, text, -1))
  # Where the first part stood there is other text, or less or more of it.
  before = np.sum((part == 0) & (text >= 0), 1)
  room = total - np.sum((part == 1) & (text >= 0), 1)
  chances = [np.where(skipped <= room, law.log_likelihood(
      _moved(text, part, skipped - before)), -np.inf)
             for skipped in range(0, text.shape[1], law.sentence_length)]
  return first + np.logaddexp.reduce(chances) - np.log(
      1 + room // law.sentence_length)


def _with_a_gap(law, text, part, total):
  """As `_of_two`, the second part at the end of the same document, with text
  between the two."""
  gap = total - np.sum(text >= 0, 1)
  apart = np.maximum(np.where(part == 0, text, -1), _moved(text, part, gap))
  return np.where(gap > 0, law.log_likelihood(apart), -np.inf)


def _moved(text, part, by):
  """Part 1 of texts alone, `by [batch]` places to the right."""
  index = np.arange(text.shape[1]) - by[:, None]
  inside = (index >= 0) & (index < text.shape[1])
  return np.where(inside, ideal.at(
      np.where(part == 1, text, -1), np.where(inside, index, 0)), -1)


def cut(key, window, count, whole=False):
  """Cuts the longest document of a window between sentences.

  Args:
    key: this example's key; used up.
    window: one raw window.
    count: int32, parts wanted. May be traced.
    whole: leaves out what the window's edges may have left of a sentence, if
      two others remain; else nothing is cut. Static.

  Returns:
    int32 `[length]`, the part of each token from 0, all cuts equally likely,
    and -1 outside; int32, how many parts there are, fewer than wanted where
    there are fewer sentences.
  """
  inside = arrange.longest_document(window['segment_ids'])
  starts = inside & (window['flags'] & SENTENCE_START > 0)
  if whole:
    number = jnp.cumsum(starts)
    # Where the document goes on to the edge, its last sentence may do so too.
    last = number[-1] - inside[-1].astype(number.dtype)
    kept = inside & (number > 0) & (number <= last)
    inside = jnp.where(last > 1, kept, inside)
    starts = starts & kept & (last > 1)
  first = jnp.cumsum(inside) == 1
  starts = starts & ~first
  wanted = jnp.minimum(count - 1, jnp.sum(starts))
  chosen, _ = noise.distinct_positions(key, starts, wanted, 0)
  return jnp.where(inside, jnp.cumsum(chosen), -1), wanted + 1


def halves(key, window):
  """As `cut` into two, for those who need a first part: what has one sentence
  is cut down to half a window and has no second part.

  Returns:
    int32 `[length]`, 0 and 1, and -1 outside; bool, whether there is a second
    part; int32, tokens that the second part has or may have.
  """
  part, count = cut(key, window, 2)
  length = part.shape[0]
  single = count < 2
  kept = jnp.cumsum(part >= 0) <= (length + 1) // 2
  part = jnp.where(single & ~kept, -1, part)
  room = jnp.where(single, length - jnp.sum(part == 0), jnp.sum(part == 1))
  return part, ~single, room


def partner(key, window, room):
  """Sentences of the window's partner.

  They start with a sentence, drawn among those that have `room` tokens from
  there on, or with the text.

  Returns:
    The text and which of it is chosen, at most `room` tokens, as `joined`
    takes them.
  """
  text = {name.removeprefix('partner_'): jnp.asarray(value)
          for name, value in window.items() if name.startswith('partner_')}
  segments = text['segment_ids']
  index = jnp.arange(segments.shape[0])
  total = jnp.sum(segments > 0)
  # Text does not go on behind the end of a packed document.
  same = base.same_segment(segments, segments)
  end = 1 + jnp.max(jnp.where(same, index, -1), 1)
  starts = (text['flags'] & SENTENCE_START > 0) & (end - index >= room)
  draws = jnp.where(starts, jax.random.uniform(key, segments.shape), -1.0)
  start = jnp.where(jnp.any(starts), jnp.argmax(draws), 0)
  chosen = (index >= start) & (index < start + room) & (index < total) & (
      segments == segments[start])
  return text, chosen


def either(condition, one, other):
  """One of two parts, by a traced condition."""
  return jax.tree.map(lambda a, b: jnp.where(condition, a, b),
                      (text_of(one[0]), one[1]), (text_of(other[0]), other[1]))


def text_of(window):
  """The fields that go with the tokens of a text."""
  return {'tokens': window['tokens'], **arrange.planes(window)}


def joined(parts, size, vocabulary):
  """`[CLS]`, then each part that is not empty with a `[SEP]` behind it.

  Args:
    parts: pairs of a text (`tokens` and planes, each `[length]`) and bool
      `[length]`, which of it is shown.
    size: static; tokens of the result, the rest is padding.
    vocabulary: gives the two ids.

  Returns:
    dict of `[size]` arrays as `BaseObjective.arrange` says, with
    `token_types`: 0 up to the first `[SEP]`, then 1.
  """
  fields = text_of(parts[0][0])
  result = {name: jnp.zeros((size,), value.dtype)
            for name, value in fields.items()}
  result['tokens'] = result['tokens'].at[0].set(vocabulary.cls_id)
  result['candidates'] = jnp.zeros((size,), bool)
  types = jnp.zeros((size,), jnp.int32)
  end = jnp.int32(1)
  for number, (text, chosen) in enumerate(parts):
    place = jnp.where(chosen, end + jnp.cumsum(chosen) - 1, size)
    for name, value in text_of(text).items():
      result[name] = result[name].at[place].set(value, mode='drop')
    result['candidates'] = result['candidates'].at[place].set(
        True, mode='drop')
    before, end = end, end + jnp.sum(chosen)
    there = end > before
    result['tokens'] = result['tokens'].at[jnp.where(there, end, size)].set(
        vocabulary.sep_id, mode='drop')
    end = end + there
    if number:
      types = jnp.where(jnp.arange(size) >= before, 1, types)
  real = (jnp.arange(size) < end).astype(jnp.int32)
  return {**result, 'segment_ids': real, 'token_types': types * real,
          'positions': jnp.arange(size, dtype=jnp.int32) * real}
