"""Mixtures: each example has one objective; what is no mixture."""

import copy

import jax
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import config, grouping
from ptm_jax.data.corpora import python_docs
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import (autoregressive, fill_in_the_middle, masked,
                                next_sentence, prefix_lm, replaced_token,
                                span_corruption, unilm)
from tests.eager import eager
from tests.objectives import test_prefix_lm, test_span_corruption
from tests.objectives.cases import bound, corrupt
from tests.objectives.words import random_windows

FIELDS = {'members': {
    'span_corruption': span_corruption.Objective(
        **test_span_corruption.FIELDS),
    'prefix_lm': prefix_lm.Objective()}}
LEARNS = {'span_corruption_seq2seq': 3.6, 'prefix_lm_lm': 3.6}


def rebuild(one):
  name, of = (('span_corruption', test_span_corruption),
              ('prefix_lm', test_prefix_lm))[int(one['member'])]
  own = {key.removeprefix(f'{name}/'): value for key, value in one.items()
         if key.startswith(f'{name}/')}
  if name == 'prefix_lm' and 'encoder_inputs' in own:
    kept = own['encoder_inputs'][own['encoder_segment_ids'] > 0]
    new = own['targets'][own['weights'] > 0]
    return np.append(kept[:-1], new[:-1])
  return of.rebuild(own)


def test_members_are_drawn_by_rate_and_only_they_are_scored():
  objective = bound('mixture', rates={'span_corruption': 3.0})
  batch = corrupt(objective, random_windows(2000, 12))
  drawn = np.asarray(batch['member'])
  assert abs(np.mean(drawn == 0) - 0.75) < 4 * np.sqrt(.75 * .25 / 2000)
  for number, name in enumerate(('span_corruption', 'prefix_lm')):
    scored = np.asarray(batch[f'{name}/weights']).sum(1)
    assert np.all((scored > 0) == (drawn == number))
  assert objective.coefficients() == {
      'span_corruption_seq2seq': 0.75, 'prefix_lm_lm': 0.25}


MIXTURES = {
    'encoder': {'masked': masked.Objective(rate=0.3),
                'modes': unilm.Objective(rate=0.3)},
    'decoder': {'lm': autoregressive.Objective(),
                'fim': fill_in_the_middle.Objective(rate=0.9)},
    'prefix': FIELDS['members'], 'encoder_decoder': FIELDS['members']}


@pytest.mark.parametrize('form', MIXTURES)
def test_each_example_is_scored_as_its_member_alone_would(form):
  objective = bound('mixture', form, members=MIXTURES[form])
  batch = corrupt(objective, random_windows(12, 12, 2))
  params = meta.unbox(eager(objective.init, jax.random.key(0)))

  @jax.jit
  def scores(params, batch):
    alone = {name: member.loss(None, params, {
        key.removeprefix(f'{name}/'): value for key, value in batch.items()
        if key.startswith(f'{name}/')})
             for name, member in objective.members.items()}
    return objective.loss(None, params, batch), alone

  terms, by_member = scores(params, batch)
  assert set(terms) == set(objective.coefficients())
  for number, name in enumerate(objective.members):
    for term, alone in by_member[name].items():
      mixed = terms[f'{name}_{term}']
      assert float(mixed.weight) == float(alone.weight) > 0
      assert float(mixed.sum) == pytest.approx(float(alone.sum), 1e-5)
      rows = np.asarray(mixed.weights).sum(1) > 0
      assert np.all(rows == (np.asarray(batch['member']) == number))


def test_rates_are_traced():
  one = config.Experiment(find('objectives', 'mixture')(
      **copy.deepcopy(FIELDS), rates={'span_corruption': 1.0}),
                          python_docs.Corpus())
  (other,) = grouping.experiments(one, [
      {'objective.rates.span_corruption': 4.0}])
  assert other.objective.rates == {'span_corruption': 4.0}
  assert grouping.signature(one) == grouping.signature(other)


@pytest.mark.parametrize('fields,found', [
    ({'members': {'a': masked.Objective()}}, 'at least two'),
    ({'members': {'a': masked.Objective(), 'b': replaced_token.Objective()}},
     'members.b: replaced_token does not score one reading'),
    ({'members': {'a': masked.Objective(), 'b/c': masked.Objective()}},
     "'b/c' is no name"),
    ({'members': {'a': masked.Objective(static_masks=10),
                  'b': masked.Objective()}}, 'static_masks=10'),
    ({'rates': {'x': 1.0}}, "names \\['x'\\]"),
    ({'rates': {'prefix_lm': -1.0}}, '-1.0'),
    ({'rates': {
        'prefix_lm': 0.0, 'span_corruption': 0.0}}, 'all 0')])
def test_what_is_no_mixture_is_one_line(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'mixture')(**{**FIELDS, **fields}).validate()


@pytest.mark.parametrize('members,found', [
    ({'a': masked.Objective(), 'b': autoregressive.Objective()},
     'a fits encoder; b fits decoder'),
    ({'a': masked.Objective(), 'b': next_sentence.Objective()}, None),
    ({'a': masked.Objective(rate=0.4), 'b': unilm.Objective()}, None)])
def test_members_share_a_form(members, found):
  if found is None:
    assert bound('mixture', members=members).forms == ('encoder',)
    return
  with pytest.raises(ConfigError, match=found):
    bound('mixture', members=members)
