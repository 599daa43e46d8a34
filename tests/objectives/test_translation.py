"""Translation: its card's vectors, both smoothings, packed pairs, the floor."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax import losses
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import translation
from ptm_jax.sources import cipher
from tests.objectives.cases import bound
from tests.objectives.words import VOCABULARY, show, window

FIELDS = {}
LEARNS = {'seq2seq': 2.9}


def rebuild(one):
  real = one['encoder_segment_ids'] > 0
  shown = one['encoder_inputs'][real]
  return shown[shown != VOCABULARY.eos_id]


def pairs(source, target, segments=None, target_segments=None):
  """The example of a window and its aligned partner."""
  raw = window(source, segments)
  other = window(target, target_segments)
  raw.update((f'partner_{name}', other[name])
             for name in ('tokens', 'segment_ids', 'flags'))
  return bound('translation', length=len(raw['tokens'])).corrupt(
      jax.random.key(0), raw)


def test_vector():
  one = pairs('x y .', 'a b .')
  assert show(one['encoder_inputs']) == 'x y </s> .'
  assert show(one['decoder_inputs']) == '<s> a b .'
  assert show(one['targets']) == 'a b </s> .'
  assert one['weights'].tolist() == [1, 1, 1, 0]


def test_every_pair_of_a_window_is_closed_and_begins_afresh():
  one = pairs('x y z . .', 'a b c d .', '1 1 2 0 0', '1 2 2 2 0')
  assert show(one['encoder_inputs']) == 'x y </s> z </s> .'
  assert one['encoder_segment_ids'].tolist() == [1, 1, 1, 2, 2, 0]
  assert show(one['decoder_inputs']) == '<s> a <s> b c d'
  assert show(one['targets']) == 'a </s> b c d </s>'
  assert one['decoder_segment_ids'].tolist() == [1, 1, 2, 2, 2, 2]
  assert one['decoder_positions'].tolist() == [0, 1, 0, 1, 2, 3]


def test_padding_has_no_end():
  one = pairs('. . . .', '. . . .')
  assert not np.any(one['weights']) and not np.any(one['encoder_inputs'])


@pytest.mark.parametrize('over,labels', [
    ('others', [.025, .9, .025, .025, .025]), ('all', [.02, .92, .02, .02, .02])
])
@pytest.mark.parametrize('with_bias', [False, True])
def test_smoothed_labels(over, labels, with_bias):
  """Of 5 tokens and a rate of .1, as the card has it; gradients as well."""
  draw = np.random.default_rng(0)
  features = jnp.asarray(draw.normal(size=(1, 2, 3)), jnp.float32)
  table = jnp.asarray(draw.normal(size=(5, 3)), jnp.float32)
  bias = jnp.asarray(draw.normal(size=5), jnp.float32) if with_bias else None
  targets, weights = jnp.array([[1, 1]]), jnp.array([[1.0, 0.0]])

  def ours(features, table):
    term = losses.cross_entropy(features, table, bias, targets, weights)
    smooth = translation.smoothed(term, features, table, bias, .1, over)
    assert smooth.nll is term.nll
    return smooth.sum

  def plain(features, table):
    logits = features[0, 0] @ table.T + (0 if bias is None else bias)
    return -jnp.dot(jnp.array(labels), jax.nn.log_softmax(logits))

  found = jax.value_and_grad(ours, (0, 1))(features, table)
  expected = jax.value_and_grad(plain, (0, 1))(features, table)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
               found, expected)


def test_the_floor_is_the_channels_entropy():
  law = cipher.Source(words=3, sentence_length=2, noise=.3).law()
  one = {name: np.asarray(value)[None]
         for name, value in pairs('a b', 'd e').items() if name != 'key'}
  (found,) = bound('translation', length=2).floor(
      cipher.Reading(law), one).values()
  assert found.chances.shape == (1, 3, 7) and found.exact
  for place in 0, 1:
    assert found.chances[0, place].tolist() == pytest.approx(
        [0, 0, 0, *law.channel[place], 0])
  assert found.chances[0, 2].tolist() == [0] * 6 + [1]
  assert found.labels.tolist() == [[3, 4, 6]]


def test_a_reading_knows_the_first_language_alone():
  law = cipher.Reading(cipher.Source(words=2, sentence_length=2).law())
  found = law.posterior(law.evidence([[0, -1]]))
  assert np.all(found[..., 2:] == 0)
  np.testing.assert_allclose(found.sum(-1), 1)


@pytest.mark.parametrize('fields,found', [
    ({'label_smoothing': 1.0}, 'label_smoothing'),
    ({'smoothed_over': 'none'}, 'smoothed_over')])
def test_bad_settings_are_one_line(fields, found):
  with pytest.raises(ConfigError, match=found):
    translation.Objective(**fields).validate()


