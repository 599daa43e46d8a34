"""Masked diffusion: its weights, its law, and that its bound is a likelihood.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.objectives import noise
from tests.objectives.cases import bound, corrupt
from tests.objectives.test_masked import rebuild  # noqa: F401
from tests.objectives.words import random_windows, show, window

FIELDS = {}
LEARNS = {'diffusion': 3.6}


def test_vector(monkeypatch):
  # Two of four tokens are hidden: each costs twice its nll.
  monkeypatch.setattr(jax.random, 'randint', lambda *arguments: jnp.int32(2))
  monkeypatch.setattr(noise, 'distinct_positions', lambda *arguments: (
      jnp.asarray([0, 1, 0, 0, 1, 0, 0], bool), None))
  one = bound('masked_diffusion', length=5).corrupt(
      jax.random.key(0), window('a b c d .'))
  assert show(one['inputs']) == '[CLS] [M] b c [M] [SEP] .'
  assert one['costs'].tolist() == [0, 2, 0, 0, 2, 0, 0]
  assert one['weights'].tolist() == [0, 1, 1, 1, 1, 0, 0]


def test_every_example_costs_as_much_as_it_has_tokens():
  """So a constant predictor is scored with its exact likelihood."""
  batch = corrupt(bound('masked_diffusion', length=12),
                  random_windows(300, 12, 2, 3))
  np.testing.assert_allclose(batch['costs'].sum(1), 9, rtol=1e-5)
  counts = np.bincount(np.asarray(batch['noise']).sum(1), minlength=10)
  assert counts[0] == 0 and counts[1:].min() > 12, 'all numbers occur'
  assert np.abs(counts[1:] - 300 / 9).max() < 23  # 4 standard errors


def test_exact_conditionals_give_the_exact_likelihood():
  """A language of three tokens over {a, b}, its law a random table."""
  law = np.random.default_rng(0).dirichlet(np.ones(8)).reshape(2, 2, 2)
  text = window('b a b')
  objective = bound('masked_diffusion', length=3)
  examples = jax.jit(jax.vmap(lambda key: objective.corrupt(key, text)))(
      jax.random.split(jax.random.key(1), 3000))
  hidden = np.asarray(examples['noise'])[:, 1:-1]
  costs = np.asarray(examples['costs'])[:, 1:-1]
  truth = (1, 0, 1)

  def nll(mask, place):
    """Of the token at `place`, given the tokens that are not masked."""
    fits = [x for x in itertools.product((0, 1), repeat=3)
            if all(m or a == b for a, b, m in zip(x, truth, mask))]
    right = sum(law[x] for x in fits if x[place] == truth[place])
    return -np.log(right / sum(law[x] for x in fits))

  table = {mask: np.asarray([nll(mask, place) for place in range(3)])
           for mask in set(map(tuple, hidden.tolist()))}
  totals = np.asarray([np.sum(cost * table[tuple(mask)])
                       for mask, cost in zip(hidden.tolist(), costs)])
  error = totals.std() / np.sqrt(len(totals))
  assert totals.mean() == pytest.approx(-np.log(law[truth]), abs=4 * error)
  assert error < 0.02
