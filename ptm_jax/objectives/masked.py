"""Masked language modelling: recover hidden tokens from both sides.

What is hidden together is a field: tokens (Devlin et al. 2019,
arXiv:1810.04805, section 3.1), whole words (Cui et al. 2019,
arXiv:1906.08101), runs of words (Lan et al. 2020, arXiv:1909.11942), spans
(Joshi et al. 2020, arXiv:1907.10529), entities or phrases (Sun et al. 2019,
arXiv:1904.09223).
"""

import dataclasses
import functools
import math

import jax.numpy as jnp
import numpy as np

from ptm_jax import checks, losses
from ptm_jax.data.annotations import entities, phrases
from ptm_jax.errors import ConfigError
from ptm_jax.models.heads import LMHead
from ptm_jax.objectives import (arrange, base, channel, hiding, ideal, noise,
                                units)
from ptm_jax.rng import stream

_MARKED = {'entity': entities.Annotator, 'phrase': phrases.Annotator}
_LONGEST = {'whole_word': 1, 'ngram': 3, 'span': 10}
EXACT_UNITS = ('token', *_LONGEST)  # whose number of hidden tokens is exact
UNITS = (*EXACT_UNITS, *_MARKED)


@dataclasses.dataclass
class Cloze(base.BaseObjective):
  """What all share that recover tokens of `[CLS] text [SEP]` in their places.
  """

  forms = ('encoder',)

  def lengths(self):
    return {'inputs': self.raw_length + 2}

  def arrange(self, key, window):
    del key
    return arrange.surround(
        window, self.vocabulary.cls_id, self.vocabulary.sep_id)

  def networks(self):
    return {
        'trunk': (self.trunk(), (base.empty_stack(self.lengths()['inputs']),)),
        'head': (self._head(),
                 base.head_arguments(self.model, self.vocabulary))}

  def _head(self):
    return LMHead(self.model, self.vocabulary.size, transform=True, bias=True)

  def recover(self, params, hidden, batch):
    """The term of masked LM, given the trunk's states."""
    # The vocabulary head costs only where there is loss.
    predicted = batch['predicted']
    return losses.cross_entropy(
        *base.apply_head(self._head(), params, base.at(hidden, predicted),
                         self.model),
        base.at(batch['targets'], predicted),
        base.at(batch['weights'], predicted))


@dataclasses.dataclass
class Hidden(Cloze):
  """What all share that hide tokens as BERT does; `choose` says which.

  Attributes:
    rate: fraction of the tokens that is hidden, and carries loss.
    mask_share: fraction of those that show `[MASK]`.
    random_share: fraction that shows a random text token; the rest stays.
  """

  rate: float = 0.15
  mask_share: float = 0.8
  random_share: float = 0.1

  traced = ('rate', 'mask_share', 'random_share')
  together = False  # whether a run of noise is shown in one way

  def validate(self):
    checks.fraction(self, 'objective', 'rate', open_low=True)
    check_shares(self.mask_share, self.random_share)

  def make_numbers(self):
    return {'mask_share': np.float32(self.mask_share),
            'random_share': np.float32(self.random_share)}

  def coefficients(self):
    return {'mlm': 1.0}

  def choose(self, key, arranged):
    """Which tokens are noise, bool `[length]`, and the places to predict,
    int32 `[sizes['predictions']]`, the noise first."""
    raise NotImplementedError

  def noise(self, key, arranged):
    hidden, predicted = self.choose(stream(key, 'positions'), arranged)
    inputs, unseen = self.show(stream(key, 'show'), arranged, hidden)
    return {
        'inputs': inputs,
        'segment_ids': arranged['segment_ids'],
        'positions': arranged['positions'],
        'targets': arranged['tokens'],
        'weights': hidden.astype(jnp.float32),
        'predicted': predicted,
        'noise': hidden,
        'hidden': unseen,
    }

  def show(self, key, arranged, hidden):
    """What the input shows, int32 `[length]`, and where it hides the text,
    bool `[length]`."""
    return noise.show_channel(
        key, arranged['tokens'], hidden, self.numbers['mask_share'],
        self.numbers['random_share'], self.vocabulary,
        self.together)

  def score(self, params, hidden, batch):
    return {'mlm': self.recover(params, hidden, batch)}

  def visibility(self, batch):
    segments = batch['segment_ids']
    return {'mlm': {'inputs': base.same_segment(
        base.at(segments, batch['predicted']), segments)}}

  def exempt(self, batch):
    # A predicted token that is kept shows itself, and only in its place.
    return {'mlm': {'inputs': batch['noise'] & ~batch['hidden']}}

  def ways(self):
    return hiding.pseudo(functools.partial(hiding.asked, self),
                         functools.partial(hiding.recovered, self))


@dataclasses.dataclass
class Objective(Hidden):
  """Masked LM (BERT, RoBERTa and what came after) on `[CLS] text [SEP]`.

  The number of hidden tokens n of a text of L tokens, special ones counted,
  and how they are chosen, by `unit`:
    'token': n = min(max_predictions, max(1, round(rate * L))), all sets
      equally likely.
    'whole_word', 'ngram': at most this n, in runs of whole words; see
      `units.runs`. Unlike the released code, the pieces of a run may lie in
      two packed documents.
    'span': ceil(rate * text tokens), see `units.spans`; all of a span is shown
      the same way.
    'entity', 'phrase': each entity or phrase, and each other word, with chance
      `rate`; see `units.independent`. At most twice the mean and 16 tokens are
      hidden. The released code cuts text into such units with tools for
      Chinese; here a gazetteer or statistics of the text mark them.

  Attributes:
    unit: what is hidden together, of `UNITS`.
    max_predictions: most predictions in an example; None is no limit.
    max_words: most words in a run; None is 3 for 'ngram', 10 for 'span'.
    span_stop: chance that a span ends behind each of its words.
    gazetteer: file of entities' or phrases' names, see `data.annotations`.
    static_masks: None draws noise anew at every visit (RoBERTa); a number is
      how many noises each window has (BERT has 10), taken in turn.
  """

  unit: str = 'token'
  max_predictions: int | None = None
  max_words: int | None = None
  span_stop: float = 0.2
  gazetteer: str = ''
  static_masks: int | None = None

  traced = (*Hidden.traced, 'max_predictions', 'span_stop')
  span_fields = ('max_words',)

  def validate(self):
    super().validate()
    checks.fraction(self, 'objective', 'span_stop', open_low=True)
    checks.choices(self, 'objective', {'unit': UNITS})
    if self.gazetteer and self.unit not in _MARKED:
      raise ConfigError(
          f'objective.gazetteer={self.gazetteer} is of no use to objective.'
          f'unit={self.unit}: names are those of {" and ".join(_MARKED)}')
    for name in 'max_predictions', 'max_words', 'static_masks':
      if getattr(self, name) is not None:
        checks.positive(self, 'objective', name)

  def raw_fields(self):
    if self.unit not in _MARKED:
      return {}
    return {'units': _MARKED[self.unit](path=self.gazetteer)}

  def noise_visit(self, epoch):
    return epoch % self.static_masks if self.static_masks else epoch

  # --- numbers and sizes ----------------------------------------------------

  def make_numbers(self):
    numbers = super().make_numbers()
    if self.unit in _MARKED:
      return dict(numbers, rate=np.float32(self.rate))
    numbers['num_predictions'] = self.counts(self.rate)
    if self.unit in _LONGEST:
      longest = self.max_words or _LONGEST[self.unit]
      numbers['law'] = (
          units.geometric_law(self.span_stop, longest)
          if self.unit == 'span' else units.ngram_law(longest))
    return numbers

  def make_sizes(self):
    if self.unit not in _MARKED:
      return {'predictions': int(self.counts(self.rate).max())}
    size = math.ceil(2 * self.rate * self.raw_length) + 16
    return {'predictions': min(size, self.max_predictions or size,
                               self.raw_length)}

  def counts(self, rate):
    """`count_table` at a rate."""
    return count_table(
        rate, self.raw_length, self.max_predictions,
        _span_count if self.unit == 'span' else _token_count)

  # --- which tokens are noise -----------------------------------------------

  @property
  def together(self):
    return self.unit == 'span'

  def choose(self, key, arranged):
    candidates, size = arranged['candidates'], self.sizes['predictions']
    if self.unit in _MARKED:
      hidden = units.independent(
          key, units.marked_starts(arranged, arranged['units']), candidates,
          self.numbers['rate'], size)
      return hidden, noise.first_places(hidden, size)
    count = self.count(jnp.sum(arranged['segment_ids'] > 0))
    if self.unit == 'token':
      return noise.distinct_positions(key, candidates, count, size)
    choose = units.spans if self.unit == 'span' else units.runs
    hidden = choose(key, units.word_starts(arranged), candidates, count,
                    self.number('law'))
    return hidden, noise.first_places(hidden, size)

  def count(self, total):
    """How many of `total` tokens, int32, are noise where that is exact."""
    return self.number('num_predictions')[total]

  def floor(self, law, batch):
    text, shown = (ideal.symbols(self.vocabulary, batch[name])
                   for name in ('targets', 'inputs'))
    return {'mlm': self.best(
        law, text, shown, batch['noise'],
        ideal.stretches(text, batch['segment_ids']), batch['predicted'])}

  def best(self, law, text, shown, noise, segments, places, candidates=True):
    """The best predictions of the noise at `places [batch, n]`; otherwise as
    `channel.recovered`. What hidden words tell of where they begin is left out
    above, and told in full below."""
    def of(known):
      return ideal.at(channel.recovered(
          law, text, shown, noise, segments, self.mask_share,
          self.random_share, candidates, known), places)
    words = self.unit != 'token' and law.word_starts is not None
    exact = not words and (self.random_share == 0 or (
        self.unit == 'token' and law.counts_noise))
    return ideal.Ideal(
        of(1.0), np.maximum(ideal.at(text, places), 0), exact,
        of(law.of_starts(text)) if words and not self.random_share else None)


def _token_count(rate, length):
  """Of a text of `length` tokens, special ones counted (BERT)."""
  return max(1, round(rate * length))


def _span_count(rate, length):
  """As `_token_count`; special tokens do not count, and halves and less go up
  (SpanBERT)."""
  return math.ceil(rate * (length - 2))


def count_table(rate, raw_length, max_predictions=None, count=_token_count):
  """How many tokens are predicted, by the number of tokens in the example.

  Computed here in Python, where round is half to even as in the reference,
  and not in float32 on the device, where .5 may fall on either side.

  Args:
    rate: fraction in (0, 1).
    raw_length: text tokens in a full window; two special tokens come on top.
    max_predictions: largest count, or None.
    count: `(rate, tokens) -> tokens`.

  Returns:
    int32 `[raw_length + 3]`; never more than the text tokens there are.
  """
  table = [max(min(max_predictions or n, count(rate, n), n - 2), 0)
           for n in range(raw_length + 3)]
  return np.asarray(table, np.int32)


def check_shares(mask_share, random_share):
  """Raises ConfigError unless the two shares are above 0 together and leave a
  share of at least 0."""
  total = mask_share + random_share
  if min(mask_share, random_share) < 0 or not 0 < total <= 1 + 1e-9:
    raise ConfigError(
        f'objective.mask_share={mask_share} and random_share={random_share} '
        'must not be negative, and together above 0 and at most 1')
