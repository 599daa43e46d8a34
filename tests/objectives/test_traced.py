"""`traced` names exactly the fields in which trials may differ and still share
a program: the traced step is then the same, letter by letter.
"""

import dataclasses

import jax
import pytest

from ptm_jax import budget, config
from ptm_jax.errors import PtmError
from ptm_jax.find import find
from ptm_jax.step import make_hparams, make_init, make_train_step
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
      found.bind(MODEL, VOCABULARY, LENGTH)
    except PtmError:
      continue
    return found
  return None


def program(objective, sizes):
  """The step as text, the constants in it included."""
  bound = objective.bind(MODEL, VOCABULARY, LENGTH, sizes)
  optimizer = config.Optimizer('sgd')
  state = jax.eval_shape(make_init(bound, optimizer, 10), jax.random.key(0),
                         make_hparams(bound, optimizer))
  jaxpr = jax.make_jaxpr(make_train_step(bound, optimizer, 10))(
      state, budget.full_windows(bound, 2))
  return str(jaxpr), [getattr(one, 'tolist', lambda one=one: one)()
                      for one in jaxpr.consts]


def same(one, other):
  """Whether two objectives' trials can share a program."""
  bound = [part.bind(MODEL, VOCABULARY, LENGTH) for part in (one, other)]
  sizes = {key: max(part.sizes[key] for part in bound)
           for key in bound[0].sizes}
  return program(one, sizes) == program(other, sizes)


@pytest.mark.parametrize('name', NAMES)
def test_traced_fields_are_those_that_leave_the_program_alone(name):
  objective = find('objectives', name)(**case(name).FIELDS)
  numbers = [field.name for field in dataclasses.fields(objective)
             if isinstance(getattr(objective, field.name), float)]
  traced = objective
  for field in set(numbers) & set(objective.traced):
    traced = moved(traced, field) or traced
  if traced is not objective:
    assert same(objective, traced), 'a field in `traced` changes the program'
  for field in set(numbers) - set(objective.traced):
    other = moved(objective, field)
    assert other is None or not same(objective, other), (
        f'{field} leaves the program as it is: name it in `traced`')
