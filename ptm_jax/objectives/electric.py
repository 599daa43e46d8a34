"""Electric: replaced-token detection as noise-contrastive estimation, which
gives every token an unnormalised probability in its context.

Reference: Clark et al. 2020, arXiv:2012.08561, section 2, and its released
code.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import losses
from ptm_jax.models.two_tower import TwoTower
from ptm_jax.objectives import base, replaced_token, two_tower
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(replaced_token.Objective):
  """Electric: the trunk's score is a token's energy.

  The noise comes from a two-tower cloze model q of the original text, so the
  chance of any token in any place is known. A token is labelled replaced where
  noise was drawn, even if it equals the original, and its logit is the
  trunk's score + log q + log(rate / (1 - rate)), q without a gradient. Each
  tower is as large as ELECTRA's generator, and q is trained where noise is
  drawn, as in the released code. It has no floor: the trunk's term is given q
  of the original text, which tells more of it than the trunk reads.
  """

  # No fields here: it asks of every token, its two towers become no trunk, and
  # q needs no mask.
  question: ClassVar[str] = 'detect'
  first_stage: ClassVar[float] = 0.0
  mask_share: ClassVar[float] = 1.0

  traced = ('rate', 'discriminator_weight', 'temperature')

  outcomes = base.BaseObjective.outcomes
  floor = base.BaseObjective.floor

  def make_numbers(self):
    return {**super().make_numbers(),
            'log_odds': np.log(np.float32(self.rate / (1 - self.rate)))}

  def noise(self, key, arranged):
    return {**super().noise(key, arranged),
            'inputs': arranged['tokens'],
            **two_tower.stacks(arranged, self.vocabulary.bos_id,
                               self.vocabulary.eos_id)}

  # --- the noise model ------------------------------------------------------

  def bind(self, model, vocabulary, raw_length, sizes=None):
    bound = super().bind(model, vocabulary, raw_length, sizes)
    bound.towers_model().check_form()
    return bound

  def towers_model(self):
    """The `config.Model` of q's two towers together; neither may read both
    neighbours of a token, as the trunk's convolution does."""
    model = self.generator_model()
    return dataclasses.replace(
        model, form='two_tower', width=2 * model.width,
        num_heads=2 * model.num_heads, mlp_dim=2 * model.mlp_dim,
        convolution_width=0)

  def _generator(self):
    return TwoTower(self.towers_model(), self.vocabulary.size)

  def networks(self):
    networks = super().networks()
    head, (state, table) = networks['generator_head']
    return {**networks, 'generator_head': (
        head, (jnp.concatenate([state, state], -1), table))}

  def generator_params(self, params):
    return {**params['generator'],
            'token_embedding': params['trunk']['token_embedding']}

  def propose(self, keys, params, batch):
    """q's features of every token, table and bias."""
    states = two_tower.states(
        self._generator(), self.generator_params(params), batch,
        None if keys is None else stream(keys, 'generator'))
    return base.apply_head(
        self._generator_head(), params,
        two_tower.around(states, batch['forward_segment_ids']),
        self.generator_model(), 'generator_head')

  # --- the two terms --------------------------------------------------------

  def loss(self, keys, params, batch):
    features, table, bias = self.propose(keys, params, batch)
    drawn = base.at(features, batch['predicted'])
    temperature = self.numbers['temperature']
    samples = losses.sample(batch['key'], drawn, table, bias, temperature)
    shown = self.replace(batch, samples)
    real = self._judge().weights(batch)
    log_q = -losses.cross_entropy(
        *jax.lax.stop_gradient(losses.tempered(
            features, table, bias, temperature)), shown, real).nll
    scores = self._judge().scores(
        params, self.read_shown(keys, params, batch, shown))
    return {
        'generator': losses.cross_entropy(
            drawn, table, bias, batch['targets'], batch['weights']),
        'discriminator': losses.binary_cross_entropy(
            scores + log_q + self.numbers['log_odds'],
            batch['noise'].astype(jnp.int32), real)}

  def ways(self):
    return {'energy': super().ways()['energy']._replace(
        says="sum of the tokens' energies, an unnormalised "
        'pseudo-log-likelihood')}

  def _energy(self, params, batch):
    energies = self._judge().scores(
        params, self.read_shown(None, params, batch, batch['tokens']))
    weights = (batch['segment_ids'] > 0).astype(jnp.float32)
    return {'discriminator': losses.Term(
        jnp.sum(weights * energies), jnp.sum(weights), energies, energies < 0,
        batch['tokens'], weights)}

  def visibility(self, batch):
    return {**super().visibility(batch), 'generator': {
        stack: base.at(seen, batch['predicted'])
        for stack, seen in two_tower.seen_around(batch).items()}}

  def exempt(self, batch):
    return {'discriminator': None}
