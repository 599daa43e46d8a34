"""Mixture of denoisers: its card's vectors, lengths, shares and counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.config import Model
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import mixture_of_denoisers, noise
from tests.objectives import test_span_corruption
from tests.objectives.cases import bound
from tests.objectives.words import VOCABULARY, random_windows, show, window

FIELDS = {'mean_lengths': (2.0, 8.0), 'densities': (0.25, 0.5)}
LEARNS = {'seq2seq': 2.9}
NLU, NLG, S2S = (VOCABULARY.mark_id(number) for number in range(3))


def rebuild(one):
  mode, real = one['encoder_inputs'][0], one['encoder_segment_ids'] > 0
  if mode == S2S:
    return np.concatenate([one['encoder_inputs'][real][1:-1],
                           one['targets'][one['weights'] > 0][:-1]])
  return test_span_corruption.rebuild({
      **one, 'encoder_inputs': one['encoder_inputs'][1:],
      'encoder_segment_ids': one['encoder_segment_ids'][1:]})


def denoise(text, kind, hidden=None, **fields):
  """A window under one of the denoisers."""
  patch = pytest.MonkeyPatch()
  patch.setattr(mixture_of_denoisers.Objective, 'draw',
                lambda *_: jnp.int32(kind))
  if hidden:
    patch.setattr(noise, 'random_spans', lambda *_: jnp.asarray(hidden, bool))
  tokens = window(text)
  one = bound('mixture_of_denoisers', length=len(tokens['tokens']),
              **fields).corrupt(jax.random.key(0), tokens)
  patch.undo()
  return (int(one['encoder_inputs'][0]),
          show(one['encoder_inputs'][one['encoder_segment_ids'] > 0][1:]),
          show(one['targets'][one['weights'] > 0]))


@pytest.mark.parametrize('kind,mode', [(0, NLU), (1, NLG)])
def test_vector_of_spans(kind, mode):
  assert denoise('a b c d e f g h i j', kind,
                 [0, 0, 0, 0, 1, 1, 0, 0, 0, 1]) == (
      mode, 'a b c d <X> g h i <Y> </s>', '<X> e f <Y> j </s>')


def test_vector_of_a_suffix():
  assert denoise('a b c d e f g h', 2) == (S2S, 'a b c d e f </s>', 'g h </s>')


def test_a_text_of_one_token_is_only_read():
  assert denoise('a' + 7 * ' .', 2)[1:] == ('a </s>', '</s>')


def test_modes_of_the_published_seven():
  objective = find('objectives', 'mixture_of_denoisers')().bind(
      Model(max_length=600), VOCABULARY, 568)
  assert [int(objective.mode(kind)) for kind in range(7)] == [
      NLU, NLU, NLG, NLG, NLG, NLG, S2S]
  # T5's 511 tokens and `</s>`, and the mode; half of the tokens, in 95 spans.
  assert objective.lengths() == {'encoder': 513, 'decoder': 380}
  assert objective.numbers['counts'][:, 568].tolist() == [
      [85, 28], [85, 11], [284, 95], [284, 36], [85, 1], [284, 4], [142, 1]]


def test_all_denoisers_are_equally_likely():
  objective = bound('mixture_of_denoisers', length=40)
  text = jax.tree.map(lambda x: jnp.asarray(x[0]), random_windows(1, 40))
  modes, hidden = map(np.asarray, jax.vmap(lambda key: (
      lambda one: (one['encoder_inputs'][0], jnp.sum(one['noise'])))(
          objective.corrupt(key, text)))(
              jax.random.split(jax.random.key(0), 3000)))
  for mode, count in (NLU, 10), (NLG, 20), (S2S, 10):
    assert np.sum(modes == mode) == pytest.approx(1000, abs=104)
    assert (hidden[modes == mode] == count).all()


def test_more_spans_than_sentinels_are_refused():
  # 97 are left beside the three modes, and 588 tokens need 98.
  objective = find('objectives', 'mixture_of_denoisers')()
  with pytest.raises(ConfigError, match='98 spans .* there are 97'):
    objective.bind(Model(max_length=2000), VOCABULARY, 588)
  objective.bind(Model(max_length=2000), VOCABULARY, 582)


def test_a_mean_longer_than_the_window_is_refused():
  objective = find('objectives', 'mixture_of_denoisers')()
  objective.bind(Model(), VOCABULARY, 64)
  with pytest.raises(ConfigError, match='64.0, 64.0. is longer than .*=63'):
    objective.bind(Model(), VOCABULARY, 63)


@pytest.mark.parametrize('fields,found', [
    ({'mean_lengths': (), 'densities': ()}, 'mean_lengths is empty'),
    ({'suffix': 0.0}, 'suffix=0.0'), ({'densities': (0.5,)}, 'densities 1'),
    ({'mean_lengths': (0.5,), 'densities': (0.5,)}, 'mean of 0.5'),
    ({'mean_lengths': (3.0,), 'densities': (1.0,)}, 'density of 1.0')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'mixture_of_denoisers')(**fields).validate()
