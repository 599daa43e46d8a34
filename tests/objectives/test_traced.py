"""`traced` names exactly the fields in which trials may differ and still share
a program: the traced step is then the same, letter by letter.
"""

import dataclasses

import jax
import pytest
from flax.core import meta

from ptm_jax import budget
from ptm_jax.errors import PtmError
from ptm_jax.find import find
from ptm_jax.objectives import phases
from ptm_jax.rng import stream
from tests.objectives.cases import LENGTH, MODEL, NAMES, VOCABULARY, case


def moved(objective, name):
  """The objective with another value in one field, or None if none works."""
  value = getattr(objective, name)
  for other in (1.0, value / 2, value + 1.0):
    if other == value:
      continue
    found = dataclasses.replace(objective, **{name: other})
    try:
      found.validate()
      bind(found)
    except PtmError:
      continue
    return found
  return None


def program(objective, sizes):
  """What an update computes of an objective, as text with its constants: its
  gradient follows from it, and the optimizer knows no objective."""
  bound = bind(objective, sizes)

  def update(key, numbers, progress, params, windows):
    keys = stream(jax.random.split(key, 2), 'dropout')
    return [(phase.enter(params) if phase.enter else None,
             phase.loss(keys, params,
                        phase.objective.corrupt_batch(key, windows)))
            for phase in bound.rebuilt(numbers, progress).phases()]

  params = meta.unbox(jax.eval_shape(bound.init, jax.random.key(0)))
  jaxpr = jax.make_jaxpr(update)(jax.random.key(0), bound.numbers,
                                 bound.progress, params,
                                 budget.full_windows(bound, 2))
  return (str(jaxpr), phases.starts(bound.phases(), 10),
          [getattr(one, 'tolist', lambda one=one: one)()
           for one in jaxpr.consts])


def bind(objective, sizes=None):
  return objective.bind(MODEL, VOCABULARY, LENGTH, sizes)


def same(one, other, made):
  """Whether two objectives' trials can share a program; `made` keeps those
  that are asked for again."""
  bound = [bind(part) for part in (one, other)]
  sizes = {key: max(part.sizes[key] for part in bound)
           for key in bound[0].sizes}
  for part in one, other:
    key = repr(part), repr(sizes)
    if key not in made:
      made[key] = program(part, sizes)
  return (made[repr(one), repr(sizes)] == made[repr(other), repr(sizes)])


@pytest.mark.parametrize('name', NAMES)
def test_traced_fields_are_those_that_leave_the_program_alone(name):
  objective = find('objectives', name)(**case(name).FIELDS)
  numbers = [field.name for field in dataclasses.fields(objective)
             if isinstance(getattr(objective, field.name), float)]
  traced, made = objective, {}
  for field in set(numbers) & set(objective.traced):
    traced = moved(traced, field) or traced
  if traced is not objective:
    assert same(objective, traced, made), (
        'a field in `traced` changes the program')
  for field in set(numbers) - set(objective.traced):
    other = moved(objective, field)
    assert other is None or not same(objective, other, made), (
        f'{field} leaves the program as it is: name it in `traced`')
