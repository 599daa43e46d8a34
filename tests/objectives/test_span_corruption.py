"""Span corruption: its vector, published lengths, bad fields."""

import dataclasses

import jax
import numpy as np
import pytest

from ptm_jax.config import Model
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from tests.objectives.cases import MODEL, bound
from tests.objectives.words import VOCABULARY, show, window

FIELDS = {'noise_density': 0.4, 'mean_noise_span_length': 2.0}
LEARNS = {'seq2seq': 2.9}


def rebuild(one):
  spans, out = {}, []
  for token in one['targets'][one['weights'] > 0][:-1]:
    if token >= VOCABULARY.text_end:
      spans[int(token)] = current = []
    else:
      current.append(token)
  for token in one['encoder_inputs'][one['encoder_segment_ids'] > 0][:-1]:
    out.extend(spans.get(int(token), [token]))
  return np.asarray(out)


def test_span_corruption_published_lengths():
  # 568 raw tokens fill an encoder of 512 and a decoder of 114.
  objective = find('objectives', 'span_corruption')().bind(
      Model(max_length=512), VOCABULARY, 568)
  assert objective.lengths() == {'encoder': 512, 'decoder': 114}


def test_span_corruption_vector_shapes_the_stacks():
  objective = bound('span_corruption', length=10)
  batch = objective.corrupt(jax.random.key(0), window('a b c d e f g h i j'))
  inputs, targets = show(batch['encoder_inputs']), show(batch['targets'])
  assert inputs.endswith('<Y> </s>') and targets.endswith('j </s>')
  assert targets.startswith('<X> ')
  assert show(batch['decoder_inputs']) == '<s> ' + targets[:-5]
  assert batch['weights'].tolist() == [1] * 7


def test_more_spans_than_sentinels_are_refused():
  with pytest.raises(ConfigError, match='sentinels'):
    bound('span_corruption', length=1000, mean_noise_span_length=1.0,
          model=Model(max_length=4000))


def test_an_odd_encoder_decoder_is_refused():
  with pytest.raises(ConfigError, match='must be even'):
    bound('span_corruption', model=dataclasses.replace(MODEL, depth=3))


@pytest.mark.parametrize('fields,found', [
    ({'noise_density': 1.5}, '1.5'),
    ({'mean_noise_span_length': 0.5}, '0.5')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'span_corruption')(**fields).validate()
