"""Blank infilling: spans are masked and written one after the other, in a
random order, behind the text that lacks them.

Reference: Du et al. 2022, arXiv:2103.10360, section 2.1, and the laws of its
released code.
"""

import copy
import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import (arrange, blanks, hidden_lengths, ideal, noise,
                                sequence_to_sequence, units)
from ptm_jax.rng import stream

UNITS = ('span', 'sentence', 'document')
_LONGEST = 16  # tokens in a span; of mean 3 one in 40 million is longer


@dataclasses.dataclass
class Objective(sequence_to_sequence.Rewriting):
  """Autoregressive blank infilling (GLM).

  Each span shows one mask in the text, part A. Part B has `<s>` and the span
  for each of them, and predicts the span and `</s>`. It sees part A and what
  is left of it in part B. A token has two positions: in part A its place, and
  in part B that of its span's mask; and 0 in part A, 1, 2 ... within a span.

  As in the released code, spans are drawn until they reach their share of the
  text, and any two keep a token between them. Spans do not go on into the next
  packed document.

  Attributes:
    unit: what is hidden.
      'span': lengths of Poisson's law from 1 on; the mask is `[MASK]`.
      'sentence': whole sentences in random order, each behind the mask
        `[sMASK]`; those of more than twice the rate are never hidden.
      'document': one span at the end of the longest document, behind
        `[gMASK]`.
    rate: fraction of the tokens that spans or sentences reach.
    mean_span: of Poisson's law before zeros are left out.
    shortest: fraction of a document that its span has at least; all lengths
      from there to the whole are equally likely.
  """

  unit: str = 'span'
  rate: float = 0.15
  mean_span: float = 3.0
  shortest: float = 0.5

  forms = ('prefix',)
  reads = ()
  second_positions = True
  equal_windows = True
  traced = ('rate', 'mean_span', 'shortest')

  @property
  def needs_sentences(self):
    return self.unit == 'sentence'

  def validate(self):
    checks.choices(self, 'objective', {'unit': UNITS})
    checks.fraction(self, 'objective', 'rate', 'shortest', open_low=True)
    if not 0 < self.mean_span <= 8:
      raise ConfigError(f'objective.mean_span={self.mean_span} must lie in '
                        '(0, 8] tokens')

  def make_numbers(self):
    return {'count': sequence_to_sequence.counts(self.rate, self.raw_length),
            'most': np.int32(self._most()),
            'law': units.poisson_law(self.mean_span, 1, _LONGEST),
            'shortest': np.float32(self.shortest)}

  def make_sizes(self):
    count, most = int(self.make_numbers()['count'][-1]), self._most()
    # Spans, their tokens, and the tokens of one of them. Where so many spans
    # do not reach the count, the rest of it is left out.
    spans, tokens, block = {
        'span': (min(count, count // 2 + 8), count - 1 + _LONGEST, _LONGEST),
        'sentence': (most // 4 + 8, count - 1 + most, most),
        'document': (1, self.raw_length, self.raw_length)}[self.unit]
    return {'spans': spans, 'encoder': self.raw_length, 'block': block,
            'decoder': min(tokens, self.raw_length) + spans}

  def _most(self):
    """Tokens that a sentence may have."""
    return min(math.ceil(2 * self.rate * self.raw_length), self.raw_length)

  def num_positions(self):
    return max(self.raw_length, self.sizes['block'] + 2)

  def spans(self, key, arranged):
    """Where spans begin and their lengths, 0 for none, in the order of part
    B; each int32 `[spans]`."""
    if self.unit == 'document':
      document = arrange.longest_document(arranged['segment_ids'])
      total = jnp.sum(document)
      least = jnp.ceil(self.numbers['shortest'] * total).astype(jnp.int32)
      length = jax.random.randint(key, (), jnp.maximum(least, 1), total + 1)
      length = jnp.minimum(length, total)
      return (jnp.argmax(document) + total - length)[None], length[None]
    real = arranged['segment_ids'] > 0
    count = self.number('count')[jnp.sum(real)]
    if self.unit == 'sentence':
      return draw_sentences(key, units.sentence_starts(arranged), real, count,
                            self.numbers['most'], self.sizes['spans'])
    begins, lengths = draw_spans(key, jnp.sum(real), count,
                                 self.number('law'), self.sizes['spans'])
    # A span ends where its document ends.
    segment_ids = arranged['segment_ids']
    within = segment_ids[:, None] == segment_ids[None, :]
    index = jnp.arange(self.raw_length)
    end = 1 + jnp.max(jnp.where(within, index[None, :], 0), 1)
    lengths = jnp.minimum(lengths, end[begins] - begins)
    order = jnp.argsort(jnp.where(
        lengths > 0, jax.random.uniform(stream(key, 'order'), lengths.shape),
        2.0))
    return begins[order], lengths[order]

  def noise(self, key, arranged):
    return self._example(
        arranged, *self.spans(stream(key, 'spans'), arranged))

  def _example(self, arranged, begins, lengths):
    text, mask_places, hidden = self._text(arranged, begins, lengths)
    blocks = self._blocks(arranged, begins, lengths, mask_places)
    example = sequence_to_sequence.example(
        text, (blocks.pop('targets'), blocks.pop('segment_ids')), hidden,
        self.start_id)
    return {**example,
            'encoder_block_positions': jnp.zeros_like(text[1]),
            **{f'decoder_{name}': rows for name, rows in blocks.items()}}

  def _text(self, arranged, begins, lengths):
    """Part A, the place of each span's mask in it, and the hidden tokens."""
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    index = jnp.arange(self.raw_length)[:, None]
    there = (lengths > 0)[None, :]
    first = jnp.any((index == begins[None, :]) & there, 1)
    hidden = jnp.any((index >= begins[None, :])
                     & (index < (begins + lengths)[None, :]), 1)
    shows = (segment_ids > 0) & (~hidden | first)
    place = noise.first_places(shows, self.raw_length)
    inside = jnp.arange(self.raw_length) < jnp.sum(shows)
    shown, segments = (jnp.where(inside, values[place], 0) for values in (
        jnp.where(first, self._mask_id(), tokens), segment_ids))
    positions = arrange.restart_positions(segments)
    return (shown, segments), positions[
        (jnp.cumsum(shows) - 1)[begins]], hidden

  def _mask_id(self):
    # A published vocabulary may lack the others.
    if self.unit == 'span':
      return self.vocabulary.mask_id
    return self.vocabulary.mark_id(int(self.unit == 'document'))

  def ask(self, parts, filled):
    # What fills the first blanks stands behind the text, as in training.
    text = blanks.joined(parts, [self._mask_id()] * (len(parts) - 1))
    behind = {'inputs': [], 'positions': [], 'block_positions': []}
    place = -1
    for part, block in zip(parts, [*filled, []]):
      place += len(part) + 1
      behind['inputs'] += [self.start_id, *block]
      behind['positions'] += [place] * (1 + len(block))
      behind['block_positions'] += range(1, len(block) + 2)
    return blanks.Question(text, behind)

  def answer(self, parts, written):
    del parts
    return [written]

  def _blocks(self, arranged, begins, lengths, mask_places):
    """Part B, each field int32 `[decoder]`."""
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    sizes = jnp.where(lengths > 0, lengths + 1, 0)
    ends = jnp.cumsum(sizes)
    row = jnp.arange(self.sizes['decoder'])
    span = jnp.sum(row[:, None] >= ends[None, :], 1)
    there, span = row < ends[-1], jnp.minimum(span, lengths.shape[0] - 1)
    inner = row - (ends - sizes)[span]
    token = tokens[jnp.clip(begins[span, None] + inner[:, None]
                            + jnp.asarray([[-1, 0]]), 0, self.raw_length - 1)]
    rows = {
        'inputs': jnp.where(inner == 0, self.start_id, token[:, 0]),
        'targets': jnp.where(inner == lengths[span], self.vocabulary.eos_id,
                             token[:, 1]),
        'segment_ids': segment_ids[begins][span],
        'positions': mask_places[span],
        'block_positions': inner + 1}
    return {name: jnp.where(there, values, 0) for name, values in rows.items()}

  def floor(self, law, batch):
    if hidden_lengths.several_documents(batch['encoder_segment_ids']) or (
        self.unit == 'sentence'):  # of lengths that the text alone tells
      return {}
    asked = hidden_lengths.Questions(self.vocabulary, batch['targets'])
    shown, targets = (ideal.symbols(self.vocabulary, batch[name])
                      for name in ('encoder_inputs', 'targets'))
    real = np.asarray(batch['encoder_segment_ids']) > 0
    for row, symbols in enumerate(shown):
      masks = np.flatnonzero(real[row] & (symbols < 0))
      written = np.asarray(batch['weights'])[row] > 0
      spans = [[] for _ in masks]
      order = []
      for place, symbol in zip(
          np.asarray(batch['decoder_positions'])[row][written],
          targets[row][written], strict=True):
        gap = int(np.searchsorted(masks, place))
        if symbol >= 0:
          spans[gap].append(int(symbol))
        else:
          order.append(gap)
      if order:
        asked.add_spans(
            row, 0, hidden_lengths.pieces(symbols, real[row] & (symbols < 0)),
            [(gap, spans[gap]) for gap in order],
            self._lengths(spans, np.sum(real[row]) - len(masks)))
    return {'seq2seq': asked.answers(law)}

  def _lengths(self, spans, seen):
    """The weight of each length of each span in a text, `[spans, n]`."""
    hidden = sum(map(len, spans))
    if self.unit == 'document':
      return np.ones((1, hidden + 1))
    law = np.diff(np.asarray(self.numbers['law'], np.float64), prepend=0)
    weights = np.zeros((len(spans), hidden + 1 + law.size))
    weights[:, 1:1 + law.size] = law
    # The last one is drawn because those before do not reach the count.
    least = hidden - self.numbers['count'][seen + hidden] + 1
    weights[-1, :max(least, 0)] = 0
    return weights

  def ways(self):
    (way,) = super().ways().values()
    return {'target': way._replace(example=self._asked)}

  def _asked(self, window, rank, factor):
    del factor
    sized, length = copy.copy(self), rank.size
    sized.raw_length = length
    sized.sizes = {'spans': 1, 'encoder': length, 'block': length,
                   'decoder': length + 1}
    hidden = rank > 0
    begin = jnp.argmax(hidden)
    example = sized._example(
        arrange.plain(window), begin[None], jnp.sum(hidden)[None])
    return example, {'seq2seq': begin + jnp.arange(length + 1)}

  def networks(self):
    networks = super().networks()
    module, (stacks,) = networks['trunk']
    return {**networks, 'trunk': (module, (dict(
        stacks, block_positions=jnp.zeros_like(stacks['inputs'])),))}

  def read(self, window):
    return {'inputs': window['tokens'], 'positions': window['positions'],
            'segment_ids': window['segment_ids'],
            'block_positions': jnp.zeros_like(window['positions'])}


def draw_spans(key, total, count, law, size):
  """Spans with at least one token between any two, anywhere in a text.

  Lengths are drawn until they reach a count. Places are drawn one by one and
  sorted, as in the released code: layouts where two spans have one token
  between them are half as likely as others.

  Args:
    key: this example's key; used up.
    total, count: int32, tokens of the text and to reach. May be traced.
    law: float32, of the lengths from 1 on, cumulative. May be traced.
    size: static; spans at most.

  Returns:
    begins, lengths: int32 `[size]`; unused spans have length 0.
  """
  drawn = units.draw_lengths(stream(key, 'lengths'), size, law)
  reached = jnp.cumsum(drawn)
  used = (reached - drawn < count) & (
      reached + jnp.arange(size) <= total)  # with a token between any two
  lengths = jnp.where(used, drawn, 0)
  number = jnp.sum(used)
  room = total - jnp.sum(lengths) - jnp.maximum(number - 1, 0)
  places = jax.random.uniform(stream(key, 'places'), (size,))
  places = jnp.minimum((places * (room + 1)).astype(jnp.int32), room)
  places = jnp.sort(jnp.where(used, places, total))
  begins = places + reached - drawn + jnp.arange(size)
  return jnp.where(used, begins, 0), lengths


def draw_sentences(key, starts, real, count, most, size):
  """Sentences in a random order until they reach a count of tokens.

  Args:
    key: this example's key; used up.
    starts, real: bool `[length]`.
    count: int32, tokens to reach. May be traced.
    most: int32, tokens of the longest sentence that is drawn. May be traced.
    size: static; sentences at most.

  Returns:
    As `draw_spans`, in the order drawn.
  """
  place = noise.first_places(starts, starts.shape[0])
  end = jnp.where(jnp.arange(place.size) + 1 < jnp.sum(starts),
                  jnp.roll(place, -1), jnp.sum(real))
  lengths = jnp.where(jnp.arange(place.size) < jnp.sum(starts), end - place, 0)
  lengths = jnp.where(lengths <= most, lengths, 0)
  order = jnp.argsort(jnp.where(
      lengths > 0, jax.random.uniform(key, lengths.shape), 2.0))[:size]
  lengths = lengths[order]
  reached = jnp.cumsum(lengths)
  return place[order], jnp.where(reached - lengths < count, lengths, 0)
