"""UniLM: its card's vectors under each mask, where it cuts, its shares."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.objectives import unilm, units
from tests.objectives.cases import MODEL, bound, corrupt
from tests.objectives.words import VOCABULARY, random_windows, show, window

FIELDS = {'rate': 0.4}
LEARNS = {'mlm': 3.6}


def rebuild(one):
  tokens = np.where(one['noise'], one['targets'], one['inputs'])
  text = tokens[one['segment_ids'] > 0][1:-1]
  return np.delete(text, one['first_part'] - 2)


@pytest.fixture(scope='module')
def example():
  """`a b` and `c d`, c hidden, in each mode."""
  objective = bound('unilm', length=4, mask_share=1.0, random_share=0.0)
  text = window('a b c d')
  text['flags'][:] = [7, 1, 3, 1]
  patch = pytest.MonkeyPatch()
  patch.setattr(units, 'runs', lambda *_: jnp.asarray(
      [0, 0, 0, 0, 1, 0, 0], bool))
  found = {}
  for seed in range(40):
    one = objective.corrupt(jax.random.key(seed), text)
    found.setdefault(unilm.MODES[int(one['mode'])], one)
    if len(found) == 4:
      break
  patch.undo()
  return objective, found


@pytest.mark.parametrize('mode,seen,types', [
    ('bidirectional', '[CLS] a b [SEP] [M] d [SEP]', [0, 0, 0, 0, 1, 1, 1]),
    ('sequence', '[CLS] a b [SEP] [M]', [4, 4, 4, 4, 5, 5, 5]),
    ('left_to_right', '[CLS] a b [SEP] [M]', [2] * 7),
    ('right_to_left', '[M] d [SEP]', [3] * 7)])
def test_vector(example, mode, seen, types):
  objective, found = example
  one = found[mode]
  assert show(one['inputs']) == '[CLS] a b [SEP] [M] d [SEP]'
  assert one['weights'].tolist() == [0, 0, 0, 0, 1, 0, 0]
  assert show(one['targets'][4:5]) == 'c'
  assert one['token_types'].tolist() == types
  mask = np.asarray(objective.seen(jax.tree.map(lambda x: x[None], one)))[0]
  assert show(one['inputs'][mask[4]]) == seen
  # The first part of a sequence is read as a whole, and by nothing behind it.
  first = {'bidirectional': 7, 'sequence': 4, 'left_to_right': 2,
           'right_to_left': 6}[mode]
  assert mask[1].sum() == first


def test_special_tokens_are_never_hidden():
  batch = corrupt(bound('unilm', length=20), random_windows(40, 20, 2))
  hidden = np.asarray(batch['targets'])[np.asarray(batch['noise'])]
  assert np.all(hidden >= VOCABULARY.text_start) and len(hidden) > 300


def test_shares_and_cuts():
  batch = corrupt(bound('unilm', length=40, rate=0.15),
                  random_windows(600, 40))
  shares = np.bincount(batch['mode'], minlength=4) / 600
  np.testing.assert_allclose(shares, [1/3, 1/3, 1/6, 1/6], atol=0.07)
  assert set(np.asarray(batch['noise']).sum(1)) == {6}  # round(.15 * 42)
  # The cut stands before a sentence.
  windows = random_windows(600, 40)
  after = windows['flags'][np.arange(600), batch['first_part'] - 2]
  assert np.all(after & 2)


def test_too_few_token_types_are_refused():
  with pytest.raises(ConfigError, match='num_token_types=2'):
    bound('unilm', model=dataclasses.replace(MODEL, num_token_types=2))


def test_next_sentences_are_asked_in_the_bidirectional_mode_alone():
  plain, asking = (bound('unilm', length=40, next_sentences=asked)
                   for asked in (False, True))
  windows = random_windows(600, 40)
  one, two = corrupt(plain, windows), corrupt(asking, windows)
  both = np.asarray(two['mode']) == 0
  np.testing.assert_array_equal(one['mode'], two['mode'])
  # The other modes are as they were.
  for name in one:
    np.testing.assert_array_equal(*(np.asarray(jax.random.key_data(
        batch[name]) if name == 'key' else batch[name])[~both]
                                    for batch in (one, two)))
  asked, label = (np.asarray(two[name])[:, 0] for name in ('asked', 'label'))
  assert not asked[~both].any() and asked[both].mean() > 0.9
  assert 0.4 < label[both].mean() < 0.6
  # A second part is the text's own where the label says so, and else not.
  text = np.asarray(two['targets'])
  for row in np.flatnonzero(both & (asked > 0)):
    first, second = np.flatnonzero(text[row] == VOCABULARY.sep_id)
    tokens = windows['tokens'][row].tolist()
    shown = text[row, 1:first].tolist() + text[row, first + 1:second].tolist()
    follows = any(tokens[start:start + len(shown)] == shown
                  for start in range(41 - len(shown)))
    assert follows == (label[row] == 0)
    types = np.asarray(two['token_types'])[row]
    assert set(types[:first + 1]) == {0} and set(types[first + 1:second]) == {1}
  assert asking.coefficients() == {'mlm': 1.0, 'next_sentence': 1.0}
  assert asking.partner == 'other_document' and plain.partner is None
