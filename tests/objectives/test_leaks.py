"""Both leak proofs over every objective, form and packing; planted leaks."""

import jax.numpy as jnp
import pytest

from ptm_jax.leaks import Prover, num_windows, random_windows
from tests.objectives.cases import (LENGTH, NAMES, PACKINGS, PAIRS, bound,
                                    prover)
from tests.objectives.test_objectives import LOSSY
from tests.objectives.words import VOCABULARY

# Objectives whose definition shows a scored token, and the terms whose targets
# are made within the loss.
EXEMPT = {**{name: {name} for name in (
    'next_sentence', 'sentence_distance', 'sentence_order',
    'sentence_reordering', 'sentence_structure')},
          'denoising': {'seq2seq'}, 'deshuffling': {'seq2seq'},
          'fragment': {'seq2seq'}, 'gap_sentences': {'seq2seq'},
          'info_word': {'mlm', 'dim'},
          'electric': {'discriminator'},
          'permuted_masked': {'plm'}, 'unilm': {'mlm'},
          'word_structure': {'mlm', 'order'},
          'substituted_token': {'detection'},
          'shuffled_token': {'detection'},
          'schedule': {'masked_mlm'}, 'word2vec': {'cbow'},
          'glove': {'glove'},
          'sum': {'mlm', 'next_sentence'},
          'capitalisation': {'capitalisation'},
          'token_document': {'token_document'},
          'sentence_contrastive': {'contrast'},
          'masked_next_token': {'mntp'}, 'masked': {'mlm'},
          'span_boundary': {'mlm', 'sbo'},
          'replaced_token': {'generator', 'discriminator'}}


def windows(shared, packing, fewest=2):
  return random_windows(
      VOCABULARY, num_windows(shared.objective, fewest), LENGTH,
      *PACKINGS[packing], fields=shared.objective.raw_fields(),
      partner='other_document')


@pytest.mark.parametrize('packing', PACKINGS)
@pytest.mark.parametrize('name,form', PAIRS)
def test_derivatives_are_zero_off_the_visibility(name, form, packing):
  shared = prover(name, form)
  verdicts = shared.derivative(shared.corrupt(windows(shared, packing)))
  assert {one.term for one in verdicts} == set(
      shared.objective.coefficients())
  for one in verdicts:
    assert not one.leaks, one
    assert one.checked > 0 and one.blind < 0.05, one


@pytest.mark.parametrize('packing', PACKINGS)
@pytest.mark.parametrize('name', NAMES)
def test_data_does_not_leak(name, packing):
  shared = prover(name)
  verdicts = shared.data(windows(shared, packing, 3))
  for one in verdicts:
    assert not one.leaks, one
    assert one.checked > 0, one
  left_out = set(shared.objective.coefficients()) - {
      one.term for one in verdicts}
  assert left_out <= EXEMPT.get(name, set())


@pytest.mark.parametrize('name', NAMES)
def test_exemptions_are_the_listed_ones(name):
  shared = prover(name)
  exempt = shared.objective.exempt(shared.corrupt(windows(shared, 'packed')))
  assert set(exempt) == EXEMPT.get(name, set())


@pytest.mark.parametrize('name', sorted(set(NAMES) - set(LOSSY)))
def test_planted_leak_between_documents_is_caught(name):
  """Segments that are not kept apart are a leak the proof must see."""
  shared = prover(name)
  batch = shared.corrupt(windows(shared, 'packed'))
  declared = shared.objective.visibility(batch)
  merged = {key: jnp.minimum(value, 1) if key.endswith('segment_ids')
            else value for key, value in batch.items()}
  planted = bound(name)
  planted.visibility = lambda _: declared
  honest, shared.objective = shared.objective, planted
  try:
    assert any(one.leaks for one in shared.derivative(merged))
  finally:
    shared.objective = honest


def test_planted_blindness_shows():
  planted = bound('autoregressive')
  planted.visibility = lambda batch: {'lm': {'inputs': jnp.ones(
      batch['targets'].shape + batch['targets'].shape[1:], bool)}}
  (one,) = Prover(planted).derivative(
      prover('autoregressive').corrupt(windows(
          prover('autoregressive'), 'one document')))
  assert not one.leaks and one.blind > 0.4


@pytest.mark.parametrize('name', ['masked', 'autoregressive'])
def test_planted_target_in_the_inputs_is_caught(name):
  planted = bound(name)
  honest = planted.noise

  def leaky(key, arranged):
    example = honest(key, arranged)
    return dict(example, inputs=example['targets'])

  planted.noise = leaky
  planted.exempt = lambda batch: {}
  shared = Prover(planted)
  assert any(one.leaks for one in shared.data(
      windows(shared, 'one document', 3)))
