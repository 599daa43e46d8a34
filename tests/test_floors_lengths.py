"""Floors where lengths are hidden, against all texts under all noises."""

import dataclasses
import itertools
import math

import jax
import numpy as np
import pytest

from ptm_jax.objectives import ideal
from tests.sources.test_laws import joint
from tests.test_floors import (DOCUMENTS, LAW, MODEL, SYMBOLS,
                               VOCABULARY, bind, corrupted, windows)

LENGTH = 5
TEXTS = np.array(list(itertools.product(range(SYMBOLS), repeat=LENGTH)))


def noises(objective, chance, keys=6000):
  """All noises that a window can get, as batches of all `TEXTS` and chances.

  Args:
    objective: bound.
    chance: of an example of a window whose tokens are all different, up to a
      factor that what is seen tells.
    keys: draws; as many as find every noise.
  """
  probe = windows(40 + np.arange(LENGTH)[None])  # neither text nor marks
  probe = {name: np.asarray(value[0], np.int32)
           for name, value in probe.items()}
  draw = jax.jit(jax.vmap(objective.corrupt, (0, None)))
  drawn = jax.tree.map(np.asarray, {
      name: value for name, value in draw(jax.vmap(jax.random.key)(
          np.arange(keys)), probe).items() if name != 'key'})
  found = {}
  for number in range(keys):
    one = {name: value[number] for name, value in drawn.items()}
    found.setdefault(b''.join(
        value.tobytes() for _, value in sorted(one.items())), (number, one))
  raw = {name: np.asarray(value, np.int32)
         for name, value in windows(TEXTS).items()}
  corrupt = jax.jit(jax.vmap(objective.corrupt, (None, 0)))
  for number, one in found.values():
    batch = corrupt(jax.random.key(number), raw)
    yield {name: np.asarray(value) for name, value in batch.items()
           if name != 'key'}, chance(one)


def check(objective, law, drawn, rng, count=12):
  """Floors of some predictions are those of all that looks the same."""
  chance = joint(law, LENGTH).ravel()
  weight = np.concatenate([share * chance for _, share in drawn])
  batch = {name: np.concatenate([one[name] for one, _ in drawn])
           for name in drawn[0][0]}
  rows = rng.integers(0, len(weight), count)
  ((term, best),) = objective.floor(
      law, {name: value[rows] for name, value in batch.items()}).items()
  assert best.exact
  seen = {stack: np.asarray(part) for stack, part in objective.visibility({
      name: value[rows] for name, value in batch.items()})[term].items()}
  for number, row in enumerate(rows):
    for place in np.flatnonzero(batch['weights'][row]):
      same = np.ones(len(weight), bool)
      for name in {'encoder_segment_ids'} & batch.keys():  # how much is shown
        same &= np.all(batch[name] == batch[name][row], 1)
      for stack, part in seen.items():
        where = part[number, place]
        for name in stack, stack.replace('inputs', 'positions'):
          same &= np.all(batch[name][:, where] == batch[name][row, where], 1)
      exact = np.bincount(batch['targets'][same, place], weight[same],
                          VOCABULARY.size)
      np.testing.assert_allclose(best.chances[number, place],
                                 exact / exact.sum(), atol=1e-10)
      assert best.labels[number, place] == batch['targets'][row, place]
  assert np.mean(np.any(batch['weights'][rows], 1)) > .5  # most have some


def runs(hidden):
  """Lengths of the runs in bool `[length]`."""
  return [len(list(run)) for one, run in itertools.groupby(hidden) if one]


def equally(example):
  del example
  return 1.0


def of_blanks(example):
  """Spans of Poisson's law, placed at random with a token between any two."""
  sizes = runs(example['noise'])
  chance = np.prod([.9 ** n / math.factorial(n) for n in sizes])
  # Gaps beyond the one token are equal where spans begin at one place.
  seen = [len(list(run)) for one, run in itertools.groupby(example['noise'])
          if not one]
  inner = seen[not example['noise'][0]:][:len(sizes) - 1]
  together = [1 + len(list(run)) for one, run in itertools.groupby(inner)
              if one == 1 for run in [list(run)]]
  return chance / np.prod([math.factorial(n) for n in together], initial=1)


def of_tokens(example):
  """Each token hidden with a chance of .4."""
  hidden = np.sum(example['noise'])
  return .4 ** hidden * .6 ** (LENGTH - hidden)


def of_cuts(example):
  """Cut by a chance of .5 at two places, a fourth as suffix, prefix, middle."""
  prefix, suffix, middle = VOCABULARY.mark_id(np.arange(3)).tolist()
  ids = example['targets'].tolist()
  if ids[0] != prefix:
    return .5
  first = ids.index(suffix) - 1
  behind = ids.index(middle) - ids.index(suffix) - 1
  drawn = [sorted(cuts) for cuts in itertools.product(
      range(LENGTH + 1), repeat=2)]
  in_order = drawn.count([first, LENGTH - behind])
  moved = sum(cuts[1] == LENGTH - behind for cuts in drawn) * (first == 0)
  return .5 * (.75 * in_order + .25 * moved) / len(drawn)


@pytest.mark.parametrize('name,form,fields,chance', [
    ('fill_in_the_middle', 'auto', {'rate': .5, 'spm_share': .25}, of_cuts),
    ('span_corruption', 'auto',
     {'noise_density': .6, 'mean_noise_span_length': 1.5}, equally),
    ('blank_infilling', 'auto', {'rate': .5, 'mean_span': .9}, of_blanks),
    ('blank_infilling', 'auto', {'unit': 'document', 'shortest': .4}, equally),
    ('iid_denoising', 'auto', {'density': .4}, of_tokens),
    ('iid_denoising', 'prefix', {'density': .4, 'coding': 'mask'}, of_tokens),
    ('mixture_of_denoisers', 'auto',
     {'mean_lengths': (1.5, float(LENGTH)), 'densities': (.6, .6),
      'suffix': .4}, equally),
    ('prefix_lm', 'encoder_decoder', {}, equally)])
def test_floor_is_that_of_enumeration(name, form, fields, chance):
  model = dataclasses.replace(MODEL, form=form)
  objective = bind(name, LENGTH, model, **fields)
  drawn = list(noises(objective, chance))
  rng = np.random.default_rng(0)
  for law in LAW, *DOCUMENTS:
    check(objective, law, drawn, rng)


def test_the_floor_of_random_tokens_is_that_of_enumeration():
  objective = bind('iid_denoising', LENGTH, density=.6, coding='random')
  texts = LAW.sample(np.random.default_rng(0), 3, LENGTH)
  chance, noisy, density = joint(LAW, LENGTH).ravel(), 0, float(np.float32(.6))
  for batch in corrupted(objective, windows(texts), 8):
    best = objective.floor(LAW, batch)['seq2seq']
    shown = ideal.symbols(VOCABULARY, batch['encoder_inputs'])[:, :LENGTH]
    for row, place in itertools.product(range(3), range(LENGTH)):
      seen = np.where(shown[row] < 0, 1, density * .1 / SYMBOLS + (
          1 - density) * (TEXTS == shown[row]))
      left = np.all(TEXTS[:, :place] == texts[row, :place], 1)
      exact = np.bincount(TEXTS[:, place], chance * left * seen.prod(1))
      np.testing.assert_allclose(best.chances[row, place, 7:7 + SYMBOLS],
                                 exact / exact.sum(), atol=1e-10)
    assert np.all(best.chances[:, LENGTH, VOCABULARY.eos_id] == 1)
    noisy += np.sum((shown >= 0) & (shown != texts))
  assert noisy
