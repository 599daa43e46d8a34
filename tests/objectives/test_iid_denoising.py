"""I.i.d. denoising: the paper's example in its four codings, its rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.leaks import Prover
from ptm_jax.objectives import iid_denoising
from tests.objectives.cases import bound
from tests.objectives.words import VOCABULARY, random_windows, show, window

FIELDS = {'density': 0.3}
LEARNS = {'seq2seq': 2.9}


def rebuild(one):
  runs, out = {}, []
  for token in one['targets'][one['weights'] > 0][:-1]:
    if token >= VOCABULARY.text_end:
      runs[int(token)] = current = []
    else:
      current.append(token)
  for token in one['encoder_inputs'][one['encoder_segment_ids'] > 0][:-1]:
    out.extend(runs.get(int(token), [token]))
  return np.asarray(out)


@pytest.mark.parametrize('coding,inputs,targets', [
    ('mask', 'a b [M] [M] e f g h [M] j k </s>',
     'a b c d e f g h i j k </s>'),
    ('sentinel', 'a b <X> e f g h <Y> j k </s>', '<X> c d <Y> i <Z> </s>'),
    ('drop', 'a b e f g h j k </s>', 'c d i </s>')])
def test_vector(monkeypatch, coding, inputs, targets):
  """Thank you (for inviting) me to your party (last) week ."""
  hidden = jnp.asarray([0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0], bool)
  monkeypatch.setattr(iid_denoising.Objective, 'choose', lambda *_: hidden)
  objective = bound('iid_denoising', length=11, coding=coding)
  one = objective.corrupt(jax.random.key(0), window('a b c d e f g h i j k'))
  assert show(one['encoder_inputs'][one['encoder_segment_ids'] > 0]) == inputs
  assert show(one['targets'][one['weights'] > 0]) == targets
  assert one['decoder_inputs'][0] == VOCABULARY.bos_id


def test_a_run_that_begins_the_text_has_its_sentinel(monkeypatch):
  hidden = jnp.asarray([1, 0, 0, 1], bool)
  monkeypatch.setattr(iid_denoising.Objective, 'choose', lambda *_: hidden)
  one = bound('iid_denoising', length=4).corrupt(
      jax.random.key(0), window('a b c d'))
  assert show(one['encoder_inputs']) == '<X> b c <Y> </s>'
  assert show(one['targets'][one['weights'] > 0]) == '<X> a <Y> d </s>'


def many():
  """5,000 examples of 100 tokens."""
  objective = bound('iid_denoising', length=100, coding='random', density=0.15)
  one = random_windows(1, 100)
  keys = jax.random.split(jax.random.key(0), 5000)
  example = jax.tree.map(lambda x: jnp.asarray(x[0]), one)

  def corrupt(key):
    found = objective.corrupt(key, example)
    return found['noise'], found['encoder_inputs'][:100]

  return example, *map(np.asarray, jax.jit(jax.vmap(corrupt))(keys))


def test_rates():
  example, noise, shown = many()
  # Four standard errors of half a million draws; each for itself, so a token
  # behind noise is no more likely.
  assert noise.mean() == pytest.approx(0.15, abs=4 * 5.1e-4)
  assert noise[:, 1:][noise[:, :-1]].mean() == pytest.approx(0.15, abs=0.006)
  assert (shown[noise] == VOCABULARY.mask_id).mean() == pytest.approx(
      0.9, abs=0.005)
  assert np.array_equal(shown[~noise],
                        np.broadcast_to(example['tokens'], noise.shape)[~noise])


@pytest.mark.parametrize('coding', ['mask', 'random', 'drop'])
def test_no_coding_leaks(coding):
  shared = Prover(bound('iid_denoising', coding=coding))
  windows = random_windows(3, 12, 2, 2)
  (verdict,) = shared.data(windows)
  assert not verdict.leaks and verdict.checked > 0, verdict
  exempt = shared.objective.exempt(shared.corrupt(windows))
  assert set(exempt) == (set() if coding == 'drop' else {'seq2seq'})


@pytest.mark.parametrize('fields,found', [
    ({'density': 0.0}, 'density=0.0'), ({'density': 1.0}, 'density=1.0'),
    ({'coding': 'masks'}, 'did you mean mask')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'iid_denoising')(**fields).validate()
