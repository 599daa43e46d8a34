"""Denoising of tokens that are hidden independently, in T5's four codings.

Reference: Raffel et al. 2020, arXiv:1910.10683, sections 3.3.1 and 3.3.2.
"""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.objectives import (hidden_lengths, ideal, noise,
                                sequence_to_sequence, span_corruption, units)
from ptm_jax.rng import stream

CODINGS = ('mask', 'random', 'sentinel', 'drop')
_RANDOM = 0.1  # of the noise, where it is not all masked


@dataclasses.dataclass
class Objective(sequence_to_sequence.Rewriting):
  """I.i.d. denoising (T5): each token is noise with the same chance.

  Where more than twice the mean and 16 tokens would be hidden, or more runs
  than there are sentinels, the text behind them stays whole.

  Attributes:
    density: chance that a token is noise, in (0, 1).
    coding: what input and target become of the noise.
      'mask': each token shows `[MASK]`, the target is the whole text (the
        paper's MASS-style row).
      'random': so, but a tenth shows a random text token instead (BERT-style;
        none is kept).
      'sentinel': each run shows one sentinel, the target lists the sentinels
        with their runs, and the next one where the text ends visibly. Unlike
        T5's code, a run that begins the text has its sentinel too.
      'drop': nothing is shown, the target is the hidden tokens.
  """

  density: float = 0.15
  coding: str = 'sentinel'

  traced = ('density',)

  def validate(self):
    checks.fraction(self, 'objective', 'density', open_low=True)
    checks.choices(self, 'objective', {'coding': CODINGS})

  @property
  def whole(self):
    """Whether the target is the whole text."""
    return self.coding in ('mask', 'random')

  def make_numbers(self):
    return {'density': np.float32(self.density)}

  def make_sizes(self):
    longest = self.raw_length
    most = min(math.ceil(2 * self.density * longest) + 16, longest)
    decoder = {'sentinel': 2 * most + 1, 'drop': most}.get(self.coding, longest)
    return {'most': most, 'encoder': longest + 1, 'decoder': decoder + 1}

  def choose(self, key, real):
    """Which tokens are noise, bool like `real`."""
    hidden = units.independent(key, jnp.ones_like(real), real,
                               self.numbers['density'], self.sizes['most'])
    runs = jnp.cumsum(noise.run_starts(hidden))
    # The last sentinel closes the target.
    return hidden & (runs < self.vocabulary.num_sentinels)

  def noise(self, key, arranged):
    tokens, segment_ids = arranged['tokens'], arranged['segment_ids']
    real = segment_ids > 0
    hidden = self.choose(stream(key, 'positions'), real)
    inputs, targets = self.sizes['encoder'], self.sizes['decoder']
    if self.coding == 'sentinel':
      pair = (noise.show_sentinels(tokens, segment_ids, hidden, inputs,
                                   self.vocabulary),
              noise.target_spans(tokens, segment_ids, hidden, targets,
                                 self.vocabulary))
    else:
      random = _RANDOM if self.coding == 'random' else 0.0
      shown, _ = noise.show_channel(
          stream(key, 'show'), tokens, hidden, 1 - random, random,
          self.vocabulary)
      some, eos_id = sequence_to_sequence.some, self.vocabulary.eos_id
      pair = (some(shown, segment_ids, real if self.whole else real & ~hidden,
                   inputs, eos_id),
              some(tokens, segment_ids, real if self.whole else hidden,
                   targets, eos_id))
    return sequence_to_sequence.example(*pair, hidden, self.start_id)

  @property
  def equal_windows(self):
    return self.coding == 'sentinel'

  def floor(self, law, batch):
    # Layouts of as many hidden tokens and runs are equally likely; that there
    # is a most of them is left out, as too rare.
    if self.coding == 'sentinel':
      return hidden_lengths.sentinels(law, self.vocabulary, batch)
    if not self.whole:
      return {}  # where the text has lost tokens is not told
    shown, text = (ideal.symbols(self.vocabulary, batch[name]) for name in (
        'encoder_inputs', 'targets'))
    exact, density = law.evidence(shown), float(self.numbers['density'])
    if self.coding == 'random':  # a token shows itself, or is random noise
      exact = np.where((shown >= 0)[..., None], (1 - density) * exact
                       + density * _RANDOM / law.num_symbols, 1)
    return {'seq2seq': ideal.from_left(
        law, self.vocabulary, batch['targets'], exact,
        ideal.stretches(text, batch['decoder_segment_ids']))}

  def continuation(self, tokens, segment_ids, hidden):
    if self.coding == 'sentinel':
      return span_corruption.spans(
          tokens, segment_ids, hidden, self.vocabulary)
    if self.coding == 'drop':
      return super().continuation(tokens, segment_ids, hidden)
    shown = jnp.where(hidden, self.vocabulary.mask_id, tokens)
    return sequence_to_sequence.rewritten(
        shown, tokens, segment_ids, hidden, segment_ids > 0,
        self.vocabulary.eos_id)

  def exempt(self, batch):
    if not self.whole:
      return {}
    # A token that is no noise is its own target.
    shows = ~batch['noise'] & (batch['encoder_segment_ids'][:, :-1] > 0)
    return {'seq2seq': {'encoder_inputs': jnp.pad(shows, ((0, 0), (0, 1)))}}
