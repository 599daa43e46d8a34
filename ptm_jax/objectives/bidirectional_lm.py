"""Bidirectional language modelling: one tower predicts each token from its
left, the other from its right.

References: Peters et al. 2018, arXiv:1802.05365, section 3.1; Baevski et al.
2019, arXiv:1903.07785, section 3, for the cloze form.
"""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np

from ptm_jax import losses
from ptm_jax.models.heads import LMHead
from ptm_jax.models.sown import entering_states
from ptm_jax.models.two_tower import TOWERS, tower
from ptm_jax.objectives import arrange, base, ideal, two_tower, ways


@dataclasses.dataclass
class Objective(base.BaseObjective):
  """Bidirectional LM (ELMo), with Transformers for its recurrent layers and
  the vocabulary's pieces for its characters and words.

  Each tower has half the model's width. Every document starts anew, from
  `<s>` in the forward and from `</s>` in the backward tower. The two losses
  are added; token embedding and head are shared.

  Attributes:
    cloze: whether each token is instead predicted once, from both towers'
      states around it: one term, 'cloze'.
  """

  cloze: bool = False

  forms = ('two_tower',)

  @property
  def likelihood(self):
    """The forward tower's; what is predicted from both sides has none."""
    return None if self.cloze else 'forward'

  def lengths(self):
    return {'inputs': self.raw_length}

  def coefficients(self):
    return {'cloze': 1.0} if self.cloze else {'forward': 1.0, 'backward': 1.0}

  def noise(self, key, arranged):
    del key
    real = arranged['segment_ids'] > 0
    return {
        **two_tower.stacks(arranged, self.vocabulary.bos_id,
                           self.vocabulary.eos_id),
        'weights': real.astype(jnp.float32),
        'noise': real,
    }

  def networks(self):
    state, table = base.head_arguments(tower(self.model), self.vocabulary)
    if self.cloze:
      state = jnp.concatenate([state, state], -1)
    return {'trunk': (self.trunk(), (base.empty_stack(self.raw_length),)),
            'head': (self._head(), (state, table))}

  def _head(self):
    return LMHead(tower(self.model), self.vocabulary.size,
                  transform=self.cloze, bias=self.cloze)

  def loss(self, keys, params, batch):
    states = two_tower.states(self.trunk(), params['trunk'], batch, keys)
    if self.cloze:
      states = {'cloze': two_tower.around(
          states, batch['forward_segment_ids'])}
    else:
      states = dict(zip(TOWERS, states))
    return {name: losses.cross_entropy(
        *base.apply_head(self._head(), params, hidden, self.model),
        batch[f'{name}_targets' if name in TOWERS else 'forward_targets'],
        batch['weights']) for name, hidden in states.items()}

  def visibility(self, batch):
    if self.cloze:
      return {'cloze': two_tower.seen_around(batch)}
    return {name: {f'{name}_inputs': seen}
            for name, seen in two_tower.seen(batch).items()}

  def ways(self):
    def way(kind, says, *terms):
      return ways.Way(kind, says, ways.once, functools.partial(
          self._asked, terms), functools.partial(self.loss, None))
    if self.cloze:
      return {'pseudo_likelihood': way(
          'pseudo', 'pseudo-log-likelihood, each token given both sides, in '
          'one pass', 'cloze')}
    return {
        'both_directions': way(
            'likelihood', 'mean of the log-likelihoods of both directions',
            *TOWERS),
        'forward': way('likelihood', 'log-likelihood, each token given those '
                       'before it', 'forward'),
        'backward': way('likelihood', 'log-likelihood, each token given those '
                        'behind it, a context left out', 'backward')}

  def _asked(self, terms, window, rank, factor):
    del rank
    total, index = jnp.sum(window['segment_ids'] > 0), jnp.arange(factor.size)
    origins = dict.fromkeys(terms, index)
    if 'backward' in origins:
      origins['backward'] = jnp.where(index < total, total - 1 - index, -1)
    return self.noise(None, arrange.plain(window)), origins

  def floor(self, law, batch):
    def both(name):
      text = ideal.symbols(self.vocabulary, batch[f'{name}_targets'])
      return text, batch[f'{name}_segment_ids']
    text, segments = both('forward')
    labels = np.maximum(text, 0)
    if self.cloze:
      return {'cloze': ideal.Ideal(
          law.around(law.evidence(text), segments), labels)}
    turned, turned_segments = (one[:, ::-1] for one in both('backward'))
    return {
        'forward': ideal.Ideal(
            law.before(law.evidence(text), segments), labels),
        'backward': ideal.Ideal(
            law.behind(law.evidence(turned), turned_segments)[:, ::-1],
            np.maximum(turned, 0)[:, ::-1])}

  def read(self, window):
    around = arrange.surround(
        window, self.vocabulary.bos_id, self.vocabulary.eos_id)
    return {'inputs': around['tokens'], 'segment_ids': around['segment_ids'],
            'positions': around['positions']}

  def all_features(self, params, windows):
    stack, states, sown = self._watch(params, windows)
    segments = stack['segment_ids']
    depths = zip(entering_states(sown['forward']),
                 entering_states(sown['backward']), strict=True)
    return [*(two_tower.around(pair, segments) for pair in depths),
            states], segments > 0
