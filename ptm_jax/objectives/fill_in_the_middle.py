"""Fill in the middle: a language model reads what comes behind a gap first.

Reference: Bavarian et al. 2022, arXiv:2207.14255, sections 3 and 4.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import (arrange, autoregressive, blanks,
                                hidden_lengths, ideal)
from ptm_jax.rng import stream

MARKS = ('<PRE>', '<SUF>', '<MID>')  # and `</s>` for <EOT>


@dataclasses.dataclass
class Objective(autoregressive.LeftToRight):
  """Autoregressive LM on text of which a middle part has moved to the end.

  A document is cut at two points that are drawn for themselves and written as
  `<PRE> prefix <SUF> suffix <MID> middle </s>` (PSM) or as `<PRE> <SUF>
  suffix <MID> prefix middle </s>` (SPM, its second variant). All tokens carry
  loss, marks included.

  The paper cuts between characters and this between tokens, so a gap never
  splits one. Of a window that holds several documents the longest is cut; the
  others, like windows that are left whole, are as in autoregressive LM.

  Attributes:
    rate: share of the windows that are cut.
    spm_share: share of these in the order SPM.
  """

  rate: float = 0.5
  spm_share: float = 0.5

  likelihood = None
  writes_end = True
  equal_windows = True
  traced = ('rate', 'spm_share')

  def validate(self):
    checks.fraction(self, 'objective', 'rate', open_low=True)
    if not 0 <= self.spm_share <= 1:
      raise ConfigError(f'objective.spm_share={self.spm_share} must lie in '
                        '[0, 1]')

  def make_numbers(self):
    return {'rate': np.float32(self.rate),
            'spm_share': np.float32(self.spm_share)}

  def lengths(self):
    return {'inputs': self.raw_length + len(MARKS) + 1}

  def ask(self, parts, filled):
    # One gap at a time: later ones are closed up.
    known = len(filled) + 1
    prefix = [one for pair in zip(parts, [*filled, []]) for piece in pair
              for one in piece]
    suffix = [one for part in parts[known:] for one in part]
    pre, suf, mid = (self.vocabulary.mark_id(mark) for mark in range(3))
    return blanks.Question(
        [pre, *prefix, suf, *suffix, mid] if self.spm_share < 1
        else [pre, suf, *suffix, mid, *prefix])

  def answer(self, parts, written):
    del parts
    return [written]

  def cuts(self, key, count):
    """Two places in 0..count, in their order."""
    return jnp.sort(jax.random.randint(key, (2,), 0, count + 1))

  def noise(self, key, arranged):
    document = arrange.longest_document(arranged['segment_ids'])
    draw = jax.random.uniform(stream(key, 'form'), (2,))
    whole = draw[0] >= self.numbers['rate']
    cuts = self.cuts(stream(key, 'cuts'), jnp.sum(document))
    example = self._moved(arranged, document, *cuts,
                          draw[1] < self.numbers['spm_share'], whole)
    return {**super().noise(None, example),
            'noise': arranged['segment_ids'] > 0}

  def _moved(self, arranged, document, first, second, spm, whole):
    """The window with one document's parts in their new order.

    Args:
      arranged: a window.
      document: bool `[length]`, the tokens of that document.
      first, second: int32, where its middle begins and ends.
      spm: bool, in which order.
      whole: bool, whether nothing moves after all.

    Returns:
      dict of `[length + 4]` tokens, segment_ids and positions.
    """
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    count, index = jnp.sum(document), jnp.arange(tokens.shape[0])
    start = jnp.argmax(document)
    place, suffix = index - start, count - second
    # Tokens of the prefix that precede <SUF>.
    before = jnp.where(spm, 0, first)
    shift = jnp.where(
        place < first, jnp.where(spm, 3 + suffix, 1),
        jnp.where(place < second, 3 + suffix, 2 + before - second))
    shift = jnp.where(document, shift, 4 * (place >= count))
    shift = jnp.where(whole, 0, shift)
    marks = jnp.stack([0, 1 + before, 2 + before + suffix, 3 + count]) + start
    size = tokens.shape[0] + 4
    marks = jnp.where(whole, size, marks)
    ids = jnp.asarray([*self.vocabulary.mark_id(np.arange(3)),
                       self.vocabulary.eos_id], jnp.int32)

    def written(values, marked):
      result = jnp.zeros((size,), jnp.int32).at[index + shift].set(values)
      return result.at[marks].set(marked, mode='drop')

    segments = written(segment_ids, segment_ids[start])
    return {'tokens': written(tokens, ids), 'segment_ids': segments,
            'positions': arrange.restart_positions(segments)}

  def floor(self, law, batch):
    # A document's length is known, as in a corpus of equal ones.
    if hidden_lengths.several_documents(batch['segment_ids']):
      return {}
    targets = np.asarray(batch['targets'], np.int64)
    chances = np.eye(self.vocabulary.size)[targets]
    real = np.asarray(batch['weights']) > 0
    for row in np.flatnonzero(real.any(1)):
      ids = targets[row][real[row]]
      chances[row, :len(ids)] = self._best(
          law, ids, int(np.sum(batch['noise'][row])))
    return {'lm': ideal.Ideal(chances, targets)}

  def _best(self, law, ids, total):
    """The best predictions of one window's `ids`, of `total` text tokens;
    float64 `[len(ids), ids of the vocabulary]`."""
    marks = self.vocabulary.mark_id(np.arange(3))
    rate, spm = (float(self.numbers[name]) for name in ('rate', 'spm_share'))
    text = ideal.symbols(self.vocabulary, ids)
    found = np.zeros((len(ids), self.vocabulary.size))
    begin = self.vocabulary.text_start
    symbols = found[:, begin:begin + law.num_symbols]
    if ids[0] != marks[0]:
      symbols[:] = law.before(law.evidence(text[None]))[0]
      symbols[0] *= 1 - rate
      found[0, marks[0]] = rate
      return found
    first, last = (int(np.argmax(ids == mark)) for mark in marks[1:])
    prefix, suffix = text[1:first], text[first + 1:last]
    middle = text[last + 1:-1]
    # Of the middle's begin and end; in the order SPM the prefix looks empty.
    cuts = np.triu(np.full((total + 1,) * 2, 2.0), 1) + np.eye(total + 1)
    cuts /= (total + 1) ** 2
    orders = (1 - spm) * cuts
    orders[0] += spm * cuts.sum(0)
    laws, ends = _of_prefix(law, prefix, orders.sum(1))
    symbols[0], found[0, marks[0]] = (1 - rate) * laws[0], rate
    symbols[1:first + 1] = (1 - ends[:, None]) * laws
    found[1:first + 1, marks[1]] = ends
    symbols[first + 1:last + 1], found[first + 1:last + 1, marks[2]] = (
        _of_suffix(law, prefix, suffix, orders[len(prefix)]))
    if len(middle):
      symbols[last + 1:-1] = _of_middle(law, prefix, suffix, middle)
    found[-1, self.vocabulary.eos_id] = 1
    return found


def _of_prefix(law, prefix, begins):
  """Laws of each symbol of a prefix and of one more, and the chance that it
  has come to its end there.

  Args:
    law: of the source.
    prefix: int `[n]`.
    begins: float64 `[total + 1]`, chances of the middle's begin.
  """
  rows = np.append(prefix, -1)[None]
  places = np.arange(len(prefix) + 1)
  return law.before(law.evidence(rows))[0], (
      begins / np.cumsum(begins[::-1])[::-1])[places]


def _of_suffix(law, prefix, suffix, starts):
  """As `_of_prefix`, of a suffix that begins at one of several places.

  The laws are scaled so that with the chance of the end they sum to 1.

  Args:
    law, prefix: as there.
    suffix: int `[n]`.
    starts: float64 `[total + 1]`, weights of its begin.
  """
  total, first = len(starts) - 1, len(prefix)
  begins = np.arange(first, total + 1)
  rows = np.full((len(begins), total + 1), -1)
  rows[:, :first] = prefix
  for row, begin in zip(rows, begins, strict=True):
    head = suffix[:total - begin]
    row[begin:begin + len(head)] = head
  laws, scores = law.before(law.evidence(rows)), starts[begins]
  found = np.zeros((len(suffix) + 1, law.num_symbols))
  ends = np.zeros(len(suffix) + 1)
  for count in range(len(suffix) + 1):
    goes_on = np.where(begins + count < total, scores, 0)
    here = laws[np.arange(len(begins)), np.minimum(begins + count, total)]
    found[count] = goes_on @ here / scores.sum()
    ends[count] = 1 - goes_on.sum() / scores.sum()
    if count < len(suffix):
      scores = goes_on * here[:, suffix[count]]
      scores = scores / scores.sum()
  return found, ends


def _of_middle(law, prefix, suffix, middle):
  """Laws of each symbol between a prefix and a suffix, given those before."""
  count, first = len(middle), len(prefix)
  rows = np.tile(np.concatenate([prefix, middle, suffix]), (count, 1))
  places = np.arange(count)
  rows[:, first:first + count][places >= places[:, None]] = -1
  return law.around(law.evidence(rows))[places, first + places]
