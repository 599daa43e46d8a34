"""Properties of every objective; what differs stands in its own test file."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.leaks import num_windows
from tests.eager import eager
from tests.objectives.cases import (LENGTH, NAMES, PACKINGS, bound, case,
                                    prover)
from tests.objectives.words import random_windows, show

# Objectives that lose tokens, so that the window cannot be rebuilt: they show
# one document of a window.
LOSSY = ('next_sentence', 'sentence_distance', 'sentence_order',
         'sentence_reordering', 'sentence_structure', 'sum')
# Objectives that draw nothing.
NOISELESS = ('autoregressive', 'bidirectional_lm', 'capitalisation',
             'glove', 'sentence_contrastive', 'token_document', 'translation')


@pytest.mark.parametrize('packing', PACKINGS)
@pytest.mark.parametrize('name', sorted(set(NAMES) - set(LOSSY)))
def test_rebuild(name, packing):
  """Inputs plus targets give the window back."""
  segments, padding = PACKINGS[packing]
  windows = random_windows(8, LENGTH, segments, padding)
  batch = prover(name).corrupt(windows)
  for row in range(8):
    one = {key: np.asarray(value[row]) for key, value in batch.items()
           if key != 'key'}
    real = windows['segment_ids'][row] > 0
    assert (show(case(name).rebuild(one))
            == show(windows['tokens'][row][real]))


@pytest.mark.parametrize('name', NAMES)
def test_noise_depends_on_the_example_alone(name):
  windows = random_windows(6, LENGTH)
  corrupt = prover(name).corrupt
  whole = corrupt(windows)
  order = np.asarray([4, 1, 5])
  part = corrupt({key: value[order] for key, value in windows.items()})
  later = corrupt({**windows, 'epoch': windows['epoch'] + 1})
  for key in whole:
    if key == 'key':
      continue
    assert np.array_equal(np.asarray(whole[key])[order], part[key]), key
  if name not in NOISELESS:
    assert any(not np.array_equal(whole[key], later[key])
               for key in whole if key.rpartition('/')[2] in (
                   'noise', 'inputs', 'encoder_inputs'))


@pytest.mark.parametrize('name', NAMES)
def test_a_row_of_padding_has_no_prediction(name):
  """Held-out batches are filled up with such rows."""
  windows = {key: value if key in ('index', 'epoch') else np.zeros_like(value)
             for key, value in random_windows(8, LENGTH).items()}
  objective, batch = prover(name).objective, prover(name).corrupt(windows)
  params = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(
      lambda key: meta.unbox(objective.init(key)), jax.random.key(0)))

  def weights(params, batch):  # does not run the networks
    return {term: (one.weight, jnp.sum(jnp.abs(one.factors)))
            for term, one in objective.loss(None, params, batch).items()}

  for term, found in eager(weights, params, batch).items():
    assert [float(one) for one in found] == [0, 0], term


@pytest.mark.parametrize('name', NAMES)
def test_shapes_are_what_was_declared(name):
  shared = prover(name)
  objective = shared.objective
  batch = shared.corrupt(random_windows(
      num_windows(objective, 2), LENGTH))
  inputs = {key: value.shape[1] for key, value in batch.items()
            if key.endswith('inputs')}
  assert max(inputs.values()) <= max(objective.lengths().values())

  @jax.jit  # of what is returned alone: no network is compiled
  def weights(params, batch):
    terms = objective.loss(None, params, batch)
    for term in terms.values():
      assert term.nll.shape == term.weights.shape == term.targets.shape
    return {name: (term.weight, jnp.sum(term.weights))
            for name, term in terms.items()}

  found = weights(shared.params, batch)
  assert set(found) == set(objective.coefficients())
  for weight, total in found.values():
    assert float(weight) == float(total) > 0


@pytest.mark.parametrize('name,field,value', [
    ('masked', 'max_words', 20), ('span_boundary', 'max_words', 20),
    ('permutation', 'max_span', 20), ('info_word', 'longest', 20),
    ('info_word', 'mean_length', 20.0), ('word_structure', 'group_length', 20),
    ('span_corruption', 'mean_noise_span_length', 20.0),
    ('word2vec', 'window', 20), ('glove', 'window', 20)])
def test_a_span_longer_than_the_window_is_refused(name, field, value):
  with pytest.raises(ConfigError, match=f'objective.{field}={value} is longer'):
    bound(name, **{field: value})


FORMS = {form for name in NAMES for form in find('objectives', name).forms}


@pytest.mark.parametrize('name', NAMES)
def test_a_form_that_it_does_not_fit_is_refused(name):
  for form in FORMS - set(find('objectives', name).forms):
    with pytest.raises(ConfigError, match=f'does not fit model.form={form}'):
      bound(name, form=form)


RATES = ('rate', 'final_rate', 'shuffle_rate', 'ratio', 'density',
         'noise_density', 'suffix', 'dropout')


@pytest.mark.parametrize('name', NAMES)
def test_rates_of_0_and_1_are_refused(name):
  kind = find('objectives', name)
  for field in dataclasses.fields(kind):
    for value in (0.0, 1.0) if field.name in RATES else ():
      with pytest.raises(ConfigError, match=f'objective.{field.name}={value}'):
        kind(**{field.name: value}).validate()


@pytest.mark.parametrize('name,fields,found', [
    ('masked', {'mask_share': 0.0, 'random_share': 0.0}, 'above 0 and at most'),
    ('fragment', {'mask_share': 0.0, 'random_share': 0.0}, 'above 0 and at'),
    ('masked', {'gazetteer': 'names.txt'}, 'gazetteer=names.txt is of no use'),
    ('replaced_token', {'mask_share': 0.0}, 'mask_share=0.0 must be above'),
    ('denoising', {'infill_rate': 0.0, 'permute_sentences': False},
     'has no noise')])
def test_noise_that_changes_nothing_is_refused(name, fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', name)(**fields).validate()


def test_what_an_objective_does_not_use_is_no_field():
  for name in 'shuffled_token', 'substituted_token', 'electric':
    fields = {one.name for one in dataclasses.fields(find('objectives', name))}
    assert 'rate' in fields and not fields & {
        'mask_share', 'random_share', 'question', 'first_stage'}
