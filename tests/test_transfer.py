"""What a trunk is worth: the linear probe, and the states it reads."""

import dataclasses

import jax
import numpy as np
import pytest

from ptm_jax import config, transfer
from ptm_jax.find import find, names
from tests.eager import eager
from tests.objectives.words import VOCABULARY, random_windows


@dataclasses.dataclass
class Task:
  """Three classes with labels in blocks, as tasks give them."""

  num_classes: int = 3
  num_train: int = 40
  shots: int = 20


def labelled(draw, per_class, features, separation):
  """Examples whose class moves one feature each."""
  labels = np.repeat(np.arange(3), per_class)
  states = draw.normal(size=(len(labels), features))
  states[np.arange(len(labels)), labels] += separation
  return states, labels


def probe(separation, features=8):
  draw = np.random.default_rng(0)
  (train, labels), (test, answers) = (
      labelled(draw, 40, features, separation),
      labelled(draw, 200, features, separation))
  return transfer._probe(Task(), {'train': train, 'test': test},
                         {'train': (None, labels), 'test': (None, answers)})


def test_the_probe_reads_what_is_there():
  assert np.mean(probe(8.0)) == 1.0
  assert 0.5 < np.mean(probe(1.5)) < 0.95


def test_the_probe_reads_nothing_where_there_is_nothing():
  assert np.mean(probe(0.0)) == pytest.approx(1 / 3, abs=0.06)


def test_the_score_is_over_disjoint_sets():
  # Two classifiers of 20 per class: each example counts 0, 1/2 or 1.
  assert set(np.unique(probe(1.0))) == {0.0, 0.5, 1.0}


def test_a_constant_feature_changes_nothing():
  draw = np.random.default_rng(1)
  train, labels = labelled(draw, 40, 6, 1.5)
  test, answers = labelled(draw, 50, 6, 1.5)
  data = {'train': (None, labels), 'test': (None, answers)}
  plain = transfer._probe(Task(), {'train': train, 'test': test}, data)
  padded = transfer._probe(Task(), {
      name: np.concatenate([x, np.full((len(x), 1), 3.0)], 1)
      for name, x in (('train', train), ('test', test))}, data)
  assert np.array_equal(plain, padded)


# What reads a text is the trunk's form, and how an objective arranges it; so
# one objective stands for all of the same form that read alike.
READERS = {(one.forms[0], one.read, one.all_features): name
           for name in names('objectives')
           for one in [find('objectives', name)]}


@pytest.mark.parametrize('name', READERS.values())
@pytest.mark.parametrize('scan', [False, True], ids=['unrolled', 'scanned'])
def test_states_of_every_depth(name, scan):
  objective = find('objectives', name)().bind(
      config.Model(depth=4, width=16, num_heads=2, scan_layers=scan),
      VOCABULARY, 16)
  params = {'trunk': eager(objective.init, jax.random.key(0))['trunk']}
  windows = random_windows(3, 16, padding=4)
  states, mask = objective.all_features(params, windows)
  final, other = objective.features(params, windows)
  layers = {'encoder_decoder': 2, 'embedding': 0}.get(
      objective.model.form, 4)
  assert len(states) == layers + 1
  assert all(one.shape == final.shape for one in states)
  np.testing.assert_allclose(states[-1], final, atol=1e-6)
  assert np.array_equal(mask, other)
  # The embeddings know nothing of the neighbours, what follows does.
  changed = dict(windows, tokens=windows['tokens'].copy())
  changed['tokens'][:, 0] = VOCABULARY.size - 1
  # Without special tokens the first state is the first token's.
  again, _ = objective.all_features(params, changed)
  moved = [np.any(np.abs(a - b) > 1e-7, axis=-1)
           for a, b in zip(states, again, strict=True)]
  assert np.all(moved[0].sum(1) == 1)
  assert moved[-1].sum() > 3 or not layers
