"""The mixture of experts token by token, what fills it, and what it leaks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import config
from ptm_jax.errors import ConfigError
from ptm_jax.leaks import Prover
from ptm_jax.models import experts
from ptm_jax.models.attention import Structure
from ptm_jax.models.layers import MLP
from ptm_jax.step import make_hparams, make_init, make_train_step
from tests.eager import eager
from tests.models.stacks import VOCAB, model, side, trunk
from tests.objectives.cases import MODEL, bound
from tests.objectives.words import random_windows

WIDTH = 8
SWITCH = dict(num_experts=3, router_jitter=0.0)


def structure(segments, causal=False):
  segments = jnp.asarray(segments, jnp.int32)
  return Structure(segments, segments, causal=causal)


def one_hot(choices, count=3):
  return jax.nn.one_hot(jnp.asarray(choices), count)


@pytest.fixture(scope='module')
def run():
  """A layer with its parameters: `(x, segments, router) -> output, balance`."""
  layer = experts.Experts(model(**SWITCH))
  x = jnp.zeros((2, 10, WIDTH))
  variables = meta.unbox(layer.init(
      jax.random.key(0), x, structure(jnp.ones((2, 10)))))

  @jax.jit
  def apply(x, segments, router):
    params = dict(variables['params'], router=router)
    y, sown = layer.apply({'params': params}, x, structure(segments),
                          mutable=[experts.BALANCE])
    return y, sown[experts.BALANCE][experts.BALANCE][0]

  return apply, variables['params']


def drawn(seed=3):
  rng = np.random.default_rng(seed)
  x = rng.normal(size=(2, 10, WIDTH)).astype(np.float32)
  segments = np.array([[1] * 6 + [2] * 4, [1] * 7 + [0] * 3], np.int32)
  return x, segments, rng.normal(size=(WIDTH, 3)).astype(np.float32)


# All tokens to one expert, and to any of them.
@pytest.mark.parametrize('sharpness', [0.0, 1.0])
def test_the_layer_token_by_token(run, sharpness):
  apply, params = run
  x, segments, router = drawn()
  router = router * sharpness
  y, balance = apply(x, segments, router)
  mlp = MLP(model(**SWITCH))
  some = 0
  for row in range(2):
    shares, means = np.zeros(3), np.zeros(3)
    real = np.count_nonzero(segments[row])
    taken = {}
    for place in range(10):
      segment = segments[row, place]
      scores = np.exp(x[row, place] @ router)
      probabilities = scores / scores.sum()
      choice = int(probabilities.argmax())
      expected = np.zeros(WIDTH)
      if segment:
        shares[choice] += 1 / real
        means += probabilities / real
        full = np.ceil(1.25 / 3 * np.count_nonzero(segments[row] == segment))
        before = taken.setdefault((segment, choice), 0)
        taken[segment, choice] += 1
        if before < full:
          some += 1
          expected = probabilities[choice] * mlp.apply(
              {'params': jax.tree.map(lambda leaf: leaf[choice],
                                      params['experts'])}, x[row, place])
      np.testing.assert_allclose(y[row, place], expected, atol=1e-5)
    assert balance[row] == pytest.approx(3 * shares @ means, rel=1e-5)
  # Some tokens found their expert full: of 17, 3 + 2 + 3 fit into a single one.
  assert some == 8 if not sharpness else 8 < some < 17


def test_experts_begin_unlike(run):
  kernel = run[1]['experts']['up']['kernel']
  assert kernel.shape == (3, WIDTH, 12)
  assert np.abs(kernel[0] - kernel[1]).max() > 0.01


def test_balance_is_least_where_all_are_alike():
  """1 for even shares, the number of experts for a single one: section 2.2."""
  even = jnp.tile(one_hot([0, 1, 2]), (1, 2, 1))
  np.testing.assert_allclose(experts._balance(
      jnp.full((1, 6, 3), 1 / 3), even, None), [1.0], rtol=1e-6)
  single = one_hot([[1] * 6])
  np.testing.assert_allclose(
      experts._balance(single, single, None), [3.0], rtol=1e-6)


def test_places_are_a_share_of_what_a_token_sees():
  choices = one_hot([[0, 0, 0, 1, 0, 0, 0, 2]])
  segments = [[1] * 4 + [2] * 3 + [0]]
  # Of 4 tokens, ceil(1.25 x 4 / 3) = 2 fit; of 3, again 2.
  assert experts.has_room(choices, structure(segments), 1.25).tolist() == [
      [True, True, False, True, True, True, False, False]]
  # The third of the first document sees 3 tokens, which give 2 places; the
  # second sees 2, which give 1.
  assert experts.has_room(
      choices, structure(segments, causal=True), 1.25).tolist() == [
          [True, False, False, True, True, False, False, False]]
  assert np.all(np.asarray(experts.has_room(choices, structure(segments), 9))[
      0, :7])


@pytest.mark.parametrize('name', ['permutation', 'span_corruption'])
def test_experts_leak_nothing(name):
  settings = dataclasses.replace(MODEL, depth=4, num_experts=2)
  shared = Prover(bound(name, model=settings))
  (one,) = shared.derivative(shared.corrupt(random_windows(2, 12, 2, 2)))
  assert not one.leaks and one.checked, one


def by_the_row(chosen, structure, capacity):
  """The paper's rule, by which documents of a row fill each other's places."""
  del structure
  return (jnp.sum(chosen * (jnp.cumsum(chosen, 1) - 1), -1)
          < capacity * chosen.shape[1] / chosen.shape[2])


# The derivative proof sees no choice of an expert: a token of the text is
# changed, and no state that may not see it moves.
@pytest.mark.parametrize('form', ['encoder', 'decoder'])
@pytest.mark.parametrize('rule', [experts.has_room, by_the_row])
def test_the_choices_of_others_show_nothing(monkeypatch, form, rule):
  monkeypatch.setattr(experts, 'has_room', rule)
  settings = model(num_experts=2, expert_capacity=0.7, init_scale=1.0)
  module = trunk(settings, form)
  stack = side(((4, 4),), 8)
  variables = meta.unbox(module.init(jax.random.key(1), stack))
  states = jax.jit(lambda inputs: module.apply(
      variables, {**stack, 'inputs': inputs}))
  segments = stack['segment_ids'][0]
  sees = segments[:, None] == segments[None]
  if form == 'decoder':
    sees = np.tril(sees)
  moved = np.zeros((8, 8), bool)
  before = np.asarray(states(stack['inputs']))[0]
  for place in range(8):
    for token in range(VOCAB):
      inputs = stack['inputs'].copy()
      inputs[0, place] = token
      moved[:, place] |= np.abs(
          np.asarray(states(inputs))[0] - before).max(-1) > 1e-5
  assert np.any(moved & ~sees) == (rule is by_the_row)
  assert np.all(moved[sees])


@pytest.fixture(scope='module')
def trained():
  """Metrics of 40 updates of a tiny model on one batch, and its objective."""
  settings = dataclasses.replace(
      MODEL, num_experts=4, balance_weight=0.5, init_scale=0.3)
  objective = bound('autoregressive', model=settings)
  optimizer = config.Optimizer(learning_rate=1e-2, warmup_steps=0)
  hparams = make_hparams(objective, optimizer)
  assert hparams['coefficients'][experts.BALANCE] == 0.5
  state = eager(make_init(objective, optimizer, 40), jax.random.key(0),
                hparams)
  step = jax.jit(make_train_step(objective, optimizer, 40))
  windows = random_windows(4, 12, 1, 0)
  found = []
  for _ in range(40):
    state, metrics = step(state, windows)
    found.append(jax.device_get(metrics))
  return objective, state, windows, found


def test_balance_is_a_term_of_training(trained):
  objective, state, windows, found = trained
  first, last = (one['sums'][experts.BALANCE] / one['weights'][experts.BALANCE]
                 for one in (found[0], found[-1]))
  assert found[0]['weights'][experts.BALANCE] == 4
  assert 1 <= last < first, (first, last)
  (name,) = set(found[0]['sums']) - {experts.BALANCE}
  one = found[0]
  assert one['loss'] == pytest.approx(
      one['sums'][name] / one['weights'][name] + 0.5 * first, rel=1e-5)
  # Evaluation has the objective's own terms alone.
  batch = objective.corrupt_batch(state['key'], windows)
  assert set(objective.loss(None, state['params'], batch)) == {name}


@pytest.mark.parametrize('fields,found', [
    (dict(num_experts=1), 'num_experts=1'),
    (dict(num_experts=-2), 'num_experts=-2'),
    (dict(expert_capacity=0.0), 'expert_capacity=0.0'),
    (dict(router_jitter=1.0), 'router_jitter=1.0'),
    (dict(balance_weight=-1.0), 'balance_weight=-1.0'),
    (dict(scan_layers=True), 'scan_layers'),
    (dict(share_layers=True), 'share_layers')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    model(**{**SWITCH, **fields})


@pytest.mark.parametrize('name,found', [
    ('span_corruption', 'stack of 2 or more layers'),
    ('replaced_token', 'in its own way')])
def test_what_experts_do_not_fit(name, found):
  with pytest.raises(ConfigError, match=found):
    bound(name, model=dataclasses.replace(MODEL, num_experts=2))
