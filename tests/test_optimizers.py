"""Optimizers: what each does to numbers that are worked out by hand."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ptm_jax import config, optimizers

NAMES = ('adamw', 'adafactor', 'lion', 'muon', 'sgd')
SHAPES = {
    'trunk': {
        'token_embedding': {'embedding': (6, 4)},
        'inputs': {'position_embedding': {'embedding': (5, 4)},
                   'embedding_norm': {'bias': (4,)}},
        'relative_bias': {'embedding': (32, 2)},
        'stack': {'layer_0': {
            'attention_norm': {'scale': (4,)},
            'attention': {'query': {'kernel': (4, 2, 2), 'bias': (2, 2)},
                          'output': {'kernel': (2, 2, 4)}},
            'mlp': {'up': {'kernel': (4, 8), 'bias': (8,)}}}}},
    'head': {'table': (6, 4), 'bias': (6,),
             'transform': {'kernel': (4, 4)}},
}
DECAYING = {
    'trunk.token_embedding.embedding', 'head.table', 'head.transform.kernel',
    'trunk.stack.layer_0.attention.query.kernel',
    'trunk.stack.layer_0.attention.output.kernel',
    'trunk.stack.layer_0.mlp.up.kernel'}
IN_LAYERS = {name for name in DECAYING if 'layer_0' in name}


def tree(seed, dtype=np.float32):
  """Normal numbers of the shapes above."""
  rng = np.random.default_rng(seed)
  return jax.tree.map(lambda shape: rng.normal(size=shape).astype(dtype),
                      SHAPES, is_leaf=lambda x: isinstance(x, tuple))


def named(tree):
  leaves = jax.tree_util.tree_leaves_with_path(
      tree, is_leaf=lambda x: x is None or isinstance(
          x, optax.contrib.MuonDimensionNumbers))
  return {jax.tree_util.keystr(path, simple=True, separator='.'): leaf
          for path, leaf in leaves}


@functools.partial(jax.jit, static_argnums=0)
def _two_updates(static, numbers, params, grads):
  optimizer = optimizers.make(config.Optimizer(*static), 100, numbers)
  state = optimizer.init(params)
  first, state = optimizer.update(grads[0], state, params)
  second, state = optimizer.update(grads[1], state, params)
  return first, second, state


def two_updates(settings, params=None, grads=None):
  """The two first updates of fixed parameters; one compilation per name."""
  # What is traced must not compile another program.
  static = dataclasses.astuple(dataclasses.replace(
      settings, learning_rate=1.0, weight_decay=0.0, b1=0.5, b2=0.5,
      clip_norm=0.0))
  params = tree(0) if params is None else params
  grads = (tree(1), tree(2)) if grads is None else grads
  return _two_updates(static, optimizers.hparams(settings), params, grads)


def settings(name, **fields):
  values = dict(learning_rate=0.1, weight_decay=0.0, clip_norm=0.0, b1=0.9,
                b2=0.98, eps=1e-8, schedule='constant', warmup_steps=0)
  return config.Optimizer(name, **{**values, **fields})


def assert_trees_close(found, expected, **tolerance):
  found, expected = named(found), named(expected)
  assert found.keys() == expected.keys()
  for name, value in expected.items():
    np.testing.assert_allclose(found[name], value, err_msg=name, **tolerance)


@pytest.mark.parametrize('name', NAMES)
def test_a_quadratic_falls(name):
  chosen = settings(name, learning_rate=0.1)
  # A matrix of a layer, and what is none.
  pick = lambda tree: {'layer_0': tree['trunk']['stack']['layer_0']['mlp']}
  goal, start = pick(tree(3)), pick(tree(4))

  @jax.jit
  def run(params):
    optimizer = optimizers.make(chosen, 100, optimizers.hparams(chosen))
    def loss(params):
      return sum(jnp.sum((x - y)**2) for x, y in zip(
          jax.tree.leaves(params), jax.tree.leaves(goal), strict=True))
    def update(carry, _):
      params, state = carry
      value, grads = jax.value_and_grad(loss)(params)
      updates, state = optimizer.update(grads, state, params)
      return (jax.tree.map(jnp.add, params, updates), state), value
    return jax.lax.scan(update, (params, optimizer.init(params)), None, 80)[1]

  values = run(start)
  assert values[-1] < 0.2 * values[0]
  assert np.all(np.isfinite(values))


def test_sgd_is_heavy_ball_momentum():
  first, second, _ = two_updates(settings('sgd'))
  assert_trees_close(first, jax.tree.map(lambda g: -0.1 * g, tree(1)),
                     rtol=1e-6)
  assert_trees_close(second, jax.tree.map(
      lambda g, h: -0.1 * (h + 0.9 * g), tree(1), tree(2)),
                     rtol=1e-5, atol=1e-6)


def test_adamw_follows_its_equations():
  b1, b2, lr, decay = 0.8, 0.95, 0.1, 0.3
  first, second, _ = two_updates(settings(
      'adamw', b1=b1, b2=b2, learning_rate=lr, weight_decay=decay))
  for name, update in named(first).items():
    p, g, h = (named(tree(seed))[name] for seed in range(3))
    pull = decay * p if name in DECAYING else 0
    # Corrected for their bias, both moments of one gradient are its own.
    np.testing.assert_allclose(update, -lr * (np.sign(g) + pull), rtol=1e-4,
                               atol=1e-5)
    mean = (b1 * (1 - b1) * g + (1 - b1) * h) / (1 - b1**2)
    square = (b2 * (1 - b2) * g**2 + (1 - b2) * h**2) / (1 - b2**2)
    np.testing.assert_allclose(
        named(second)[name], -lr * (mean / np.sqrt(square) + pull),
        rtol=1e-4, atol=1e-5)


def test_lion_moves_by_signs():
  first, second, _ = two_updates(settings('lion', b1=0.9, b2=0.5))
  assert_trees_close(first, jax.tree.map(lambda g: -0.1 * np.sign(g), tree(1)),
                     rtol=1e-6)
  # The momentum decays by b2, the direction mixes it by b1.
  assert_trees_close(second, jax.tree.map(
      lambda g, h: -0.1 * np.sign(0.9 * 0.5 * g + 0.1 * h), tree(1), tree(2)),
                     rtol=1e-6)


def test_adafactor_moves_each_parameter_by_a_share_of_its_size():
  params = tree(0)
  params['head']['table'] = 100 * params['head']['table']
  first, _, _ = two_updates(settings('adafactor', learning_rate=0.01), params)
  for name, update in named(first).items():
    size = np.sqrt(np.mean(named(params)[name]**2))
    # Before anything is averaged, every entry moves by its sign.
    np.testing.assert_allclose(np.abs(update), 0.01 * size, rtol=1e-3)
    assert np.array_equal(np.sign(update), -np.sign(named(tree(1))[name]))


def test_muon_orthogonalises_the_matrices_in_layers():
  first, _, _ = two_updates(settings('muon', learning_rate=1.0))
  shapes = {'query': (4, 4), 'output': (4, 4), 'up': (4, 8)}
  for name, update in named(first).items():
    if name not in IN_LAYERS:
      # Nesterov Adam, whose first direction is a multiple of the sign.
      signs = -np.sign(named(tree(1))[name])
      ratio = np.asarray(update) * signs
      np.testing.assert_allclose(ratio, ratio.reshape(-1)[0], rtol=1e-3)
      assert ratio.min() > 0.5
      continue
    matrix = np.asarray(update).reshape(shapes[name.split('.')[-2]])
    gradient = named(tree(1))[name].reshape(matrix.shape)
    found = np.linalg.svd(matrix, compute_uv=False)
    # 0.2 root mean square: all singular values are 0.2 * sqrt(larger side),
    # as near to it as five Newton-Schulz iterations come.
    expected = 0.2 * np.sqrt(max(matrix.shape))
    assert np.all(np.abs(found / expected - 0.95) < 0.3), name
    # The polar factor: with the gradient it gives a symmetric matrix.
    u, _, v = np.linalg.svd(gradient, full_matrices=False)
    aligned = -np.sum(matrix * (u @ v)) / np.linalg.norm(
        matrix) / np.linalg.norm(u @ v)
    assert aligned > 0.95, name


def test_scanned_layers_are_separate_matrices():
  """Two layers stacked on a first axis move as two layers do."""
  chosen = settings('muon', learning_rate=1.0)
  apart = [jax.tree.map(lambda x: x[index], {'query': {
      'kernel': np.random.default_rng(9).normal(size=(2, 4, 2, 2)).astype(
          np.float32)}}) for index in range(2)]

  def direction(layers):
    optimizer = optimizers.make(chosen, 10, optimizers.hparams(chosen))
    params = {layer: {'attention': value} for layer, value in layers.items()}
    return jax.jit(lambda x: optimizer.update(x, optimizer.init(x), x)[0])(
        params)

  single = direction({'layer_0': apart[0], 'layer_1': apart[1]})
  stacked = direction({'layers': jax.tree.map(
      lambda *x: np.stack(x), *apart)})
  for index in range(2):
    one = single[f'layer_{index}']['attention']['query']['kernel']
    both = stacked['layers']['attention']['query']['kernel'][index]
    np.testing.assert_allclose(both, one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('scanned', [(), (3,)])
def test_adafactor_factors_attention_as_one_matrix(scanned):
  chosen = settings('adafactor')
  optimizer = optimizers.make(chosen, 10, optimizers.hparams(chosen))
  shapes = {'query': (128, 4, 64), 'output': (4, 64, 128), 'up': (128, 130)}
  params = {'layers': {'attention': {
      name: {'kernel': jax.ShapeDtypeStruct(scanned + shape, np.float32)}
      for name, shape in shapes.items()}, 'attention_norm': {
          'scale': jax.ShapeDtypeStruct(scanned + (256,), np.float32)}}}
  params['layers']['mlp'] = {'up': params['layers']['attention'].pop('up')}
  state = jax.eval_shape(optimizer.init, params)
  sizes = sorted(leaf.size // (3 if scanned else 1)
                 for leaf in jax.tree.leaves(state) if leaf.size > 3)
  # Rows and columns of three matrices, and all entries of the norm.
  assert sizes == sorted([128, 256, 256, 128, 128, 130, 256])


@pytest.mark.parametrize('name', NAMES)
def test_only_decay_moves_what_has_no_gradient(name):
  zeros = jax.tree.map(np.zeros_like, tree(1))
  first, second, _ = two_updates(
      settings(name, weight_decay=0.5), grads=(zeros, zeros))
  for updates in first, second:
    for leaf, update in named(updates).items():
      expected = -0.1 * 0.5 * named(tree(0))[leaf] if leaf in DECAYING else 0
      np.testing.assert_allclose(update, expected, rtol=1e-5, atol=1e-7,
                                 err_msg=leaf)


def test_norms_biases_and_positions_do_not_decay():
  found = {name for name, decays in named(optimizers.decays(tree(0))).items()
           if decays}
  assert found == DECAYING


def test_muon_takes_the_kernels_inside_layers_only():
  found = {name: tuple(axes) for name, axes
           in named(optimizers.matrices(tree(0))).items() if axes}
  assert found.keys() == IN_LAYERS
  layer = 'trunk.stack.layer_0'
  assert found[f'{layer}.attention.query.kernel'] == ((-3,), (-2, -1))
  assert found[f'{layer}.attention.output.kernel'] == ((-3, -2), (-1,))
  assert found[f'{layer}.mlp.up.kernel'] == ((-2,), (-1,))
  within = {'layer_0': {'attention': {'relative': {'distance': {
      'kernel': np.zeros((8, 2, 4))}}}}}
  (axes,) = named(optimizers.matrices(within)).values()
  assert tuple(axes) == ((-3,), (-2, -1))


def norm(tree):
  return np.sqrt(sum(np.sum(np.square(x)) for x in jax.tree.leaves(tree)))


def test_clipping_is_by_the_global_norm():
  whole = norm(tree(1))
  for clip, expected in [(0.5, 0.5), (whole / 2, whole / 2),
                         (2 * whole, whole), (0.0, whole)]:
    first, _, _ = two_updates(settings(
        'sgd', learning_rate=1.0, clip_norm=clip))
    assert norm(first) == pytest.approx(expected, rel=1e-5)
    # The direction stays.
    assert_trees_close(first, jax.tree.map(
        lambda g, e=expected: -g * np.float32(e / whole), tree(1)), rtol=1e-4,
                       atol=1e-6)


@pytest.mark.parametrize('name', NAMES)
def test_half_precision_has_single_moments(name):
  chosen = settings(name)
  params = tree(0, jnp.bfloat16)
  optimizer = optimizers.make(chosen, 10, optimizers.hparams(chosen))
  updates, state = jax.eval_shape(
      lambda x: optimizer.update(x, optimizer.init(x), x), params)
  dtypes = {leaf.dtype for leaf in jax.tree.leaves((updates, state))}
  assert dtypes == {np.dtype('float32'), np.dtype('int32')}


@pytest.mark.parametrize('name', NAMES)
def test_the_state_is_arrays_whose_tree_no_number_changes(name):
  def state(**fields):
    chosen = settings(name, **fields)
    optimizer = optimizers.make(chosen, 10, optimizers.hparams(chosen))
    return jax.eval_shape(optimizer.init, tree(0))
  one = state()
  other = state(weight_decay=0.1, clip_norm=1.0, b1=0.0, b2=0.5,
                learning_rate=3.0)
  assert jax.tree.structure(one) == jax.tree.structure(other)
  for leaf in jax.tree.leaves(one):
    assert isinstance(leaf, jax.ShapeDtypeStruct)


def test_the_rate_counts_updates_from_one():
  # 4 updates of warm-up: the first has a quarter of the peak.
  first, second, _ = two_updates(settings('sgd', b1=0.0, warmup_steps=4))
  assert_trees_close(first, jax.tree.map(lambda g: -0.025 * g, tree(1)),
                     rtol=1e-5)
  assert_trees_close(second, jax.tree.map(lambda g: -0.05 * g, tree(2)),
                     rtol=1e-5)


# The multiplier of the peak at steps 0, 1, 2, 4, 8, 11, 12 of 12, where the
# first 4 updates warm up and the end is at 0.2.
SCHEDULES = {
    'constant': [0.25, 0.5, 0.75, 1, 1, 1, 1],
    # Update n = step + 1 > 4 has done (n - 5) / 8 of the rest.
    'linear': [0.25, 0.5, 0.75, 1, 0.6, 0.3, 0.2],
    'cosine': [0.25, 0.5, 0.75, 1, 0.6,
               0.2 + 0.4 * (1 + np.cos(7 / 8 * np.pi)), 0.2],
    'inverse_sqrt': [0.25, 0.5, 0.75, np.sqrt(4 / 5), 2 / 3, np.sqrt(4 / 12),
                     np.sqrt(4 / 13)],
    # The last quarter, 3 updates, falls: n = 10 is its first, at 1.
    'wsd': [0.25, 0.5, 0.75, 1, 1, 1 - 0.8 * 2 / 3, 0.2],
}


def values(chosen, num_steps, steps):
  return np.asarray(optimizers.schedule(chosen, num_steps)(
      np.asarray(steps, np.int32)))


@pytest.mark.parametrize('name', SCHEDULES)
def test_schedules_by_hand(name):
  chosen = config.Optimizer(schedule=name, warmup_steps=4, final_fraction=0.2,
                            decay_share=0.25)
  found = values(chosen, 12, [0, 1, 2, 4, 8, 11, 12])
  np.testing.assert_allclose(found, SCHEDULES[name], rtol=1e-5)
  assert found.dtype == np.float32


@pytest.mark.parametrize('name', SCHEDULES)
def test_schedules_without_warm_up_start_at_the_peak_and_end_in_range(name):
  chosen = config.Optimizer(schedule=name, warmup_steps=0, final_fraction=0.0)
  found = values(chosen, 7, range(7))
  assert found[0] == 1
  assert np.all(np.diff(found) <= 0)
  assert found[-1] > 0  # the last update is not wasted
  assert np.all(values(chosen, 7, range(100, 107)) >= 0)


@pytest.mark.parametrize('name', SCHEDULES)
def test_a_warm_up_longer_than_the_run_never_leaves_it(name):
  chosen = config.Optimizer(schedule=name, warmup_steps=14)
  np.testing.assert_allclose(values(chosen, 7, range(7)),
                             np.arange(1, 8) / 14, rtol=1e-6)


def test_an_inverse_root_stops_at_its_final_fraction():
  chosen = config.Optimizer(schedule='inverse_sqrt', warmup_steps=4,
                            final_fraction=0.5)
  np.testing.assert_allclose(values(chosen, 99, [3, 15, 63, 0, 0, 0, 0])[:3],
                             [1, 0.5, 0.5])


@pytest.mark.parametrize('old,old_steps,new,new_steps,step,same', [
    ({'schedule': 'constant'}, 10, {'schedule': 'constant'}, 20, 10, True),
    ({'schedule': 'linear'}, 10, {'schedule': 'linear'}, 20, 4, True),
    ({'schedule': 'linear'}, 10, {'schedule': 'linear'}, 20, 6, False),
    ({'schedule': 'constant'}, 10, {'schedule': 'linear'}, 10, 5, True),
    ({'schedule': 'constant'}, 10, {'schedule': 'linear'}, 10, 7, False),
    ({'warmup_steps': 4}, 10, {'warmup_steps': 5}, 10, 1, False),
    ({'warmup_steps': 4}, 10, {'warmup_steps': 5}, 10, 0, True),
    ({'schedule': 'wsd'}, 20, {'schedule': 'wsd'}, 40, 16, True),
    ({'schedule': 'wsd'}, 20, {'schedule': 'wsd'}, 40, 18, False)])
def test_a_schedule_may_change_where_the_past_agrees(
    old, old_steps, new, new_steps, step, same):
  base = {'warmup_steps': 4, 'decay_share': 0.2}
  assert optimizers.same_past(
      config.Optimizer(**{**base, **old}), old_steps,
      config.Optimizer(**{**base, **new}), new_steps, step) is same
