"""Questions asked of a trunk that was not trained on them."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import config, questions, transfer
from ptm_jax.data.flags import SENTENCE_START
from ptm_jax.data.store import Store, Writer
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import masked, next_sentence, sentence_order
from ptm_jax.objectives import sum as sums
from tests.objectives.words import VOCABULARY

LENGTH, DOCUMENTS = 8, 48


@pytest.fixture(scope='module')
def store(tmp_path_factory):
  """Documents of 8 letters; each third is one sentence alone."""
  rng = np.random.default_rng(0)
  writer = Writer(tmp_path_factory.mktemp('questions') / 'split')
  flags = np.tile(np.asarray([7, 1, 1, 3, 1, 1, 3, 1], np.uint8),
                  (DOCUMENTS, 1))
  flags[::3, 1:] &= 255 - SENTENCE_START
  writer.add(rng.integers(VOCABULARY.text_start, VOCABULARY.text_end,
                          DOCUMENTS * LENGTH), flags.ravel(),
             np.full(DOCUMENTS, LENGTH))
  writer.close()
  return Store(writer._folder)


def asked(store, objective, bias):
  """Scores of an untrained model whose classifier always answers alike."""
  experiment = config.Experiment(
      objective, None, data=config.Data(LENGTH, 16, 'document'))
  experiment.evaluation.questions = {
      'follows': next_sentence.Objective(),
      'order': sentence_order.Objective()}
  bound = objective.bind(config.Model(depth=1, width=8, num_heads=2,
                                      max_length=16), VOCABULARY, LENGTH)
  def init(keys, _):
    params = meta.unbox(bound.init(keys[0]))
    if 'sentence_head' in params:
      params['sentence_head']['classifier'] = {
          'kernel': jnp.zeros((8, 2)), 'bias': jnp.asarray(bias)}
    return {'params': params}
  program = types.SimpleNamespace(init=init, split=lambda state: [state])
  setup = types.SimpleNamespace(
      experiments=[experiment], objective=bound, hparams=[None],
      prepared=types.SimpleNamespace(
          stores={'train': store, 'validation': store}))
  (scores,) = questions.score(types.SimpleNamespace(
      setup=setup, program=program, state=init([jax.random.key(0)], None)))
  return scores


def test_a_classifier_that_answers_alike_is_as_often_right_as_its_answer(
    store):
  objective = sums.Objective({'masked': masked.Objective(),
                              'order': sentence_order.Objective()})
  first, second = (asked(store, objective, bias)
                   for bias in ([1.0, 0.0], [0.0, 1.0]))
  for name in 'follows', 'order':
    right = first[f'asked/{name}/head']
    assert 0.2 < right < 0.8
    assert second[f'asked/{name}/head'] == pytest.approx(1 - right)
    # Of 48 documents 32 have a second sentence.
    assert first[f'asked/{name}/se'] == pytest.approx(0.5 / np.sqrt(32))
    assert first[f'asked/{name}/probe_untrained'] > 0.5
  # Its probe is the only answer of a trunk without a classifier.
  alone = asked(store, masked.Objective(), [0.0, 0.0])
  assert set(alone) == {
      f'asked/{name}/{key}' for name in ('follows', 'order')
      for key in ('probe', 'probe_untrained', 'se')}


def test_a_linear_classifier_finds_what_is_linear_and_nothing_else():
  rng = np.random.default_rng(0)
  states = rng.normal(size=(400, 4))
  labels = (states[:, 1] > 0).astype(int)
  found = transfer.ridge(states[:200], labels[:200], states[200:])
  assert np.mean(found == labels[200:]) > 0.95
  product = (states[:, 0] * states[:, 1] > 0).astype(int)
  found = transfer.ridge(states[:200], product[:200], states[200:])
  assert abs(np.mean(found == product[200:]) - 0.5) < 0.15


def test_what_asks_nothing_of_a_text_is_refused():
  with pytest.raises(ConfigError, match='questions.odd: masked asks nothing'):
    config.Evaluation(questions={'odd': masked.Objective()}).validate()
