"""Sentence-level objectives: whole sentences of windows that cut some, and the
order law of made-up documents is learnt."""

import jax
import numpy as np
import pytest

from ptm_jax import config
from ptm_jax.find import find
from ptm_jax.step import make_hparams, make_init, make_train_step
from tests.eager import eager
from tests.objectives.test_next_sentence import shown
from tests.objectives.words import VOCABULARY, sentences

LENGTH, SENTENCE = 16, 4
NAMES = ('next_sentence', 'sentence_order', 'sentence_structure',
         'sentence_distance', 'sentence_reordering')


def documents(count, seed):
  """Texts of 4 sentences: the letters of each are drawn from 5 of the
  alphabet that come next to those of the sentence before."""
  rng = np.random.default_rng(seed)
  number = np.arange(LENGTH) // SENTENCE
  letters = rng.integers(0, 6, (count, 1)) + 5 * number + rng.integers(
      0, 5, (count, LENGTH))
  starts = np.arange(LENGTH) % SENTENCE == 0
  return {'tokens': (letters + VOCABULARY.text_start).astype(np.int32),
          'segment_ids': np.ones((count, LENGTH), np.int32),
          'flags': np.tile(1 + 2 * starts, (count, 1)).astype(np.uint8)}


def windows(count, seed):
  text, partner = documents(count, 2 * seed), documents(count, 2 * seed + 1)
  # Another document is of another subject: its letters run backwards.
  first, last = VOCABULARY.text_start, VOCABULARY.text_start + 25
  partner['tokens'] = first + last - partner['tokens']
  return {**text,
          'positions': np.tile(np.arange(LENGTH, dtype=np.int32), (count, 1)),
          **{f'partner_{name}': value for name, value in partner.items()},
          'index': np.arange(count, dtype=np.int32),
          'epoch': np.full(count, seed, np.int32)}


def _cut(text, partner):
  """A window that begins within a sentence, and such a partner."""
  window = sentences(text, partner)
  window['flags'][0] = window['partner_flags'][0] = 1
  return window


@pytest.mark.parametrize('name', NAMES)
def test_whole_sentences_alone_are_asked_about(name):
  """Sentences begin with 'a' and end with 'z', but for those at the edges."""
  found, batch = shown(
      name, _cut('b c z | a z | a c d z | a e z | a f',
                 'q z | a z | a p p z | a q z | a r r'), 40,
      whole_sentences=True)
  assert np.all(batch['asked'] == 1)
  labels = {'sentence_structure': 3, 'sentence_distance': 3,
            'sentence_reordering': 9}
  assert len({label for _, label in found}) == labels.get(name, 2)
  for text, _ in found:
    for part in text.strip(' .').removeprefix('[CLS] ').split(' [SEP]')[:-1]:
      words = part.split()
      assert words[0] == 'a' and words[-1] == 'z', text
      assert set(words) & {'b', 'f', 'r'} == set(), text
  # Another's sentences are as many tokens as those that they stand for, where
  # it has such a run: 7 or 3 of its 2, 4 and 3.
  if name == 'next_sentence':
    assert {text.count(' .') for text, _ in found} == {5}


@pytest.mark.parametrize('name', NAMES)
def test_one_whole_sentence_is_shown_and_not_asked_about(name):
  window = _cut('b c z | a c d z | a f', 'q z | a z | a p z | a s')
  _, batch = shown(name, window, 8, whole_sentences=True)
  assert not np.any(batch['asked'])


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_the_order_of_documents_is_learnt(name):
  objective = find('objectives', name)().bind(
      config.Model(depth=2, width=32, num_heads=2, max_length=32,
                   num_token_types=2), VOCABULARY, LENGTH)
  optimizer = config.Optimizer(learning_rate=3e-3, schedule='constant',
                               warmup_steps=20, weight_decay=0.0)
  init = make_init(objective, optimizer, 400)
  state = eager(init, jax.random.key(0), make_hparams(objective, optimizer))
  step = jax.jit(make_train_step(objective, optimizer, 400))
  found = []
  for number in range(400):  # no text is seen twice
    state, measured = step(state, windows(32, number))
    found.append(float(measured['loss']))
  _, counts = np.unique(
      objective.corrupt_batch(jax.random.key(1), windows(2000, 1000))['label'],
      return_counts=True)
  shares = counts / counts.sum()
  constant = -np.sum(shares * np.log(shares))
  assert np.mean(found[-50:]) < 0.95 * constant, np.mean(found[-50:])
