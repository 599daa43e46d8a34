"""One model under four masks: bidirectional, sequence to sequence, and to
either side alone.

Reference: Dong et al. 2019, arXiv:1905.03197, sections 2.2 to 2.4.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.data.flags import SENTENCE_START
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import (arrange, base, hiding, ideal, masked,
                                next_sentence, noise, units, ways)
from ptm_jax.rng import stream

MODES = 'bidirectional', 'sequence', 'left_to_right', 'right_to_left'
# The first row of each mode's token types; the two parts of `bidirectional`
# and `sequence` have one each.
_TYPES = (0, 4, 2, 3)


@dataclasses.dataclass
class Objective(masked.Hidden):
  """UniLM on `[CLS] part [SEP] part [SEP]`.

  Hidden tokens are predicted in their places under the mask of the example's
  mode. `bidirectional` sees all, `left_to_right` and `right_to_left` what lies
  up to and from the place on, and `sequence` the first part from everywhere
  and the second up to the place. A mode is drawn for each example, where the
  paper draws one for a batch. The window is cut before a sentence, any alike,
  or anywhere where none starts. Of 6 token types, if the model has any, each
  mode has its own.

  Attributes:
    rate, mask_share, random_share: as of masked LM; tokens are hidden in runs
      and at most round(rate * L) in all, a [SEP] not counted.
    run_share: fraction of the runs that has two or three tokens, alike.
    sequence_share: fraction of the examples in the mode `sequence`.
    left_to_right_share, right_to_left_share: likewise; the rest is
      `bidirectional`.
    next_sentences: whether texts of the mode `bidirectional` are pairs, as
      `next_sentence` makes them of a window's longest document, and asked
      about (section 2.3). No floor is given then.
  """

  run_share: float = 0.2
  sequence_share: float = 1 / 3
  left_to_right_share: float = 1 / 6
  right_to_left_share: float = 1 / 6
  next_sentences: bool = False

  kinds = len(MODES)
  traced = (*masked.Hidden.traced, 'run_share', 'sequence_share',
            'left_to_right_share', 'right_to_left_share')

  @property
  def partner(self):
    return next_sentence.Objective.partner if self.next_sentences else None

  @property
  def needs_sentences(self):
    return self.next_sentences

  def _shares(self):
    return (self.sequence_share, self.left_to_right_share,
            self.right_to_left_share)

  def validate(self):
    super().validate()
    checks.fraction(self, 'objective', 'run_share')
    if min(self._shares()) < 0 or sum(self._shares()) > 1 + 1e-9:
      raise ConfigError(f"objective's shares of modes, {self._shares()}, must "
                        'not be negative, and together at most 1')

  def bind(self, model, vocabulary, raw_length, sizes=None):
    if 0 < model.num_token_types < 6:
      raise ConfigError(f'model.num_token_types={model.num_token_types} is too '
                        'few for the modes of unilm: use 6, or 0 for none')
    bound = super().bind(model, vocabulary, raw_length, sizes)
    if self.next_sentences:
      bound.question = next_sentence.Objective().bind(
          model, vocabulary, raw_length)
    return bound

  def lengths(self):
    return {'inputs': self.raw_length + 3}

  def make_numbers(self):
    law = np.cumsum([1 - self.run_share, *[self.run_share / 2] * 2])
    # An example is in the mode whose number its draw exceeds so many of.
    return {**super().make_numbers(),
            'num_predictions': masked.count_table(self.rate, self.raw_length),
            'law': law.astype(np.float32),
            'modes': np.cumsum([1 - sum(self._shares()), *self._shares()]
                               ).astype(np.float32)}

  def make_sizes(self):
    return {'predictions': int(masked.count_table(
        self.rate, self.raw_length).max())}

  def arrange(self, key, window):
    real = window['segment_ids'] > 0
    index = jnp.arange(real.shape[0])
    inside = real & (index > 0)
    sentences = inside & (window['flags'] & SENTENCE_START > 0)
    draws = jax.random.uniform(key, real.shape)
    cut = jnp.argmax(jnp.where(sentences, draws + 2, inside * (draws + 1)))
    found = {**arrange.paired(window, cut, self.vocabulary.cls_id,
                              self.vocabulary.sep_id), 'cut': cut,
             'mode': jnp.sum(jax.random.uniform(stream(key, 'mode'))
                             >= self.number('modes')[:-1], dtype=jnp.int32)}
    return self._asking(key, window, found) if self.next_sentences else found

  def _asking(self, key, window, found):
    """The same, a pair of `next_sentence` in the mode `bidirectional`."""
    pair = self.question.arrange(stream(key, 'pair'), window)
    both = found['mode'] == MODES.index('bidirectional')
    mixed = {name: jnp.where(both, pair[name], value)
             for name, value in found.items() if name in pair}
    return {**found, **mixed, 'label': pair['label'],
            'parts': jnp.where(both, pair['token_types'], found['parts']),
            'asked': pair['asked'] * both}

  def choose(self, key, arranged):
    candidates = arranged['candidates']
    total = jnp.sum(arranged['segment_ids'] > 0)
    hidden = units.runs(
        key, jnp.ones_like(candidates), candidates,
        self.number('num_predictions')[jnp.maximum(total - 1, 0)],
        self.number('law'))
    return hidden, noise.first_places(hidden, self.sizes['predictions'])

  def noise(self, key, arranged):
    mode = arranged['mode']
    parts = arranged['parts'] * (mode <= 1)
    return {**super().noise(key, arranged),
            **{name: arranged[name] for name in ('label', 'asked')
               if name in arranged},
            'token_types': jnp.asarray(_TYPES, jnp.int32)[mode] + parts,
            'mode': mode,
            'first_part': (arranged['cut'] + 2).astype(jnp.int32)}

  def seen(self, batch):
    """What each position may see, bool `[batch, length, length]`."""
    mode = batch['mode'][:, None, None]
    index = jnp.arange(batch['inputs'].shape[1])
    before = index[None, None, :] <= index[None, :, None]
    after = index[None, None, :] >= index[None, :, None]
    first = index[None, None, :] < batch['first_part'][:, None, None]
    return ((mode == 0) | (mode == 1) & (first | before)
            | (mode == 2) & before | (mode == 3) & after)

  def stack(self, batch):
    return dict(base.stack_of(batch), visibility=self.seen(batch))

  def _with(self, method, found, *args):
    """What the question says, beside what was found of the tokens."""
    if self.next_sentences:
      return {**found, **getattr(self.question, method)(*args)}
    return found

  def coefficients(self):
    return self._with('coefficients', super().coefficients())

  def networks(self):
    return {**self._with('networks', {}), **super().networks()}

  def score(self, params, hidden, batch):
    return self._with('score', super().score(params, hidden, batch),
                      params, hidden, batch)

  def visibility(self, batch):
    (seen,) = super().visibility(batch)['mlm'].values()
    return self._with('visibility', {'mlm': {'inputs': seen & base.at(
        self.seen(batch), batch['predicted'])}}, batch)

  def exempt(self, batch):
    return self._with('exempt', super().exempt(batch), batch)

  def floor(self, law, batch):
    # What is shown besides `[MASK]` tells of the text, and so does a partner.
    if self.mask_share < 1 or self.next_sentences:
      return {}
    places = batch['predicted']
    seen = ideal.at(np.asarray(self.seen(batch)), places)
    return {'mlm': ideal.from_seen(
        law, self.vocabulary, batch['targets'], batch['segment_ids'],
        seen & ~batch['noise'][:, None], places)}

  def ways(self):
    both = functools.partial(self._asked, MODES.index('bidirectional'))
    found = {name: way._replace(
        example=both if way.few else functools.partial(both, 1))
             for name, way in super().ways().items()}
    return {**found, 'chain_rule': ways.Way(
        'likelihood', 'log-likelihood, each token given those before it',
        ways.each, functools.partial(
            self._asked, MODES.index('left_to_right'), 1),
        functools.partial(hiding.recovered, self))}

  def _asked(self, mode, predictions, window, rank, factor):
    example, origins = hiding.asked(self, predictions, window, rank, factor)
    return {**example, 'mode': jnp.int32(mode), 'first_part': jnp.int32(0),
            'token_types': jnp.full_like(example['inputs'], _TYPES[mode])
            }, origins

  def read(self, window):
    around = arrange.surround(
        window, self.vocabulary.cls_id, self.vocabulary.sep_id)
    return {'inputs': around['tokens'], 'segment_ids': around['segment_ids'],
            'positions': around['positions']}
