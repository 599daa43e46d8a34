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
  assert set(exempt) == EXEMPT.get(name, set()), (
      f'{name} exempts {set(exempt)}: if that is meant, list it in EXEMPT here')


def planted(name, form='auto', **changes):
  """What the first proof finds if fields of a packed batch are changed while
  the declared visibility is that of the honest batch."""
  shared = prover(name, form)
  batch = shared.corrupt(windows(shared, 'packed'))
  declared = shared.objective.visibility(batch)
  changed = {field: change(value) for field, value in batch.items()
             for suffix, change in changes.items() if field.endswith(suffix)}
  assert changed
  honest, shared.objective = shared.objective, bound(name, form)
  shared.objective.visibility = lambda _: declared
  try:
    return [leak for one in shared.derivative({**batch, **changed})
            for leak in one.leaks]
  finally:
    shared.objective = honest


@pytest.mark.parametrize('name', sorted(set(NAMES) - set(LOSSY)))
def test_planted_leak_between_documents_is_caught(name):
  """Segments that are not kept apart are a leak the proof must see."""
  assert planted(name, segment_ids=lambda ids: jnp.minimum(ids, 1))


@pytest.mark.parametrize('name', ['prefix_lm', 'masked_next_token'])
def test_planted_longer_prefix_is_caught(name):
  """What is to be written is read both ways."""
  assert planted(name, 'prefix', prefix_length=lambda length: length + 3)


@pytest.mark.parametrize('name', ['permutation', 'permuted_masked'])
def test_planted_order_of_streams_is_caught(name):
  """Tokens that are predicted later are read as if they were context."""
  assert planted(name, rank=lambda rank: jnp.where(rank > 1, 0, rank))


def test_planted_mode_is_caught():
  """UniLM reads both ways where it says that it reads one."""
  assert planted('unilm', mode=jnp.zeros_like)


@pytest.mark.parametrize('name', ['autoregressive', 'bidirectional_lm'])
def test_planted_shift_by_none_is_caught(name):
  """The input of each place is what it is to predict, as if not shifted."""
  honest = bound(name)
  noise = honest.noise

  def unshifted(key, arranged):
    example = noise(key, arranged)
    return {**example, **{
        field: example[field.replace('inputs', 'targets')]
        for field in example if field.endswith('inputs')}}

  honest.noise = unshifted
  shared = Prover(honest)
  assert any(one.leaks for one in shared.data(
      windows(shared, 'one document', 3)))


def test_planted_blindness_shows():
  planted = bound('autoregressive')
  planted.visibility = lambda batch: {'lm': {'inputs': jnp.ones(
      batch['targets'].shape + batch['targets'].shape[1:], bool)}}
  (one,) = Prover(planted).derivative(
      prover('autoregressive').corrupt(windows(
          prover('autoregressive'), 'one document')))
  assert not one.leaks and one.blind > 0.4


def test_planted_target_in_the_inputs_is_caught():
  planted = bound('masked')
  honest = planted.noise

  def leaky(key, arranged):
    example = honest(key, arranged)
    return dict(example, inputs=example['targets'])

  planted.noise = leaky
  planted.exempt = lambda batch: {}
  shared = Prover(planted)
  assert any(one.leaks for one in shared.data(
      windows(shared, 'one document', 3)))
