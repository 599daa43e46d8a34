"""What the shared tests know of an objective, from its own test file.

`tests/objectives/test_NAME.py` defines, besides its own tests,
  FIELDS   fields that suit a window of `LENGTH` tokens
  LEARNS   `{term: nats per prediction that 60 updates on a batch reach}`;
           of masked letters about 3.5, of seen ones, labels less
  rebuild  `(one corrupted example) -> the window's tokens`, unless the
           objective is named in `LOSSY` of test_objectives.py
"""

import dataclasses
import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import budget
from ptm_jax.config import Model
from ptm_jax.find import find, names
from ptm_jax.leaks import Prover, num_windows
from ptm_jax.rng import example_keys
from tests.objectives.words import VOCABULARY

MODEL = Model(depth=2, width=8, num_heads=2, max_length=256)
LENGTH = 12
NAMES = names('objectives')
PAIRS = [(name, form) for name in NAMES
         for form in find('objectives', name).forms]
# Documents in a window and tokens of padding.
PACKINGS = {'one document': (1, 0), 'packed': (3, 0), 'padded': (1, 3),
            'packed and padded': (2, 2)}


def case(name):
  """The test module of an objective."""
  return importlib.import_module(f'tests.objectives.test_{name}')


def bound(name, form='auto', length=LENGTH, model=MODEL, **fields):
  """An objective with its case's fields, bound to a small model."""
  objective = find('objectives', name)(**{**case(name).FIELDS, **fields})
  objective.validate()
  return objective.bind(dataclasses.replace(model, form=form), VOCABULARY,
                        length)


def corrupt(objective, windows, seed=0):
  keys = example_keys(jax.random.key(seed), windows['index'],
                      windows['epoch'])
  return jax.jit(jax.vmap(objective.corrupt))(keys, windows)


@functools.cache
def prover(name, form='auto'):
  """Its programs are shared by all tests of an objective's form; `corrupt`
  is compiled for one number of windows, whatever it is given."""
  shared = Prover(bound(name, form))
  shared.corrupt = _in_one_shape(shared.corrupt, shared.objective)
  return shared


def _in_one_shape(corrupt, objective):
  """`corrupt` of up to as many windows as `Prover.data` makes of the usual
  ones; fewer are repeated to that number, and the repetitions cut off."""
  fields = budget.full_windows(objective, 1)
  rows = num_windows(objective) * LENGTH

  def corrupt_some(windows):
    count = len(windows['index'])
    assert count <= rows, f'more than {rows} windows'
    batch = corrupt({name: np.resize(windows[name],
                                     (rows, *windows[name].shape[1:]))
                     for name in fields})
    key = batch.pop('key')[:count]
    return {'key': key, **jax.tree.map(
        lambda x: jnp.asarray(np.asarray(x)[:count]), batch)}

  return corrupt_some
