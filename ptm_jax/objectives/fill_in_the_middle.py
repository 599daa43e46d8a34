"""Fill in the middle: a language model reads what comes behind a gap first.

Reference: Bavarian et al. 2022, arXiv:2207.14255, sections 3 and 4.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import arrange, autoregressive, base, blanks
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
  traced = ('rate', 'spm_share')

  floor = base.BaseObjective.floor  # the middle is told from both sides

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
