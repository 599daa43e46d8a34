"""Replaced-token detection: a small generator fills holes, the model says of
every token whether it was replaced.

Two networks are trained together, without a gradient through the sample.
Reference: Clark et al. 2020, arXiv:2003.10555, section 2 and appendix A;
the rates of the masking channel are those of the released code.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks, losses
from ptm_jax.errors import ConfigError
from ptm_jax.models.heads import LMHead
from ptm_jax.models.transformer import Trunk
from ptm_jax.objectives import (arrange, base, fakes, masked, noise, phases,
                                ways)
from ptm_jax.objectives.judges import JUDGES
from ptm_jax.rng import stream

# Tables below `inputs` that the generator takes from the trunk, like the token
# embedding (paper, section 3.2: token and positional embeddings).
_SHARED = ('position_embedding', 'token_type_embedding')


@dataclasses.dataclass
class Objective(base.BaseObjective):
  """Replaced-token detection (ELECTRA).

  Positions are drawn with replacement, as in the released code, so fewer
  than `rate` of them differ; a position drawn twice counts twice in the
  generator's term. A fake equal to the original is labelled original.

  In two stages (section 3.4) the generator is trained alone, then its weights
  become the trunk's and it stays as it is while the trunk is trained; only the
  tables that it takes from the trunk go on with it, unlike in the paper.

  Attributes:
    question: what the trunk is asked: 'detect', the model of the paper, or a
      stepping stone of its section 3.5: 'detect_sampled' ('ELECTRA 15%'),
      'recover' ('Replace MLM') or 'recover_all' ('All-Tokens MLM'); see
      `judges`.
    rate: draws as a fraction of the tokens, special ones counted.
    mask_share: fraction of the drawn positions that shows `[MASK]` to the
      generator; the rest shows the original.
    generator_width: of the trunk's width, heads and feed-forward, in (0, 1].
    generator_depth: of the trunk's layers, in (0, 1].
    discriminator_weight: factor of the term of detection; that of recovery
      has 1.
    temperature: of the generator's sampling.
    first_stage: share of the run that trains the generator alone (the paper:
      .5), which then must be as large as the trunk; 0 trains both at once.
  """

  question: str = 'detect'
  rate: float = 0.15
  mask_share: float = 0.85
  generator_width: float = 0.25
  generator_depth: float = 1.0
  discriminator_weight: float = 50.0
  temperature: float = 1.0
  first_stage: float = 0.0

  forms = ('encoder',)
  floor_is = 'bounds'
  traced = ('rate', 'mask_share', 'discriminator_weight', 'temperature')

  def validate(self):
    checks.fraction(self, 'objective', 'rate', open_low=True)
    checks.positive(self, 'objective', 'mask_share', 'temperature')
    masked.check_shares(self.mask_share, 0.0)
    checks.choices(self, 'objective', {'question': tuple(JUDGES)})
    for name in 'generator_width', 'generator_depth':
      if not 0 < getattr(self, name) <= 1:
        raise ConfigError(f'objective.{name}={getattr(self, name)} must lie '
                          'in (0, 1]')
    checks.fraction(self, 'objective', 'first_stage')
    if self.first_stage and (self.generator_width, self.generator_depth) != (
        1, 1):
      raise ConfigError(
          f'objective.first_stage={self.first_stage}: the generator becomes '
          'the trunk, so generator_width and generator_depth must be 1')
    if self.discriminator_weight < 0:
      raise ConfigError('objective.discriminator_weight='
                        f'{self.discriminator_weight} must not be negative')

  def make_numbers(self):
    return {'num_predictions': masked.count_table(self.rate, self.raw_length),
            'mask_share': np.float32(self.mask_share),
            'temperature': np.float32(self.temperature)}

  def make_sizes(self):
    table = masked.count_table(self.rate, self.raw_length)
    return {'predictions': int(table.max())}

  def lengths(self):
    return {'inputs': self.raw_length + 2}

  def coefficients(self):
    judge = JUDGES[self.question]
    return {'generator': 1.0, judge.term: (
        self.discriminator_weight if judge.weighted else 1.0)}

  def arrange(self, key, window):
    del key
    return arrange.surround(
        window, self.vocabulary.cls_id, self.vocabulary.sep_id)

  def noise(self, key, arranged):
    tokens, real = arranged['tokens'], arranged['segment_ids'] > 0
    count = self.number('num_predictions')[jnp.sum(real)]
    size = self.sizes['predictions']
    drawn, predicted = noise.repeated_positions(
        stream(key, 'positions'), arranged['candidates'], count, size)
    inputs, hidden = noise.show_channel(
        stream(key, 'show'), tokens, drawn, self.numbers['mask_share'], 0.0,
        self.vocabulary)
    return {
        'inputs': inputs,
        'segment_ids': arranged['segment_ids'],
        'positions': arranged['positions'],
        'tokens': tokens,
        'predicted': predicted,
        'targets': tokens[predicted],
        'weights': (jnp.arange(size) < count).astype(jnp.float32),
        'noise': drawn,
        'hidden': hidden,
    }

  # --- networks -------------------------------------------------------------

  def generator_model(self):
    """The generator's `config.Model`: the trunk's, narrower and shallower."""
    model = self.model
    heads = max(1, round(model.num_heads * self.generator_width))
    head_dim = model.width // model.num_heads
    mlp_dim = model.mlp_dim or 4 * model.width
    return dataclasses.replace(
        model, width=heads * head_dim, num_heads=heads, num_kv_heads=None,
        depth=max(1, round(model.depth * self.generator_depth)),
        mlp_dim=max(1, round(mlp_dim * heads / model.num_heads)),
        embedding_width=model.embedding_width or model.width, tied_head=True)

  def networks(self):
    stack = base.empty_stack(self.raw_length + 2)
    model = self.generator_model()
    return {
        'trunk': (self.trunk(), (stack,)),
        **self._judge().heads(),
        'generator': (self._generator(), (stack,)),
        'generator_head': (self._generator_head(),
                           base.head_arguments(model, self.vocabulary))}

  def init(self, key):
    params = super().init(key)
    del params['generator']['token_embedding']
    for name in _SHARED:
      params['generator'].get('inputs', {}).pop(name, None)
    return params

  def generator_params(self, params):
    """The generator's parameters with the tables it takes from the trunk."""
    trunk, own = params['trunk'], params['generator']
    inputs = {name: trunk['inputs'][name] for name in _SHARED
              if name in trunk.get('inputs', {})}
    return {**own, 'token_embedding': trunk['token_embedding'],
            'inputs': {**own.get('inputs', {}), **inputs}}

  def _generator(self):
    return Trunk(self.generator_model(), 'encoder', self.vocabulary.size)

  def _generator_head(self):
    return LMHead(self.generator_model(), self.vocabulary.size,
                  transform=True, bias=True)

  def _judge(self):
    return JUDGES[self.question](self.model, self.vocabulary)

  # --- the two terms --------------------------------------------------------

  def loss(self, keys, params, batch):
    return self._terms(('generator', self._judge().term), keys, params, batch)

  def _terms(self, names, keys, params, batch):
    """Those of the two terms that are asked for."""
    proposed, found = self.propose(keys, params, batch), {}
    if 'generator' in names:
      found['generator'] = losses.cross_entropy(
          *proposed, batch['targets'], batch['weights'])
    if self._judge().term in names:
      shown = self.replace(batch, losses.sample(
          batch['key'], *proposed, self.numbers['temperature']))
      found[self._judge().term] = self.judge(keys, params, batch, shown)
    return found

  def phases(self):
    if not self.first_stage:
      return super().phases()
    def only(term):
      return functools.partial(self._terms, (term,))
    return [
        phases.Phase(self.first_stage, self, only('generator'),
                     ('trunk', 'generator', 'generator_head')),
        phases.Phase(1 - self.first_stage, self, only(self._judge().term),
                     ('trunk', *self._judge().heads()), self._promoted)]

  def _promoted(self, params):
    """Parameters whose trunk is the generator."""
    return {**params, 'trunk': params['trunk'] | self.generator_params(params)}

  def propose(self, keys, params, batch):
    """The generator's features, table and bias at the predicted places."""
    hidden = self._generator().apply(
        {'params': self.generator_params(params)}, base.stack_of(batch),
        None if keys is None else stream(keys, 'generator'))
    return base.apply_head(
        self._generator_head(), params, base.at(hidden, batch['predicted']),
        self.generator_model(), 'generator_head')

  def replace(self, batch, samples):
    """What the discriminator reads: int32 `[batch, length]`.

    Args:
      batch: a corrupted batch.
      samples: int32 `[batch, predictions]`, the generator's fakes; of a
        position that was drawn twice the later one is shown.
    """
    def one(tokens, predicted, weights, samples):
      order = jnp.arange(predicted.shape[0])
      last = jnp.full(tokens.shape, -1).at[predicted].max(
          jnp.where(weights > 0, order, -1))
      return jnp.where(last >= 0, samples[last], tokens)
    return jax.vmap(one)(batch['tokens'], batch['predicted'],
                         batch['weights'], samples)

  # --- the floors -----------------------------------------------------------

  def outcomes(self, params, batch):
    """What the discriminator is shown, int32 `[batch, length]`, and of each of
    these tokens the generator's chance of drawing it there, float32: reading
    what is shown, and the same with this place masked."""
    shown = self.replace(batch, losses.sample(
        batch['key'], *self.propose(None, params, batch),
        self.numbers['temperature']))
    index = jnp.arange(shown.shape[1])

    def masked_at(place):
      inputs = jnp.where(index[None] == place, self.vocabulary.mask_id, shown)
      return self.chance(params, batch, inputs, shown, place[None])[:, 0]

    return {'shown': shown,
            'chance_shown': self.chance(params, batch, shown, shown, index),
            'chance_masked': jax.lax.map(masked_at, index).T}

  def chance(self, params, batch, inputs, shown, places):
    """The generator's chance of drawing what is shown at `places [n]` if it
    reads `inputs [batch, length]`: float32 `[batch, n]`."""
    places = jnp.broadcast_to(places[None], (len(inputs), places.size))
    proposed = self.propose(
        None, params, dict(batch, inputs=inputs, predicted=places))
    return jnp.exp(-losses.cross_entropy(
        *losses.tempered(*proposed, self.numbers['temperature']),
        base.at(shown, places), jnp.ones(places.shape)).nll)

  def floor(self, law, batch):
    return fakes.floor(self.vocabulary, float(self.numbers['mask_share']),
                       self._judge(), law, batch)

  # --- the trunk's term -----------------------------------------------------

  def judge(self, keys, params, batch, shown):
    """The trunk's term, given what it is shown."""
    return self._judge().score(
        params, self.read_shown(keys, params, batch, shown), shown, batch)

  def read_shown(self, keys, params, batch, shown):
    """The trunk's states of what it is shown."""
    stack = dict(base.stack_of(batch), inputs=shown)
    if 'shown_offset' in batch:
      stack['offset'] = batch['shown_offset']
    return self.trunk().apply(
        {'params': params['trunk']}, stack,
        None if keys is None else stream(keys, 'discriminator'))

  def ways(self):
    if self._judge().term != 'discriminator':
      return {}  # what is asked for is shown, or a guess of it
    return {'energy': ways.Way(
        'energy', 'minus the log-probability that each token is the original, '
        'summed', ways.once, self._asked, self._energy)}

  def _asked(self, window, rank, factor):
    del rank
    arranged = self.arrange(None, window)
    return {'tokens': arranged['tokens'],
            'segment_ids': arranged['segment_ids'],
            'positions': arranged['positions'],
            'noise': jnp.zeros(arranged['tokens'].shape, bool),
            }, {'discriminator': jnp.arange(factor.size + 2) - 1}

  def _energy(self, params, batch):
    return {'discriminator': self.judge(None, params, batch, batch['tokens'])}

  def visibility(self, batch):
    segments = batch['segment_ids']
    return {
        'generator': {'inputs': base.same_segment(
            base.at(segments, batch['predicted']), segments)},
        self._judge().term: {'shown_inputs': base.same_segment(
            base.at(segments, self._judge().places(batch)), segments)}}

  def exempt(self, batch):
    # The trunk is asked about samples, which are made within the loss.
    return {'generator': {'inputs': batch['noise'] & ~batch['hidden']},
            self._judge().term: None}
