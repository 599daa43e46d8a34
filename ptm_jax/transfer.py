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

_SAMPLE = 'Return the sum of the array elements over a given axis.'


def score(name, trained):
  """Scores every trial of a group on one task.

  Args:
    name: of a component of `tasks/`.
    trained: `train.Trained`.

  Returns:
    One dict per trial: `TASK/probe/accuracy`, `TASK/probe_untrained/accuracy`
    and `TASK/finetune/accuracy` (fractions), each with `_se`, its standard
    error over test examples, and `TASK/chance`.
  """
  setup, program = trained.setup, trained.program
  task = find('tasks', name)()
  data = {split: (encode_windows(setup.prepared.tokenizer, texts, task.length),
                  jnp.asarray(labels))
          for split, (texts, labels) in task.load().items()}
  seeds = [e.seed for e in setup.experiments]
  untrained = program.init([jax.random.key(seed) for seed in seeds],
                           setup.hparams)['params']
  keys = program.join([stream(jax.random.key(seed), name) for seed in seeds])
  probe = jax.jit(program.over(
      lambda params: _probe(setup.objective, task, params, data)))
  finetune = jax.jit(program.over(
      lambda params, key: _finetune(setup.objective, task, params, key, data)))
  results = {
      'probe': probe(trained.state['params']),
      'probe_untrained': probe(untrained),
      'finetune': finetune(trained.state['params'], keys)}
  trials = program.split(jax.device_get(results))
  return [{f'{name}/chance': 1 / task.num_classes,
           **{f'{name}/{key}': value for way, correct in one.items()
              for key, value in _accuracy(way, correct).items()}}
          for one in trials]


def _accuracy(way, correct):
  share = float(np.mean(correct))
  return {f'{way}/accuracy': share,
          f'{way}/accuracy_se': math.sqrt(
              share * (1 - share) / (len(correct) - 1))}


def pooled(objective, params, windows, keys=None):
  """Mean of the trunk's states over an example's tokens, `[batch, width]`."""
  states, mask = objective.features(params, windows, keys)
  weights = mask[..., None].astype(jnp.float32)
  return (jnp.sum(states.astype(jnp.float32) * weights, 1)
          / jnp.maximum(jnp.sum(weights, 1), 1.0))


def _pooled_in_parts(objective, params, windows, size=50):
  """`pooled` of many examples without holding all their states."""
  count = windows['index'].shape[0]
  parts = jax.tree.map(
      lambda x: jnp.asarray(x).reshape((count // size, size) + x.shape[1:]),
      windows)
  states = jax.lax.map(lambda part: pooled(objective, params, part), parts)
  return states.reshape(count, -1)


def _probe(objective, task, params, data, steps=300):
  """Which test examples a linear classifier on the frozen trunk gets right.

  Features are standardised with the training examples' statistics; logistic
  regression with weight decay 1e-3, Adam over all examples, 300 updates.
  """
  (train, labels), (test, answers) = data['train'], data['test']
  x = _pooled_in_parts(objective, params, train)
  mean, deviation = jnp.mean(x, 0), jnp.std(x, 0) + 1e-6
  x = (x - mean) / deviation
  y = (_pooled_in_parts(objective, params, test) - mean) / deviation
  head = _head(x.shape[1], task.num_classes)
  transform = optax.adamw(0.03, weight_decay=1e-3)

  def update(carry, _):
    head, state = carry
    grads = jax.grad(_classification_loss)(head, x, labels)
    updates, state = transform.update(grads, state, head)
    return (optax.apply_updates(head, updates), state), None

  (head, _), _ = jax.lax.scan(
      update, (head, transform.init(head)), length=steps)
  return jnp.argmax(_logits(head, y), 1) == answers


def _finetune(objective, task, params, key, data):
  """Which test examples the whole trunk, trained on the task, gets right."""
  (train, labels), (test, answers) = data['train'], data['test']
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
    x = pooled(objective, model, windows, keys if dropout else None)
    return _classification_loss(model['head'], x, labels[rows])

  def update(carry, inputs):
    model, state = carry
    updates, state = transform.update(
        jax.grad(loss)(model, *inputs), state, model)
    return (optax.apply_updates(model, updates), state), None

  (model, _), _ = jax.lax.scan(
      update, (model, transform.init(model)), (order, jnp.arange(num_steps)))
  x = _pooled_in_parts(objective, model, test)
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
  windows = encode_windows(tokenizer, [_SAMPLE])
  for params, place in zip(trained.program.split(trained.state['params']),
                           places, strict=True):
    weights, ids = objective.attention(params, windows)
    write_json(place / 'attention.json', {
        'tokens': tokenizer.pieces(ids[0]),
        'layers': [np.round(np.asarray(layer[0], np.float64), 4).tolist()
                   for layer in weights]})
