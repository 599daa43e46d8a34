"""The one training step: `(state, windows) -> (state, metrics)`, pure.

jit over a mesh, pmap and many trials in one program are all made from it in
`compile.py`. The state is a tree of arrays and nothing else:

  step       int32, updates tried so far
  params     by network; `params['trunk']` is what transfers
  opt_state  the optimizer's
  key        the run's random key; every draw is folded from it
  hparams    the numbers a sweep may vary, made in Python before the run
  counts     skipped steps (int32) and two clocks in tokens (see `_add`)
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.core import meta

from ptm_jax import optimizers
from ptm_jax.models import experts
from ptm_jax.objectives import phases
from ptm_jax.rng import example_keys, stream


def make_hparams(objective, optimizer):
  """The numbers a run's state carries, as numpy arrays.

  Args:
    objective: a bound objective.
    optimizer: `config.Optimizer`.
  """
  coefficients = objective.coefficients()
  if objective.model.num_experts:
    coefficients[experts.BALANCE] = objective.model.balance_weight
  return {
      'optimizer': optimizers.hparams(optimizer),
      'objective': objective.numbers,
      'coefficients': {term: np.float32(value)
                       for term, value in coefficients.items()}}


def make_init(objective, optimizer, num_steps):
  """Returns `init(key, hparams) -> state`, pure and jittable."""

  def init(key, hparams):
    params = meta.unbox(objective.init(stream(key, 'params')))
    transform = optimizers.make(optimizer, num_steps, hparams['optimizer'])
    return {
        'step': jnp.zeros((), jnp.int32),
        'params': params,
        'opt_state': transform.init(params),
        'key': stream(key, 'training'),
        'hparams': jax.tree.map(jnp.asarray, hparams),
        'counts': {'skipped': jnp.zeros((), jnp.int32),
                   'tokens_seen': jnp.zeros((2,), jnp.uint32),
                   'tokens_with_loss': jnp.zeros((2,), jnp.uint32)}}

  return init


def make_train_step(objective, optimizer, num_steps, micro_batches=1,
                    axis_name=None):
  """Returns the pure step `(state, windows) -> (state, metrics)`.

  An objective with several phases has a program for each in it, of which the
  state's step chooses one.

  Args:
    objective: a bound objective; its numbers are replaced by the state's.
    optimizer: `config.Optimizer`.
    num_steps: updates in the whole run, for the schedule.
    micro_batches: parts of the batch computed one after the other; their
      sums are divided by the weight of the whole batch.
    axis_name: of the devices among which a batch is split under pmap.
  """
  arguments = objective, optimizer, num_steps, micro_batches, axis_name
  updates = [_make_update(number, *arguments)
             for number in range(len(objective.phases()))]
  if len(updates) == 1:
    return updates[0]

  def train_step(state, windows):
    number = phases.current(objective.phases(), num_steps, state['step'])
    return jax.lax.switch(number, updates, state, windows)

  return train_step


def _make_update(number, objective, optimizer, num_steps, micro_batches,
                 axis_name):
  """`make_train_step` of the phase of this number."""
  add_up = (lambda x: jax.lax.psum(x, axis_name)) if axis_name else (
      lambda x: x)

  def update(state, windows):
    hparams, params = state['hparams'], state['params']
    phase = objective.rebuilt(
        hparams['objective'], state['step'] / num_steps).phases()[number]
    if phase.enter:
      first = phases.starts(objective.phases(), num_steps)[number]
      params = jax.tree.map(
          lambda new, old: jnp.where(state['step'] == first, new, old),
          phase.enter(params), params)
    batch = phase.objective.corrupt_batch(state['key'], windows)
    keys = example_keys(state['key'], windows['index'], windows['epoch'])
    grads, sums, weights = _gradients(
        phase.loss, hparams['coefficients'], params, batch,
        stream(keys, 'dropout'), micro_batches, add_up)
    nothing = dict.fromkeys(hparams['coefficients'], jnp.zeros(()))
    loss = total_loss(hparams['coefficients'], sums, weights)
    grad_norm = optax.tree.norm(grads)

    transform = optimizers.make(optimizer, num_steps, hparams['optimizer'])
    updates, opt_state = transform.update(grads, state['opt_state'], params)
    before = {'params': params, 'opt_state': state['opt_state']}
    after = phases.keep_others(phase.networks, {
        'params': optax.apply_updates(params, updates),
        'opt_state': opt_state}, before)
    # A step either happens or it does not: a non-finite one changes nothing
    # but `step` and the count of skipped steps.
    finite = jnp.isfinite(loss) & jnp.isfinite(grad_norm)
    counts = dict(
        state['counts'],
        tokens_seen=_add(state['counts']['tokens_seen'],
                         add_up(_tokens(phase.objective, windows))),
        tokens_with_loss=_add(
            state['counts']['tokens_with_loss'],
            jnp.max(jnp.stack(list(weights.values())))))
    happened = dict(state, **after, counts=counts)
    state = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old), happened, state)
    state['step'] = state['step'] + 1
    state['counts']['skipped'] += 1 - finite.astype(jnp.int32)
    metrics = {
        'loss': loss,
        'sums': {**nothing, **sums},
        'weights': {**nothing, **weights},
        'grad_norm': grad_norm,
        'param_norm': optax.tree.norm(state['params']),
        'learning_rate': hparams['optimizer']['learning_rate']
                         * optimizers.schedule(optimizer, num_steps)(
                             state['step'] - 1),
        'finite': finite,
        'counts': state['counts'],
    }
    return state, metrics

  return update


def make_diagnosis(objective, num_steps, step):
  """Returns `diagnose(state, windows)`: what an update would do, by part.

  `step` counts the updates before it.

  It gives `sums` and `weights` by term, `losses` float32 `[batch]` (nats of
  each example over all terms) and `gradients`, the largest entry of every
  parameter's gradient, not a number where one is not.
  """

  number = int(phases.current(objective.phases(), num_steps, step))

  def diagnose(state, windows):
    hparams = state['hparams']
    phase = objective.rebuilt(
        hparams['objective'], state['step'] / num_steps).phases()[number]
    batch = phase.objective.corrupt_batch(state['key'], windows)
    keys = example_keys(state['key'], windows['index'], windows['epoch'])
    dropout = stream(keys, 'dropout')
    grads, sums, weights = _gradients(
        phase.loss, hparams['coefficients'], state['params'], batch, dropout, 1,
        lambda x: x)
    terms = phase.loss(dropout, state['params'], batch)
    return {
        'sums': sums, 'weights': weights,
        'losses': sum(jnp.sum(term.factors * term.nll, -1)
                      for term in terms.values()),
        'gradients': jax.tree.map(lambda g: jnp.max(jnp.abs(g)), grads)}

  return diagnose


def total_loss(coefficients, sums, weights):
  """The training loss: each term's mean over its own weight, weighted."""
  return sum(coefficients[term] * sums[term] / jnp.maximum(weights[term], 1.)
             for term in sums)


def _gradients(terms_of, coefficients, params, batch, keys, micro_batches,
               add_up):
  """Gradients of the loss, and each term's sum and weight, all global."""

  def term_weights(batch, keys):
    # Only the weights are used, so the compiler removes everything else.
    terms = terms_of(keys, params, batch)
    return {name: term.weight for name, term in terms.items()}

  def loss(params, batch, keys, weights):
    terms = terms_of(keys, params, batch)
    if weights is None:
      weights = add_up({name: term.weight for name, term in terms.items()})
    sums = {name: term.sum for name, term in terms.items()}
    return total_loss(coefficients, sums, weights), (sums, weights)

  gradient = jax.grad(loss, has_aux=True)
  if micro_batches == 1:
    grads, (sums, weights) = gradient(params, batch, keys, None)
    return add_up(grads), add_up(sums), weights

  # Every micro-batch is divided by the weight of the whole batch, which is
  # known from the corrupted batch alone: never a mean of means.
  weights = add_up(term_weights(batch, keys))
  parts = jax.tree.map(
      lambda x: x.reshape((micro_batches, -1) + x.shape[1:]), (batch, keys))

  def accumulate(total, part):
    grads, (sums, _) = gradient(params, *part, weights)
    return jax.tree.map(jnp.add, total, (grads, sums)), None

  zero = jax.tree.map(jnp.zeros_like, params), {
      name: jnp.zeros(()) for name in weights}
  (grads, sums), _ = jax.lax.scan(accumulate, zero, parts)
  return add_up(grads), add_up(sums), weights


def _tokens(objective, windows):
  """Text tokens in a batch, those of the partners that are read included."""
  seen = jnp.sum(windows['segment_ids'] > 0)
  if objective.partner:
    seen += jnp.sum(windows['partner_segment_ids'] > 0)
  return seen


# A clock counts past 2**31 tokens: uint32 [2] of (units, multiples of 2**30),
# since the state must be arrays that every backend has.
_UNIT = 30


def _add(clock, amount):
  low = clock[0] + amount.astype(jnp.uint32)
  return jnp.stack([low & (2**_UNIT - 1), clock[1] + (low >> _UNIT)])


def read_clock(clock):
  """A clock of the state as a Python int, in tokens."""
  low, high = (int(part) for part in np.asarray(clock))
  return (high << _UNIT) + low


def scored(state):
  """The part of a state that an evaluation reads."""
  return {'params': state['params'], 'hparams': state['hparams']}


def evaluation_batch(objective, windows):
  """Windows as an evaluation corrupts them: with noise from a fixed key."""
  key = stream(jax.random.key(0), 'evaluation')
  keys = example_keys(key, windows['index'], windows['epoch'])
  return jax.vmap(objective.corrupt)(keys, windows)


def make_evaluation_step(objective):
  """Returns `evaluate(state, windows) -> {term: sums per example}`.

  Of the state `params` and `hparams` are read (see `scored`). The noise is
  the trial's own numbers, drawn from a fixed key, so that every run of a
  comparison is scored on the same predictions; no dropout.
  """

  def evaluate(state, windows):
    rebuilt = objective.rebuilt(state['hparams']['objective'])
    batch = evaluation_batch(rebuilt, windows)
    terms = rebuilt.loss(None, state['params'], batch)
    vocab_size = objective.vocabulary.size
    return {
        name: {
            'sum': jnp.sum(term.factors * term.nll, -1),
            'weight': jnp.sum(term.weights, -1),
            'correct': jnp.sum(term.factors * term.correct, -1),
            'targets': jnp.zeros((vocab_size,)).at[term.targets].add(
                term.weights)}
        for name, term in terms.items()}

  return evaluate
