"""What a trunk is worth: a linear probe and fine-tuning on a task.

Both run over all trials of a group in one program. The probe is repeated on
the same trunk untrained, so that what pre-training gave can be seen.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ptm_jax.find import find
from ptm_jax.load import encode_windows
from ptm_jax.rng import stream
from ptm_jax.workdir import write_json

# Untrained trunks whose mean score a trained one is held against: one alone may
# be lucky.
UNTRAINED = 3


def score(name, trained):
  """Scores every trial of a group on one task.

  Args:
    name: of a component of `tasks/`.
    trained: `train.Trained`.

  Returns:
    One dict per trial: `TASK/probe/accuracy`, `TASK/probe_untrained/accuracy`
    (a mean over untrained trunks) and `TASK/finetune/accuracy` (fractions),
    each with `_se`, its standard error over test examples, and `TASK/chance`.
  """
  setup, program = trained.setup, trained.program
  task = find('tasks', name)()
  data = {split: (encode_windows(setup.prepared.tokenizer, texts, task.length),
                  labels)
          for split, (texts, labels) in task.load().items()}
  seeds = [e.seed for e in setup.experiments]
  keys = program.join([stream(jax.random.key(seed), name) for seed in seeds])
  states = jax.jit(program.over(lambda params: {
      split: _in_parts(
          lambda part: _pooled_at_all_depths(setup.objective, params, part),
          windows, task.batch_size)
      for split, (windows, _) in data.items()}))
  finetune = jax.jit(program.over(
      lambda params, key: _finetune(setup.objective, task, params, key, data)))
  params = trained.state['params']

  def probe(params):
    return np.asarray([_probe(task, one, data) for one in program.split(
        jax.device_get(states(params)))])

  def untrained(number):
    keys = [stream(jax.random.key(seed), 'untrained', number)
            for seed in seeds]
    return program.init(keys, setup.hparams)['params']

  correct = {
      'finetune': program.split(jax.device_get(finetune(params, keys))),
      'probe': probe(params),
      'probe_untrained': np.mean(
          [probe(untrained(number)) for number in range(UNTRAINED)], 0)}
  return [{f'{name}/chance': 1 / task.num_classes,
           **{f'{name}/{key}': value for way, trials in correct.items()
              for key, value in _accuracy(way, trials[trial]).items()}}
          for trial in range(len(seeds))]


def _accuracy(way, correct):
  correct = np.asarray(correct, np.float64)
  return {f'{way}/accuracy': float(np.mean(correct)),
          f'{way}/accuracy_se': float(
              np.std(correct, ddof=1) / math.sqrt(len(correct)))}


def _mean(states, mask):
  """Mean over an example's tokens, float32 `[batch, width]`."""
  weights = mask[..., None].astype(jnp.float32)
  return (jnp.sum(states.astype(jnp.float32) * weights, 1)
          / jnp.maximum(jnp.sum(weights, 1), 1.0))


def _pooled(objective, params, windows, keys=None):
  """Mean of the trunk's final states, `[batch, width]`."""
  return _mean(*objective.features(params, windows, keys))


def _pooled_at_all_depths(objective, params, windows):
  """Mean states of every depth side by side: what is known of a text may lie
  at any depth (Peters et al. 2018, arXiv:1802.05365, section 5.3).

  Returns:
    float32 `[batch, (layers + 1) x width]`.
  """
  states, mask = objective.all_features(params, windows)
  return jnp.concatenate([_mean(one, mask) for one in states], -1)


def _in_parts(function, windows, size):
  """`function` of many examples, `size` at a time."""
  count = windows['index'].shape[0]
  parts = jax.tree.map(
      lambda x: jnp.asarray(x).reshape((count // size, size) + x.shape[1:]),
      windows)
  return jax.lax.map(function, parts).reshape(count, -1)


def ridge(states, labels, asked, strength=2e-3):
  """Classes that a linear classifier gives to frozen states.

  It is the ridge regression of one-hot labels on standardised states, in
  closed form: nothing to tune, the same answer every time.

  Args:
    states: `[examples, features]`, to fit to.
    labels: int `[examples]`.
    asked: `[others, features]`.
    strength: of the penalty, a share of a feature's variance.

  Returns:
    int `[others]`.
  """
  states, asked = np.asarray(states, np.float64), np.asarray(asked, np.float64)
  mean, deviation = states.mean(0), states.std(0) + 1e-6
  x = (states - mean) / deviation
  targets = np.eye(labels.max() + 1)[labels]
  weights = np.linalg.solve(
      x.T @ x / len(x) + strength * np.eye(x.shape[1]),
      x.T @ (targets - targets.mean(0)) / len(x))
  return np.argmax((asked - mean) / deviation @ weights, 1)


def _probe(task, states, data):
  """How often linear classifiers on frozen states get each test example right.

  One classifier (see `ridge`) for each disjoint set of `task.shots` examples
  per class, so that the score does not hang on which few were labelled.

  Args:
    task: gives `shots` and the classes.
    states: `{'train': [examples, features], 'test': [examples, features]}`.
    data: as `score` has it, for the labels.

  Returns:
    float64 `[test examples]`, fractions of the classifiers.
  """
  train, test = (np.asarray(states[split]) for split in ('train', 'test'))
  labels, answers = data['train'][1], data['test'][1]
  rank = np.zeros(len(labels), np.int64)  # of an example within its class
  for label in range(task.num_classes):
    rank[labels == label] = np.arange(np.sum(labels == label))
  sets = max(1, task.num_train // task.shots)
  correct = np.zeros(len(test))
  for one in range(sets):
    chosen = rank % sets == one
    correct += ridge(train[chosen], labels[chosen], test) == answers
  return correct / sets


def _finetune(objective, task, params, key, data):
  """Which test examples the whole trunk, trained on the task, gets right."""
  (train, labels), (test, answers) = data['train'], data['test']
  labels = jnp.asarray(labels)
  count, size = labels.shape[0], task.batch_size
  num_steps = task.epochs * (count // size)
  model = {'trunk': params['trunk'],
           'head': _head(objective.model.width, task.num_classes)}
  transform = optax.chain(
      optax.clip_by_global_norm(1.0),
      optax.adamw(optax.warmup_cosine_decay_schedule(
          0.0, task.learning_rate, num_steps // 10 + 1, num_steps)))
  order = jnp.concatenate([
      jax.random.permutation(stream(key, 'order', epoch), count)
      [:count // size * size].reshape(-1, size)
      for epoch in range(task.epochs)])

  def loss(model, rows, step):
    windows = jax.tree.map(lambda x: jnp.asarray(x)[rows], train)
    keys = jax.random.split(stream(key, 'dropout', step), size)
    dropout = objective.model.dropout or objective.model.attention_dropout
    x = _pooled(objective, model, windows, keys if dropout else None)
    return _classification_loss(model['head'], x, labels[rows])

  def update(carry, inputs):
    model, state = carry
    updates, state = transform.update(
        jax.grad(loss)(model, *inputs), state, model)
    return (optax.apply_updates(model, updates), state), None

  (model, _), _ = jax.lax.scan(
      update, (model, transform.init(model)), (order, jnp.arange(num_steps)))
  x = _in_parts(lambda part: _pooled(objective, model, part), test, size)
  return jnp.argmax(_logits(model['head'], x), 1) == answers


def _head(width, num_classes):
  return {'kernel': jnp.zeros((width, num_classes)),
          'bias': jnp.zeros((num_classes,))}


def _logits(head, x):
  return x @ head['kernel'] + head['bias'][None]


def _classification_loss(head, x, labels):
  return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(
      _logits(head, x), labels))


def write_attention(trained, places):
  """Writes `attention.json`: every head's weights on a sample sentence."""
  setup = trained.setup
  tokenizer, objective = setup.prepared.tokenizer, setup.objective
  windows = encode_windows(tokenizer, [tokenizer.sample])
  attention = jax.jit(lambda params: objective.attention(params, windows))
  for params, place in zip(trained.program.split(trained.state['params']),
                           places, strict=True):
    weights, ids = attention(params)
    if not weights:
      return  # a table has no layers
    write_json(place / 'attention.json', {
        'tokens': tokenizer.pieces(ids[0]),
        'layers': [np.round(np.asarray(layer[0], np.float64), 4).tolist()
                   for layer in weights]})
