"""One update of fine-tuning, pure, and the ways to do it.

The state of one trial is arrays: `step`, `params` (`trunk`, and `task` with
the head and whatever the way adds; with a prompt no new head, but the trunk's
own), `opt_state` and `key`. The ways:

  full    the trunk and the head are trained
  lora    the head and a product of two thin matrices beside each kernel of
          the trunk's layers (Hu et al. 2021, arXiv:2106.09685); beyond the
          paper's attention kernels, those of the feed-forward too
  prefix  the head and vectors in front of the text, at the input alone
          (Lester et al. 2021, arXiv:2104.08691)
  layer_prefix  the head, and keys and values that every self attention reads
          besides its own (Li & Liang 2021, arXiv:2101.00190, section 4.2);
          they start as those of random tokens (section 7.4 has real words), and
          are trained as they are, not by way of a network (section 4.3)
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.core import meta

from ptm_jax import finetune_lora as lora
from ptm_jax import losses, optimizers
from ptm_jax.config import Optimizer
from ptm_jax.finetune_config import PREFIXED
from ptm_jax.finetune_layers import by_layer
from ptm_jax.models.heads import POOLED, state_at
from ptm_jax.models.layers import activation
from ptm_jax.objectives import ways
from ptm_jax.rng import stream


@dataclasses.dataclass(frozen=True)
class Recipe:
  """What is static in fine-tuning.

  Attributes:
    task: component of `tasks/`.
    objective: the trunk's, bound.
    num_outputs: of the head.
    way, pooling, layer_decay, layer_warmup: see `finetune_config.Settings`.
    rank: of LoRA's matrices; they are added times 2.
    prefix: vectors of the way `prefix`, keys of `layer_prefix`.
    optimizer: `config.Optimizer`.
    num_steps: updates in all.
  """

  task: Any
  objective: Any
  num_outputs: int
  way: str
  pooling: str
  rank: int
  prefix: int
  layer_decay: float
  layer_warmup: float
  optimizer: Optimizer
  num_steps: int

  @property
  def after(self):
    """Of the parameters that `merged` gives."""
    return dataclasses.replace(
        self, way='full') if self.way == 'lora' else self


def text_offset(objective):
  """Special tokens that the trunk reads in front of a text."""
  length = 4
  tokens = objective.vocabulary.text_id(jnp.arange(length, dtype=jnp.int32))
  stack = jax.jit(objective.read)({
      'tokens': tokens,
      'segment_ids': jnp.ones(length, jnp.int32),
      'positions': jnp.arange(length, dtype=jnp.int32),
      'flags': jnp.zeros(length, jnp.uint8),
      'index': jnp.int32(0), 'epoch': jnp.int32(0)})
  return int(np.flatnonzero(
      np.asarray(stack['inputs']) == int(tokens[0]))[0])


def make_init(recipe):
  """Returns `init(key, trunk, heads=None) -> state`, pure; `heads` are the
  networks of pre-training that a prompt reads."""

  def init(key, trunk, heads=None):
    width = recipe.objective.model.width
    task = {} if recipe.task.scored else {'head': {
        'kernel': 0.02 * jax.random.normal(
            stream(key, 'head'), (width, recipe.num_outputs))}}
    pooling = None if recipe.task.per_token else recipe.pooling
    if 'head' in task and pooling != 'last':
      task['head']['bias'] = jnp.zeros(recipe.num_outputs)
    if 'head' in task and pooling in POOLED:
      task['pooler'] = {'dense': {
          'kernel': 0.02 * jax.random.normal(
              stream(key, 'pooler'), (width, width)),
          'bias': jnp.zeros(width)}}
    if recipe.way == 'lora':
      task['lora'] = lora.make(stream(key, 'lora'), trunk, recipe.rank)
    if recipe.way in PREFIXED:
      task['prefix'] = jax.tree.map(  # whatever the trunk computes in
          jnp.float32, _new_prefix(recipe, stream(key, 'prefix'), trunk))
    params = {**(heads or {}), 'trunk': trunk, 'task': task}
    return {'step': jnp.zeros((), jnp.int32), 'params': params,
            'opt_state': _transform(recipe).init(trained(recipe, params)),
            'key': key}

  return init


def _new_prefix(recipe, key, trunk):
  """What random tokens would be, in the place of the prefix."""
  vocabulary = recipe.objective.vocabulary
  ids = vocabulary.text_id(jax.random.randint(
      key, (recipe.prefix,), 0, vocabulary.num_text))
  if recipe.way == 'layer_prefix':
    return recipe.objective.kept({'trunk': trunk}, ids)
  table = trunk['token_embedding']['embedding']
  return table[ids] - table[_blank(vocabulary)][None]


def _blank(vocabulary):
  """The id that is read in the places of a prefix, whose vectors are added to
  its own: `[MASK]`, or any where there is none, as in GPT-2's."""
  mask = vocabulary.id_of('mask')
  return vocabulary.text_id(0) if mask is None else mask


def make_step(recipe, offset):
  """Returns `step(state, batch) -> (state, loss)`, pure.

  Args:
    recipe: `Recipe`.
    offset: of `text_offset`.
  """
  transform = _transform(recipe)

  def step(state, batch):
    key = stream(state['key'], 'dropout', state['step'])

    def loss(moving):
      params = {**state['params'], **moving}
      each = recipe.task.loss(
          outputs(recipe, offset, params, batch, key), batch['targets'])
      weights = batch['weights']
      return jnp.sum(each * weights) / jnp.maximum(jnp.sum(weights), 1.0)

    moving = trained(recipe, state['params'])
    value, grads = jax.value_and_grad(loss)(moving)
    updates, opt_state = transform.update(grads, state['opt_state'], moving)
    updates = by_layer(recipe, state['step'], updates)
    moving = optax.apply_updates(moving, updates)
    return {**state, 'step': state['step'] + 1, 'opt_state': opt_state,
            'params': {**state['params'], **moving}}, value

  return step


def outputs(recipe, offset, params, batch, key=None):
  """The head's outputs of a batch of `tasks.batches.collate`.

  Returns:
    float32 `[batch, outputs]`; `[batch, alternatives]` where there are
    several; per token `[batch, length, outputs]`.
  """
  size, alternatives, length = batch['tokens'].shape
  tokens = batch['tokens'].reshape(-1, length)
  real = batch['real'].reshape(-1, length)
  if recipe.task.scored:
    asked = batch['asked'].reshape(-1, length)
    with losses.plain():  # each score has its own gradient
      nats, _ = ways.nats(
          recipe.task.scored, {**params, 'trunk': _adapted(recipe, params)},
          tokens, jnp.sum(real, 1), asked.astype(jnp.int32),
          asked.astype(jnp.float32), recipe.task.most)
    return recipe.task.answers(-jnp.sum(nats, 1).reshape(size, alternatives))
  states, mask = _states(recipe, offset, params, tokens, real, key)
  head = {'bias': jnp.zeros(1), **params['task']['head']}
  if recipe.task.per_token:
    states = states[:, offset + _prefix(recipe):][:, :length]
    logits = states @ head['kernel'] + head['bias'][None, None]
    return jnp.where(real[..., None], logits, -1e9)
  logits = _vectors(recipe, states, mask, params['task']) @ head['kernel'] + (
      head['bias'][None])
  if alternatives == 1:
    return logits
  there = jnp.any(batch['real'], -1)
  return jnp.where(there, logits.reshape(size, alternatives), -1e9)


def _vectors(recipe, states, mask, task):
  if recipe.pooling not in POOLED:
    return pool(recipe.pooling, states, mask)
  dense, model = task['pooler']['dense'], recipe.objective.model
  return activation(model.pooler_activation)(
      state_at(POOLED[recipe.pooling] or model.pooler_place, states, mask)
      @ dense['kernel']
      + dense['bias'][None])


def merged(recipe, params):
  """Parameters in which the trunk alone is what the way made of it."""
  task = dict(params['task'])
  return {**params, 'trunk': _adapted(recipe, params), 'task': {
      name: value for name, value in task.items() if name != 'lora'}}


def _adapted(recipe, params):
  return (lora.adapted(params['trunk'], params['task']['lora'])
          if recipe.way == 'lora' else params['trunk'])


def _prefix(recipe):
  return recipe.prefix if recipe.way == 'prefix' else 0


def _states(recipe, offset, params, tokens, real, key):
  objective, count = recipe.objective, _prefix(recipe)
  model = objective.model
  if count:
    tokens = jnp.pad(tokens, ((0, 0), (count, 0)),
                     constant_values=_blank(objective.vocabulary))
    real = jnp.pad(real, ((0, 0), (count, 0)), constant_values=True)
  rows, windows = len(tokens), windows_of(tokens, real)
  drops = model.dropout or model.attention_dropout
  keys = (jax.random.split(key, rows) if key is not None and drops else None)
  vectors = None
  if count:
    read = jax.eval_shape(jax.vmap(objective.read), windows)['inputs'].shape[1]
    prefix = params['task']['prefix']
    vectors = jnp.zeros((rows, read, prefix.shape[-1])).at[
        :, offset:offset + count].set(prefix[None])
  read = {'trunk': _adapted(recipe, params)}
  if recipe.way == 'layer_prefix':
    read['prefix'] = params['task']['prefix']
  if recipe.pooling == 'decoder':
    states, mask = objective.decoded(read, windows, keys)
  else:
    states, mask = objective.features(read, windows, keys, vectors)
  return states.astype(jnp.float32), mask


def windows_of(tokens, real):
  """Raw windows of texts.

  Args:
    tokens: int32 `[batch, length]`.
    real: bool, the same shape, False on padding.
  """
  rows, length = tokens.shape
  segments = real.astype(jnp.int32)
  return {
      'tokens': tokens, 'segment_ids': segments,
      'positions': jnp.arange(length, dtype=jnp.int32)[None] * segments,
      'flags': jnp.zeros((rows, length), jnp.uint8),
      'index': jnp.zeros(rows, jnp.int32), 'epoch': jnp.zeros(rows, jnp.int32)}


def pool(pooling, states, mask):
  """One vector of each text, `[batch, width]`."""
  if pooling in ('first', 'last'):
    return state_at(pooling, states, mask)
  states = states.astype(jnp.float32)
  weights = mask[..., None].astype(jnp.float32)
  return jnp.sum(states * weights, 1) / jnp.maximum(jnp.sum(weights, 1), 1.0)


def trained(recipe, params):
  """The part of a trial's parameters that is trained."""
  return params if recipe.way == 'full' else {'task': params['task']}


def _transform(recipe):
  return optimizers.make(recipe.optimizer, recipe.num_steps,
                         optimizers.hparams(recipe.optimizer))


def fresh(objective, key):
  """All networks of a trunk that was never trained."""
  return meta.unbox(objective.init(stream(key, 'params')))
