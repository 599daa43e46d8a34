"""Sums: one reading of the text for all members, and what is no sum."""

import copy

import jax
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import config, grouping, serialize
from ptm_jax.command_line import settings
from ptm_jax.data.corpora import python_docs
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import (autoregressive, masked, next_sentence,
                                sentence_order, substituted_token)
from ptm_jax.objectives import sum as sums
from tests.eager import eager
from tests.objectives.cases import bound, corrupt
from tests.objectives.words import (VOCABULARY, random_windows, sentences,
                                    show)

FIELDS = {'members': {'masked': masked.Objective(rate=0.3),
                      'next_sentence': next_sentence.Objective()},
          'factors': {'next_sentence': 2.0}}
LEARNS = {'mlm': 3.6}


def test_the_text_is_arranged_by_one_member_and_hidden_by_the_other():
  window = sentences('a b c | d e', 'p q r | s t')
  objective = bound('sum', length=5)
  keys = jax.random.split(jax.random.key(0), 24)
  batch = jax.vmap(objective.corrupt, (0, None))(keys, window)
  text = np.where(batch['noise'], batch['masked/targets'], batch['inputs'])
  found = {(show(row), int(label)) for row, (label,) in zip(
      text, batch['next_sentence/label'], strict=True)}
  # What card 30 shows; a pair of 8 tokens hides round(0.3 * 7) of them.
  assert found == {('[CLS] a b c [SEP] d e [SEP]', 0),
                   ('[CLS] a b c [SEP] p q [SEP]', 1),
                   ('[CLS] a b c [SEP] s t [SEP]', 1)}
  assert np.all(np.asarray(batch['noise']).sum(1) == 2)
  assert not np.any(np.asarray(batch['noise'])[:, [0, 4, 7]])
  assert np.all(np.asarray(batch['token_types']) == [0, 0, 0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize('unit', ['token', 'whole_word', 'ngram', 'span'])
def test_no_unit_hides_what_stands_between_the_parts(unit):
  batch = corrupt(bound('sum', length=20, factors={}, members={
      'masked': masked.Objective(rate=0.4, unit=unit),
      'order': sentence_order.Objective()}), random_windows(30, 20))
  hidden = np.asarray(batch['masked/targets'])[np.asarray(batch['noise'])]
  assert np.all(hidden >= VOCABULARY.text_start) and len(hidden) > 150


def test_terms_are_those_of_the_members_on_the_same_states():
  objective = bound('sum')
  batch = corrupt(objective, random_windows(4, 12, 2))
  params = meta.unbox(eager(objective.init, jax.random.key(0)))
  states = jax.random.normal(jax.random.key(1), (4, 15, 8))
  terms = objective.score(params, states, batch)
  mlm, order = objective.members.values()
  alone = {**mlm.score(params, states, {
      'predicted': batch['masked/predicted'],
      'targets': batch['masked/targets'],
      'weights': batch['masked/weights']}),
           **order.score(params, states, {
               'label': batch['next_sentence/label'],
               'asked': batch['next_sentence/asked']})}
  assert set(terms) == {'mlm', 'next_sentence'}
  for name, term in terms.items():
    assert float(term.sum) == float(alone[name].sum) > 0
  assert objective.coefficients() == {'mlm': 1.0, 'next_sentence': 2.0}


def test_a_rate_of_a_member_is_a_flag_is_traced_and_is_kept():
  one = config.Experiment(sums.Objective(**copy.deepcopy(FIELDS)),
                          python_docs.Corpus())
  assert 'config.objective.members.masked.rate' in dict(settings(one))
  (other,) = grouping.experiments(one, [{'objective.members.masked.rate': .4}])
  assert other.objective.members['masked'].rate == 0.4
  assert grouping.signature(one) == grouping.signature(other)
  assert serialize.from_json(serialize.to_json(other)) == other
  (other,) = grouping.experiments(
      one, [{'objective.members.masked.unit': 'ngram'}])
  assert grouping.signature(one) != grouping.signature(other)


@pytest.mark.parametrize('members,found', [
    ({'masked': masked.Objective()}, 'at least two'),
    ({'a': next_sentence.Objective(), 'b': sentence_order.Objective()},
     'a and b both cut the text'),
    ({'a': masked.Objective(), 'b': substituted_token.Objective()},
     'a and b both change tokens'),
    ({'a': masked.Objective(), 'clm': autoregressive.Objective()},
     'members.clm: autoregressive does not score one reading'),
    ({'a': masked.Objective(rate=1.5), 'b': next_sentence.Objective()},
     'rate=1.5')])
def test_what_is_no_sum_is_one_line(members, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'sum')(members=members).validate()


@pytest.mark.parametrize('factors,found', [
    ({'mlm': 1.0}, "names \\['mlm'\\]"), ({'masked': -1.0}, '-1.0')])
def test_bad_factors_are_refused(factors, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'sum')(factors=factors).validate()
