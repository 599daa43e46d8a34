"""Several objectives on one batch: their terms are added, with a factor each.

BERT is such a sum (Devlin et al. 2019, arXiv:1810.04805, section 3.1), and so
are ALBERT and StructBERT.
"""

import dataclasses

import numpy as np

from ptm_jax.config import Component
from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.objectives import (base, channel, ideal, masked, members,
                                next_sentence)
from ptm_jax.rng import stream


def _bert():
  return {'masked': masked.Objective(),
          'next_sentence': next_sentence.Objective()}


@dataclasses.dataclass
class Objective(members.Combination):
  """One trunk, one reading of the text, the terms of all members.

  At most one member arranges the text (cuts it into parts, takes a partner)
  and at most one changes tokens; the others read what these two made. Each
  member's term is a mean of its own. A member of the sum must score the
  states of an encoder that reads once: `score`, not `loss`, is its own.

  Attributes:
    members: objectives by name; by default BERT's two.
    factors: of a member's terms, beside its own; 1 where it is not named.
  """

  members: dict[str, Component] = dataclasses.field(default_factory=_bert)
  factors: dict[str, float] = dataclasses.field(default_factory=dict)

  forms = ('encoder',)

  def validate(self):
    super().validate()
    for role in 'arranges', 'changes':
      _most_one(self.members, role)
    self.check_weights('factors')

  def check_member(self, name, member):
    if not composes(type(member)):
      raise ConfigError(f'objective.members.{name}: {name_of(member)[1]} '
                        'does not score one reading of an encoder, so it is '
                        'no member of a sum')

  # --- what the members say, together ---------------------------------------

  @property
  def traced(self):
    return (*super().traced, 'factors')

  def noise_visit(self, epoch):
    return self._by_role('changes').noise_visit(epoch)

  def bind(self, model, vocabulary, raw_length, sizes=None):
    bound = super().bind(model, vocabulary, raw_length, sizes)
    for kind, names in (('a term', bound._names('coefficients')),
                        ('a network', bound._names('networks', 'trunk'))):
      twice = {name for name in names if names.count(name) > 1}
      if twice:
        raise ConfigError(f'objective.members: two have {kind} named '
                          f'{min(twice)}, so they are no sum')
    return bound

  def _names(self, method, *without):
    return [name for member in self.members.values()
            for name in getattr(member, method)() if name not in without]

  def lengths(self):
    return self._by_role('arranges').lengths()

  def coefficients(self):
    return {term: self.factors.get(name, 1.0) * value
            for name, member in self.members.items()
            for term, value in member.coefficients().items()}

  def networks(self):
    heads = members.joined(one.networks() for one in self.members.values())
    return {**heads, 'trunk': self._by_role('arranges').networks()['trunk']}

  # --- one text for all -----------------------------------------------------

  def _by_role(self, role):
    """The member that has a role, or the first one."""
    return next((member for member in self.members.values()
                 if getattr(member, role)), next(iter(self.members.values())))

  def arrange(self, key, window):
    return self._by_role('arranges').arrange(key, window)

  def noise(self, key, arranged):
    # What a member alone reads stands under its name.
    found = {name: member.noise(stream(key, name), arranged)
             for name, member in self.members.items()}
    result = {f'{name}/{field}': value for name, example in found.items()
              for field, value in example.items()}
    last = next(name for name, member in self.members.items()
                if member is self._by_role('changes'))
    for example in (*found.values(), found[last]):
      result.update({field: value for field, value in example.items()
                     if field in (*base.STACK, 'noise')})
    return result

  def read(self, window):
    return self._by_role('arranges').read(window)

  def _views(self, batch):
    """Each member and the batch as it sees it."""
    common = {field: value for field, value in batch.items()
              if '/' not in field}
    for name, member in self.members.items():
      yield member, {**members.part(batch, name), **common}

  def score(self, params, hidden, batch):
    return members.joined(member.score(params, hidden, view)
                          for member, view in self._views(batch))

  def visibility(self, batch):
    return members.joined(member.visibility(view)
                          for member, view in self._views(batch))

  def exempt(self, batch):
    return members.joined(member.exempt(view)
                          for member, view in self._views(batch))


  def floor(self, law, batch):
    asks, changes = self._by_role('arranges'), self._by_role('changes')
    views = dict(enumerate(self._views(batch)))
    found = {}
    if asks.arranges:  # it is not told where the parts stood
      (here, own), = ((number, view) for number, (member, view) in
                      views.items() if member is asks)
      del views[here]
      law = asks.parted(law, own, self._is_text(batch))
      if law is None:
        return {}
    found = members.joined(member.floor(law, view)
                           for member, view in views.values())
    if asks.arranges and (found or not changes.changes):
      evidence = channel.seen(
          law, ideal.symbols(self.vocabulary, batch['inputs']),
          self._is_text(batch), batch['noise'],
          getattr(changes, 'mask_share', 1.0),
          getattr(changes, 'random_share', 0.0))
      found.update(asks.answers(law, *evidence, own))
    return found

  def _is_text(self, batch):
    special = self.vocabulary.cls_id, self.vocabulary.sep_id
    return (np.asarray(batch['segment_ids']) > 0) & ~np.isin(
        batch['inputs'], special)


def composes(kind):
  """Whether objectives of a class may be members of a sum."""
  return (members.scores_one_reading(kind) and 'encoder' in kind.forms
          and kind.stack is base.BaseObjective.stack)


def _most_one(members_, role):
  found = [name for name, member in members_.items() if getattr(member, role)]
  if len(found) > 1:
    what = {'arranges': 'cut the text into parts',
            'changes': 'change tokens'}[role]
    raise ConfigError(f'objective.members: {" and ".join(found)} both {what}; '
                      'one of a sum may')
