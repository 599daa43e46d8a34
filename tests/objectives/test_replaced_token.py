"""Replaced-token detection: its vector, the generator's inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax import config
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.leaks import Prover
from ptm_jax.objectives import judges
from ptm_jax.step import make_hparams, make_init, make_train_step
from tests.eager import eager
from tests.objectives.cases import LENGTH, bound, corrupt
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


def judged(question, shown='[CLS] t c a t m [SEP]'):
  """The term of card 14's example, all scores being zero."""
  objective = bound('replaced_token', length=5, question=question)
  judge = objective._judge()
  params = {name: module.init(jax.random.key(0), *arguments)['params']
            for name, (module, arguments) in judge.heads().items()}
  tokens = ids('[CLS] t c k t m [SEP]')[None]
  table = jnp.zeros((VOCABULARY.size, 8))
  batch = {'tokens': tokens, 'predicted': jnp.asarray([[1, 3]]),
           'targets': ids('t k')[None], 'weights': jnp.ones((1, 2)),
           'segment_ids': np.ones((1, 7), np.int32),
           'noise': np.isin(np.arange(7), [1, 3])[None]}
  return judge.score({**params, 'trunk': {'token_embedding': {
      'embedding': table}}}, jnp.zeros((1, 7, 8)), ids(shown)[None], batch)


def test_stepping_stones_vectors():
  # Card 15, with [CLS] in front and [SEP] behind.
  one = judged('detect_sampled')
  assert one.weights[0].tolist() == [0, 1, 0, 1, 0, 0, 0]
  assert one.targets[0].tolist() == [0, 0, 0, 1, 0, 0, 0]
  one = judged('recover')
  assert show(one.targets[0]) == 't k' and one.weights[0].tolist() == [1, 1]
  one = judged('recover_all')
  assert show(one.targets[0]) == '[CLS] t c k t m [SEP]'
  assert one.weights[0].tolist() == [1] * 7
  # The gate is 1/2, the softmax 1/133: a token that is shown costs
  # -log(1/2 + 1/266), the replaced one -log(1/266).
  nll = [-np.log(0.5 + 1 / 266)] * 7
  nll[3] = np.log(266)
  np.testing.assert_allclose(one.nll[0], nll, rtol=1e-5)


def test_copy_gate_has_the_gradient_of_its_formula():
  rng = np.random.default_rng(0)
  features, table, bias, gate = (
      jnp.asarray(rng.normal(size=shape), jnp.float32)
      for shape in ((2, 3, 4), (9, 4), (9,), (2, 3)))
  targets = jnp.asarray([[1, 2, 3], [4, 5, 6]])
  shown = jnp.asarray([[1, 2, 8], [4, 0, 6]])
  weights = jnp.asarray([[1., 1., 1.], [1., 1., 0.]])

  def plain(features, table, bias, gate):
    softmax = jax.nn.softmax(features @ table.T + bias[None, None])
    chosen = jnp.take_along_axis(softmax, targets[..., None], -1)[..., 0]
    copied = jax.nn.sigmoid(gate)
    return -jnp.sum(weights * jnp.log(
        copied * (shown == targets) + (1 - copied) * chosen))

  def ours(features, table, bias, gate):
    return judges.copy_cross_entropy(
        features, table, bias, gate, shown, targets, weights).sum

  arguments = features, table, bias, gate
  assert ours(*arguments) == pytest.approx(float(plain(*arguments)), rel=1e-5)
  for a, b in zip(jax.grad(ours, (0, 1, 2, 3))(*arguments),
                  jax.grad(plain, (0, 1, 2, 3))(*arguments), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_stepping_stones_do_not_leak():
  shared = Prover(bound('replaced_token', question='recover_all'))
  windows = random_windows(2, 12, 2, 2)
  verdicts = shared.derivative(shared.corrupt(windows))
  assert {one.term for one in verdicts} == {'generator', 'mlm'}
  for one in verdicts:
    assert not one.leaks and one.checked and one.blind < 0.05, one


@pytest.mark.parametrize('fields,found', [
    ({'question': 'ask'}, 'ask'),
    ({'generator_width': 0.0}, '0.0'), ({'temperature': 0.0}, '0.0'),
    ({'discriminator_weight': -1.0}, '-1.0')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'replaced_token')(**fields).validate()


def test_the_first_stage_trains_the_generator_which_then_is_the_trunk():
  optimizer = config.Optimizer(learning_rate=1e-2, schedule='constant',
                               warmup_steps=0, weight_decay=0.1)
  objective = bound('replaced_token', rate=0.3, generator_width=1.0,
                    first_stage=0.5)
  state = eager(make_init(objective, optimizer, 4), jax.random.key(0),
                make_hparams(objective, optimizer))
  step = jax.jit(make_train_step(objective, optimizer, 4))
  stages = []
  for number in range(4):
    state, measured = step(state, random_windows(8, LENGTH, seed=number))
    stages.append((jax.device_get(state['params']), measured['weights']))
  assert [float(weights['generator']) > 0 for _, weights in stages] == [
      True, True, False, False]
  assert [float(weights['discriminator']) > 0 for _, weights in stages] == [
      False, False, True, True]
  generators = [params['generator']['stack'] for params, _ in stages]
  assert not _same(generators[0], generators[1])
  assert _same(generators[1], generators[2]) and _same(*generators[2:])
  # One update of the discriminator lies between the generator and the trunk.
  trunk, before = stages[2][0]['trunk']['stack'], stages[1][0]['trunk']['stack']
  def gap(one, other):
    return max(np.max(np.abs(a - b)) for a, b in zip(
        jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
  assert 0 < gap(trunk, generators[1]) < 0.011 < gap(trunk, before)
  heads = [params['head'] for params, _ in stages]
  assert _same(heads[0], heads[1]) and not _same(heads[1], heads[2])


def _same(one, other):
  return all(np.array_equal(a, b) for a, b in zip(
      jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_a_first_stage_needs_a_generator_of_the_size_of_the_trunk():
  with pytest.raises(ConfigError, match='first_stage=0.5: the generator'):
    find('objectives', 'replaced_token')(first_stage=0.5).validate()
