"""One objective for a share of the run, then another.

Such as a few epochs of language modelling before masked LM, or after it
(Gisserot-Boukhlef et al. 2025, arXiv:2507.00994).
"""

import copy
import dataclasses

import jax
import jax.numpy as jnp
from flax.core import meta

from ptm_jax.config import Component
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import autoregressive, masked, members
from ptm_jax.objectives.phases import Phase
from ptm_jax.rng import stream


def _causal_then_masked():
  return {'autoregressive': autoregressive.Objective(),
          'masked': masked.Objective()}


@dataclasses.dataclass
class Objective(members.Separate):
  """One trunk, trained by its members one after the other.

  Forms may differ where the trunk's parameters do not: a causal decoder goes
  on as an encoder. Networks besides the trunk are shared where they are the
  same, else each member has its own; those that a phase does not train are
  neither updated nor decayed. The learning rate has one schedule for the whole
  run; what a member schedules by itself runs over its own phase. Evaluations
  score all members; the trunk is read as the last one reads it.

  Attributes:
    members: objectives by name, in their order; by default causal LM, then
      masked LM.
    shares: of the run's updates, relative to the others; 1 where a member is
      not named.
  """

  members: dict[str, Component] = dataclasses.field(
      default_factory=_causal_then_masked)
  shares: dict[str, float] = dataclasses.field(default_factory=dict)

  forms = ('encoder',)  # of the last member; see `bind`

  def validate(self):
    super().validate()
    self.check_weights('shares')
    for name, share in self._shares().items():
      if not share:
        raise ConfigError(f'objective.shares.{name}=0.0: the member is never '
                          'trained; leave it out')

  def check_member(self, name, member):
    if isinstance(member, Objective):
      raise ConfigError(f'objective.members.{name} is trained in phases '
                        'itself, so it is no member of a schedule')

  def _shares(self):
    """Each member's share of the run."""
    given = {name: self.shares.get(name, 1.0) for name in self.members}
    total = sum(given.values())
    return {name: share / total for name, share in given.items()}

  # --- what the members say, together ---------------------------------------

  @property
  def _last(self):
    return list(self.members.values())[-1]

  def model_of(self, member, model):
    return model if model.form in member.forms else dataclasses.replace(
        model, form='auto')

  def bind(self, model, vocabulary, raw_length, sizes=None):
    unbound = copy.copy(self)
    unbound.forms = self._last.forms
    bound = super(Objective, unbound).bind(
        model, vocabulary, raw_length, sizes)
    bound.model = bound._last.model
    trunks = {name: jax.eval_shape(lambda one=member: _unboxed_trunk(one))
              for name, member in bound.members.items()}
    first = next(iter(trunks))
    for name, trunk in trunks.items():
      if trunk != trunks[first]:
        raise ConfigError(f'objective.members.{name} has another trunk than '
                          f'{first}: its parameters cannot go on from it')
    return bound

  def rebuilt(self, numbers, progress=1.0):
    rebuilt, done = super().rebuilt(numbers, progress), 0.0
    for name, share in self._shares().items():
      own = jnp.clip((progress - done) / share, 0.0, 1.0)
      rebuilt.members[name] = rebuilt.members[name].rebuilt(
          numbers[name], own)
      done += share
    return rebuilt

  def coefficients(self):
    return members.joined(members.named(name, member.coefficients())
                          for name, member in self.members.items())

  def _names(self):
    """Each member's networks and the names they have here."""
    found, modules = {}, {}
    for name, member in self.members.items():
      found[name] = {}
      for network, (module, _) in member.networks().items():
        shared = network == 'trunk' or modules.setdefault(
            network, module) == module
        found[name][network] = network if shared else f'{name}_{network}'
    return found

  def networks(self):
    return {here: self.members[name].networks()[network]
            for name, names in reversed(self._names().items())
            for network, here in names.items()}

  def init(self, key):
    names, params = self._names(), {}
    for name, member in self.members.items():
      for network, values in member.init(key).items():
        params.setdefault(names[name].get(network, network), values)
    return params

  def ways(self):
    # Of the last member, whose parameters are the freshest.
    name = list(self.members)[-1]
    names = self._names()[name].items()
    return {key: way._replace(loss=lambda params, batch, loss=way.loss: loss(
        {network: params[here] for network, here in names}, batch))
            for key, way in self._last.ways().items()}

  # --- one after the other --------------------------------------------------

  def corrupt(self, key, window):
    return {**self.corrupt_each(key, dict.fromkeys(self.members, window)),
            'key': stream(key, 'sampling')}

  def read(self, window):
    return self._last.read(window)

  def loss(self, keys, params, batch):
    return members.joined(self._loss(name, keys, params, view)
                          for name, _, view in self.views(batch))

  def _loss(self, name, keys, params, batch):
    """One member's terms, by their names here."""
    return members.named(name, self.members[name].loss(
        keys, self._own(name, params), batch))

  def _own(self, name, params):
    """One member's parameters, by its own names of the networks."""
    return {network: params[here]
            for network, here in self._names()[name].items()}

  def outcomes(self, params, batch):
    return {f'{name}/{field}': value
            for name, member, view in self.views(batch)
            for field, value in member.outcomes(
                self._own(name, params), view).items()}

  def phases(self):
    names = self._names()
    return [Phase(share, self.members[name],
                  lambda keys, params, batch, name=name: self._loss(
                      name, keys, params, batch),
                  tuple(names[name].values()))
            for name, share in self._shares().items()]


def _unboxed_trunk(member):
  return meta.unbox(member.init(jax.random.key(0)))['trunk']
