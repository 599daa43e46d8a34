"""Electric: its card's labels, and the noise model's part in the logit."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import losses
from ptm_jax.errors import ConfigError
from tests.objectives.cases import MODEL, bound
from tests.objectives.test_replaced_token import FIELDS as _FIELDS
from tests.objectives.words import ids, window

FIELDS = {name: value for name, value in _FIELDS.items()
          if name != 'mask_share'}
LEARNS = {'discriminator': 0.55}


def rebuild(one):
  return one['forward_targets'][one['segment_ids'] > 0][1:-1]


def _card(monkeypatch, **fields):
  """Card 16: samples `the` (the original) and `ate` at places 0 and 2, and
  parameters that are all zeros."""
  objective = bound('electric', length=5, rate=0.2, **fields)
  one = objective.corrupt(jax.random.key(0), window('t c k t m'))
  batch = jax.tree.map(lambda x: x[None], dict(
      one, noise=jnp.isin(jnp.arange(7), jnp.asarray([1, 3]))))
  batch.update(predicted=jnp.asarray([[1, 3]]), targets=ids('t k')[None],
               weights=jnp.ones((1, 2)))
  monkeypatch.setattr(losses, 'sample', lambda *arguments: ids('t a')[None])
  zeros = jax.tree.map(jnp.zeros_like, meta.unbox(
      jax.eval_shape(objective.init, jax.random.key(0))))
  return objective, zeros, batch


def test_vector(monkeypatch):
  # Both samples are labelled replaced, where replaced-token detection labels
  # one.
  objective, zeros, batch = _card(monkeypatch)
  terms = jax.jit(lambda batch: objective.loss(None, zeros, batch))(batch)
  term = terms['discriminator']
  assert term.targets[0].tolist() == [0, 1, 0, 1, 0, 0, 0]
  # All scores are zero and q is uniform over 133 ids: the logit is
  # log(.2 / .8) - log(133).
  logit = np.log(0.25) - np.log(133)
  expected = np.log1p(np.exp(logit)) - logit * np.asarray(term.targets[0])
  np.testing.assert_allclose(term.nll[0], expected, rtol=1e-4)
  assert float(terms['generator'].sum) == pytest.approx(2 * np.log(133))


def test_q_is_the_law_that_samples_are_drawn_from(monkeypatch):
  objective, params, batch = _card(monkeypatch, temperature=2.0)
  bias = np.random.default_rng(0).normal(size=133).astype(np.float32)
  params['generator_head']['bias'] = jnp.asarray(bias)
  term = jax.jit(lambda batch: objective.loss(None, params, batch))(
      batch)['discriminator']
  shown = ids('[CLS] t c a t m [SEP]')
  logit = np.log(0.25) + (
      bias / 2 - np.log(np.sum(np.exp(bias / 2))))[np.asarray(shown)]
  expected = np.log1p(np.exp(logit)) - logit * np.asarray(term.targets[0])
  np.testing.assert_allclose(term.nll[0], expected, rtol=1e-4)


def test_noise_model_reads_the_text_without_masks():
  one = bound('electric', length=5).corrupt(
      jax.random.key(0), window('a b c d e'))
  assert one['forward_inputs'].tolist() == ids(
      '<s> [CLS] a b c d e').tolist()
  assert one['backward_inputs'].tolist() == ids(
      '</s> [SEP] e d c b a').tolist()


def test_towers_have_no_block_that_reads_both_neighbours():
  model = dataclasses.replace(MODEL, norm_position='post', convolution_width=3)
  params = jax.eval_shape(bound('electric', model=model).init,
                          jax.random.key(0))
  def convolved(name):
    return [path for path, _ in jax.tree_util.tree_leaves_with_path(
        params[name]) if 'convolution' in str(path)]
  assert convolved('trunk') and not convolved('generator')
  with pytest.raises(ConfigError, match='need a single stack'):
    bound('electric', model=dataclasses.replace(
        MODEL, positions='disentangled'))
