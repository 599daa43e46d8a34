"""What objectives share that are made of others: sums and mixtures."""

import copy
import dataclasses
import math

from ptm_jax.config import Component
from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.objectives import base
from ptm_jax.rng import stream


@dataclasses.dataclass
class Combination(base.BaseObjective):
  """Several objectives with one trunk.

  What a member alone has is kept under its name: numbers, sizes, and fields of
  a batch with a slash, `masked/targets`.

  Attributes:
    members: objectives by name.
  """

  members: dict[str, Component] = dataclasses.field(default_factory=dict)

  def validate(self):
    if len(self.members) < 2:
      raise ConfigError(f'objective.members: {self._article} has at least two')
    for name, member in self.members.items():
      if not name.isidentifier():
        raise ConfigError(f'objective.members: {name!r} is no name: use '
                          'letters, digits and _')
      member.validate()
      self.check_member(name, member)

  @property
  def _article(self):
    return f'a {name_of(self)[1]}'

  def check_member(self, name, member):
    """Raises ConfigError if an objective cannot be a member."""
    raise NotImplementedError

  def check_weights(self, field):
    """Raises ConfigError unless a field gives members numbers of at least 0.
    """
    weights = getattr(self, field)
    unknown = set(weights) - set(self.members)
    if unknown:
      raise ConfigError(f'objective.{field} names {sorted(unknown)}, which are '
                        f'not among the members {sorted(self.members)}')
    for name, weight in weights.items():
      if weight < 0:
        raise ConfigError(f'objective.{field}.{name}={weight} is negative')

  # --- what the members say, together ---------------------------------------

  @property
  def partner(self):
    return next((member.partner for member in self.members.values()
                 if member.partner), None)

  @property
  def needs_sentences(self):
    return any(member.needs_sentences for member in self.members.values())

  @property
  def equal_windows(self):
    return any(member.equal_windows for member in self.members.values())

  @property
  def needs_lower_case(self):
    return any(member.needs_lower_case for member in self.members.values())

  @property
  def group_size(self):
    return math.lcm(*(one.group_size for one in self.members.values()))

  @property
  def traced(self):
    return tuple(f'members.{name}.{field}'
                 for name, member in self.members.items()
                 for field in member.traced)

  def raw_fields(self):
    return {field: annotator for member in self.members.values()
            for field, annotator in member.raw_fields().items()}

  def model_of(self, member, model):
    """The model as a member is bound to it."""
    del member
    return model

  def bind(self, model, vocabulary, raw_length, sizes=None):
    unbound = copy.copy(self)
    unbound.members = {
        name: member.bind(self.model_of(member, model), vocabulary,
                          raw_length, part(sizes or {}, name))
        for name, member in self.members.items()}
    return super(Combination, unbound).bind(
        model, vocabulary, raw_length, sizes)

  def ways(self):
    return next(filter(None, (one.ways() for one in self.members.values())),
                {})

  def rebuilt(self, numbers, progress=1.0):
    rebuilt = super().rebuilt(numbers, progress)
    rebuilt.members = {name: member.rebuilt(numbers[name], progress)
                       for name, member in self.members.items()}
    return rebuilt

  def make_numbers(self):
    return {name: member.numbers for name, member in self.members.items()}

  def make_sizes(self):
    return {f'{name}/{size}': value for name, member in self.members.items()
            for size, value in member.sizes.items()}


@dataclasses.dataclass
class Separate(Combination):
  """A combination whose members corrupt the text each in its own way.

  Their terms are named MEMBER_TERM.
  """

  def lengths(self):
    found = {}
    for member in self.members.values():
      for stack, length in member.lengths().items():
        found[stack] = max(length, found.get(stack, 0))
    return found

  def num_positions(self):
    return max(one.num_positions() for one in self.members.values())

  def corrupt_each(self, key, windows):
    """Every member's example of its own window, under the member's name."""
    return {f'{name}/{field}': value
            for name, member in self.members.items()
            for field, value in member.corrupt(
                stream(key, name), windows[name]).items() if field != 'key'}

  def views(self, batch):
    """Each member's name, itself and the batch as it sees it."""
    common = {field: value for field, value in batch.items()
              if '/' not in field}
    for name, member in self.members.items():
      yield name, member, {**common, **part(batch, name)}

  def visibility(self, batch):
    return joined(_under(name, member.visibility(view))
                  for name, member, view in self.views(batch))

  def exempt(self, batch):
    return joined(_under(name, member.exempt(view))
                  for name, member, view in self.views(batch))

  def floor(self, law, batch):
    return joined(named(name, member.floor(law, view))
                  for name, member, view in self.views(batch))


def scores_one_reading(kind):
  """Whether objectives of a class score the states of a trunk that reads
  once, so that another's states will do."""
  return (issubclass(kind, base.BaseObjective)
          and kind.loss is base.BaseObjective.loss
          and not issubclass(kind, Combination))


def part(values, name):
  """Those of `values` under a name, without it."""
  return {key.removeprefix(f'{name}/'): value for key, value in values.items()
          if key.startswith(f'{name}/')}


def joined(dicts):
  """One dict of all."""
  return {key: value for one in dicts for key, value in one.items()}


def named(member, terms):
  """Values by term, under the names that a member's terms have."""
  return {f'{member}_{term}': value for term, value in terms.items()}


def _under(member, terms):
  """Terms and the stacks that they speak of, under a member's name."""
  return named(member, {
      term: None if stacks is None else {
          f'{member}/{stack}': value for stack, value in stacks.items()}
      for term, stacks in terms.items()})
