"""Replaced-token detection: its vector, the generator's inputs."""

import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from tests.objectives.cases import bound, corrupt
from tests.objectives.words import VOCABULARY, ids, random_windows, show

FIELDS = {'rate': 0.3, 'generator_width': 0.5}
LEARNS = {'discriminator': 0.45}


def rebuild(one):
  inputs = one['inputs'].copy()
  drawn = one['weights'] > 0
  inputs[one['predicted'][drawn]] = one['targets'][drawn]
  return inputs[one['segment_ids'] > 0][1:-1]


def test_replaced_token_vector():
  # Card 14: holes at 0 and 2 of 'the chef cooked the meal', samples 'the'
  # (the original) and 'ate': only the second is labelled replaced.
  objective = bound('replaced_token', length=5)
  tokens = ids('[CLS] t c k t m [SEP]')[None]
  batch = {'tokens': jnp.asarray(tokens),
           'predicted': jnp.asarray([[1, 3]]),
           'weights': jnp.ones((1, 2))}
  shown = objective.replace(batch, jnp.asarray(ids('t a'))[None])
  assert show(shown[0]) == '[CLS] t c a t m [SEP]'
  assert (shown != tokens).astype(int)[0].tolist() == [0, 0, 0, 1, 0, 0, 0]


def test_replaced_token_shows_the_later_of_two_samples():
  objective = bound('replaced_token', length=5)
  batch = {'tokens': jnp.asarray(ids('[CLS] t c k t m [SEP]'))[None],
           'predicted': jnp.asarray([[3, 3, 1]]),
           'weights': jnp.asarray([[1., 1., 0.]])}
  shown = objective.replace(batch, jnp.asarray(ids('x y z'))[None])
  assert show(shown[0]) == '[CLS] t c y t m [SEP]'


def test_replaced_token_generator_sees_masks_or_originals_only():
  objective = bound('replaced_token', length=200, rate=0.15)
  windows = random_windows(50, 200)
  batch = corrupt(objective, windows)
  noise, inputs = np.asarray(batch['noise']), np.asarray(batch['inputs'])
  masked = inputs == VOCABULARY.mask_id
  assert np.array_equal(inputs[~masked], np.asarray(batch['tokens'])[~masked])
  assert not np.any(masked & ~noise)
  assert masked.sum() / noise.sum() == pytest.approx(0.85, abs=0.04)
  # 30 draws with replacement out of 200 leave fewer different positions.
  assert noise.sum(1).mean() == pytest.approx(200 * (1 - (199 / 200)**30),
                                              abs=0.6)
  assert np.all(batch['weights'].sum(1) == 30)


def test_discriminator_sees_nothing_of_a_replaced_token():
  """With the samples fixed, a replaced original moves nothing it reads."""
  objective = bound('replaced_token', length=5, mask_share=1.0)
  windows = random_windows(3, 5)
  before = corrupt(objective, windows)
  samples = jnp.full(before['targets'].shape, VOCABULARY.text_start)
  shown = objective.replace(before, samples)
  noise = np.asarray(before['noise'])[:, 1:-1]
  tokens = np.where(noise, windows['tokens'] % 20 + 10, windows['tokens'])
  after = corrupt(objective, dict(windows, tokens=tokens.astype(np.int32)))
  assert np.any(after['tokens'] != before['tokens'])
  assert np.array_equal(shown, objective.replace(after, samples))


@pytest.mark.parametrize('fields,found', [
    ({'generator_width': 0.0}, '0.0'), ({'temperature': 0.0}, '0.0'),
    ({'discriminator_weight': -1.0}, '-1.0')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'replaced_token')(**fields).validate()
