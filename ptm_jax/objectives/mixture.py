"""One of several objectives for each example, drawn by rate.

UniLM, GPT-BERT and UL2 mix objectives so; this mixes any that share a form
(Tay et al. 2022, arXiv:2205.05131, section 3.1, for the idea in general).
"""

import copy
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.config import Component
from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.objectives import members, prefix_lm, span_corruption
from ptm_jax.rng import stream

FORMS = 'encoder_decoder', 'prefix', 'encoder', 'decoder'


def _denoise_and_continue():
  return {'span_corruption': span_corruption.Objective(),
          'prefix_lm': prefix_lm.Objective()}


@dataclasses.dataclass
class Objective(members.Separate):
  """One trunk, which reads each example as the member has it that was drawn.

  All members corrupt every example, but to those that were not drawn it shows
  padding, so that they have no prediction in it; the trunk runs once, on
  stacks as long as the longest member's. A member's terms are means over its
  own predictions, named MEMBER_TERM, and are weighted by the member's rate.
  Members share networks of the same name.

  Attributes:
    members: objectives by name, of a form that all of them fit; by default
      span corruption and prefix LM.
    rates: how often each is drawn, relative to the others; 1 where it is not
      named.
  """

  members: dict[str, Component] = dataclasses.field(
      default_factory=_denoise_and_continue)
  rates: dict[str, float] = dataclasses.field(default_factory=dict)

  forms = ('encoder_decoder', 'prefix')  # of these two; see `bind`

  def validate(self):
    super().validate()
    self.check_weights('rates')
    if not sum(self._rates()):
      raise ConfigError('objective.rates are all 0: no member is ever drawn')

  def check_member(self, name, member):
    if not composes(type(member)):
      raise ConfigError(
          f'objective.members.{name}: {name_of(member)[1]} does not score one '
          f'reading as {", ".join(FORMS)}, so it is no member of a mixture')
    if member.num_segments > 1:
      raise ConfigError(f'objective.members.{name}.num_segments='
                        f'{member.num_segments}: a mixture reads each window '
                        'at once, without memory; leave it 1')
    if getattr(member, 'static_masks', None):
      raise ConfigError(f'objective.members.{name}.static_masks='
                        f'{member.static_masks}: the noise of a mixture is '
                        'drawn anew at every visit; leave it None')

  def _rates(self):
    return [self.rates.get(name, 1.0) for name in self.members]

  def _shares(self):
    return [rate / sum(self._rates()) for rate in self._rates()]

  # --- what the members say, together ---------------------------------------

  @property
  def traced(self):
    return (*super().traced, 'rates')

  @property
  def kinds(self):
    return len(self.members)

  def bind(self, model, vocabulary, raw_length, sizes=None):
    unbound = copy.copy(self)
    unbound.forms = tuple(form for form in FORMS if all(
        form in member.forms for member in self.members.values()))
    if not unbound.forms:
      each = '; '.join(f'{name} fits {", ".join(member.forms)}'
                       for name, member in self.members.items())
      raise ConfigError(f'objective.members share no attention form: {each}')
    if model.form == 'auto':
      model = dataclasses.replace(model, form=unbound.forms[0])
    bound = super(Objective, unbound).bind(
        model, vocabulary, raw_length, sizes)
    bound._check_networks()
    return bound

  def _check_networks(self):
    found = {}
    for name, member in self.members.items():
      for network, (module, _) in member.networks().items():
        if found.setdefault(network, module) != module:
          raise ConfigError(f'objective.members.{name} has another network '
                            f'{network!r} than the members before it')

  def make_numbers(self):
    return {**super().make_numbers(),
            '/rates': np.cumsum(self._shares()).astype(np.float32)}

  def coefficients(self):
    return {f'{name}_{term}': share * value
            for share, (name, member) in zip(
                self._shares(), self.members.items(), strict=True)
            for term, value in member.coefficients().items()}

  def networks(self):
    each = [member.networks() for member in self.members.values()]
    stacks = _padded([one['trunk'][1][0] for one in each])
    return {**members.joined(each), 'trunk': (
        self.trunk(), (members.joined(stacks),))}

  # --- a text for each ------------------------------------------------------

  def corrupt(self, key, window):
    draw = jax.random.uniform(stream(key, 'member'))
    chosen = jnp.sum(draw >= self.number('/rates')[:-1], dtype=jnp.int32)
    shown = {name: {
        field: value if value.ndim == 0 else jnp.where(
            chosen == number, value, 0) for field, value in window.items()}
             for number, name in enumerate(self.members)}
    return {**self.corrupt_each(key, shown), 'member': chosen,
            'key': stream(key, 'sampling')}

  def read(self, window):
    return next(iter(self.members.values())).read(window)

  def stack(self, batch):
    stacks = _padded([member.stack(view)
                      for _, member, view in self.views(batch)])
    def choose(*values):
      drawn = batch['member'].reshape((-1,) + (1,) * (values[0].ndim - 1))
      return jnp.select([drawn == number for number in range(len(values))],
                        values)
    return jax.tree.map(choose, *stacks)

  def score(self, params, hidden, batch):
    terms = {}
    for name, member, view in self.views(batch):
      stack = member.stack(view)
      rows = stack.get('inputs', stack.get('decoder_inputs')).shape[1]
      terms.update(members.named(
          name, member.score(params, hidden[:, :rows], view)))
    return terms


def composes(kind):
  """Whether objectives of a class may be members of a mixture."""
  return members.scores_one_reading(kind) and bool(
      set(FORMS) & set(kind.forms))


def _padded(stacks):
  """Stacks with the fields and the lengths of all of them.

  A stack without a field that others have gets what the field means by
  default: one token type, no prefix, everything visible.
  """
  fields = members.joined(stacks)
  full = []
  for stack in stacks:
    stack = dict(stack)
    for name in fields.keys() - stack.keys():
      prefix = name[:name.find('_') + 1] if name.startswith(
          ('encoder_', 'decoder_')) else ''
      segments = stack[f'{prefix}segment_ids']
      if name.endswith('cross_segment_ids'):
        stack[name] = segments
      elif name.endswith('visibility'):
        stack[name] = jnp.ones((*segments.shape, segments.shape[1]), bool)
      elif name.endswith('prefix_length'):
        stack[name] = jnp.zeros(segments.shape[:1], jnp.int32)
      else:
        like = fields[name]
        stack[name] = jnp.zeros((*segments.shape, *like.shape[2:]), like.dtype)
    full.append(stack)
  shapes = {name: np.max([stack[name].shape for stack in full], 0)
            for name in fields}
  return [{name: jnp.pad(value, [
      (0, wide - here) for wide, here in zip(
          shapes[name], value.shape, strict=True)])
           for name, value in stack.items()} for stack in full]
