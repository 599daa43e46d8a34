"""The seeds of one fine-tuning, trained and scored side by side."""

import contextlib
import dataclasses
import json
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import budget, metrics, serialize, workdir
from ptm_jax.checkpoint import Checkpoints
from ptm_jax.config import Optimizer
from ptm_jax.errors import Stopped
from ptm_jax.finetune_step import (Recipe, fresh, make_init, make_step, merged,
                                   outputs, text_offset, trained)
from ptm_jax.finetune_writing import Scribe
from ptm_jax.objectives import ways
from ptm_jax.progress import Progress
from ptm_jax.rng import stream
from ptm_jax.tasks import batches


class Trials:
  """The seeds of one fine-tuning.

  Args:
    run: `load.Loaded`, the trunk's.
    data: `finetune_data.Data`.
    settings: `finetune_config.Settings`.
    path: work directory.
    say: takes one line for the user.
  """

  def __init__(self, run, data, settings, path, say):
    self.run, self.data, self.settings, self.say = run, data, settings, say
    self.seeds = list(range(settings.seeds))
    self.places = [path / f'seed-{seed}' for seed in self.seeds]
    self.keepers = [Checkpoints(place / 'checkpoints', say=say)
                    for place in self.places]
    lengths = self.lengths = [batches.length_of(one) for one in data.train]
    self.ends = batches.buckets(lengths, settings.batch_size)
    self.per_epoch = -(-len(lengths) // settings.batch_size)
    num_steps = settings.epochs * self.per_epoch
    self.recipe = Recipe(
        data.task, run.objective, data.num_outputs, settings.way,
        settings.pooling, settings.lora_rank, settings.prefix_length,
        settings.layer_decay, settings.layer_warmup,
        Optimizer(learning_rate=settings.learning_rate,
                  weight_decay=settings.weight_decay, b2=0.999, eps=1e-6,
                  warmup_steps=round(settings.warmup * num_steps)), num_steps)
    self.offset = text_offset(run.objective)
    self.scribe = Scribe(run, data.task) if data.task.written else None
    way = data.task.scored
    self.heads = [name for name in ways.networks_read(way, run.params)
                  if name != 'trunk'] if way else []
    self._compile()

  def _compile(self):
    over = (lambda f: lambda *a: jax.lax.map(lambda one: f(*one), a)) if (
        jax.default_backend() == 'cpu') else jax.vmap
    self.step = jax.jit(over(make_step(self.recipe, self.offset)),
                        donate_argnums=0)
    self.forward = jax.jit(lambda params, batch: over(
        lambda one: outputs(self.recipe.after, self.offset, one, batch))(
            params))
    self.init = jax.jit(over(make_init(self.recipe)))

  def record(self, checkpoint):
    """Writes what makes each seed's folder a work directory."""
    before = pathlib.Path(checkpoint) / 'config.json'
    facts = serialize.read_json(before) if before.exists() else {}
    if self.run.published:
      facts = {'published': self.run.published}
    state = self._shapes()
    shapes = jax.tree.map(lambda leaf: list(leaf.shape), jax.eval_shape(
        lambda one: merged(self.recipe, one), state['params'])['task'])
    facts = {name: value for name, value in facts.items()
             if name not in ('config', 'versions', 'source_revision')}
    for seed, place in zip(self.seeds, self.places, strict=True):
      place.mkdir(parents=True, exist_ok=True)
      self.run.tokenizer.save(place / 'tokenizer')
      workdir.write_json(place / 'config.json', workdir.record(
          self.run.config, **{**facts, 'finetune': {
              'checkpoint': str(checkpoint),
              **dataclasses.asdict(self.settings), 'seed': seed,
              'labels': list(self.data.labels),
              **self.data.task.recorded(),
              'trunk_step': self.run.step, 'parameters': shapes,
              'networks': sorted(self.run.params)}}))

  def _shapes(self):
    return jax.eval_shape(
        make_init(self.recipe), jax.random.key(0), self.run.params['trunk'],
        {name: self.run.params[name] for name in self.heads})

  # --- training ---------------------------------------------------------------

  def _begin(self):
    """The step to go on from, the joined state, and each trial's networks
    that fine-tuning leaves as they are."""
    networks = [fresh(self.run.objective, stream(
        jax.random.key(seed), 'scratch')) if self.settings.from_scratch
                else self.run.params for seed in self.seeds]
    keys = jnp.stack([stream(jax.random.key(seed), 'finetune')
                      for seed in self.seeds])
    parts = [(one['trunk'], {name: one[name] for name in self.heads})
             for one in networks]
    state = self.init(keys, *jax.tree.map(
        lambda *leaves: jnp.stack(leaves), *parts))
    others = [{name: one for name, one in network.items()
               if name not in state['params']} for network in networks]
    common = set.intersection(*(set(one.steps()) for one in self.keepers))
    for step in sorted(common, reverse=True):
      targets = state if step < self.recipe.num_steps else self._merged(state)
      found = [keeper.restore(self._whole(one, other), step)
               for keeper, one, other in zip(
                   self.keepers, self._split(targets), others, strict=True)]
      if all(found):
        self.say(f'going on from step {step}')
        return step, self._join([one for _, one in found]), others
    return 0, state, others

  def _merged(self, state):
    return {**state, 'params': jax.jit(jax.vmap(
        lambda one: merged(self.recipe, one)))(state['params'])}

  def _whole(self, state, others):
    return {**state, 'params': {**others, **state['params']}}

  def _split(self, state):
    return [jax.tree.map(lambda leaf, trial=trial: leaf[trial], state)
            for trial in range(len(self.seeds))]

  def _join(self, states):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *[
        {**one, 'params': {name: one['params'].get(name, {})
                           for name in (*self.heads, 'trunk', 'task')}}
        for one in states])

  def train(self, watched):
    """Trains to the end; returns the trials' states, joined and merged."""
    step, state, others = self._begin()
    num_steps = self.recipe.num_steps
    if step == num_steps:
      return state
    writers = [metrics.Writer(place, step, tensorboard=False)
               for place in self.places]
    progress = Progress(num_steps, f'{self.settings.task}', start=step)
    with contextlib.ExitStack() as stack, watched.deferred():
      for one in (*writers, progress):
        stack.callback(one.close)
      tick = time.perf_counter()
      while step < num_steps:
        batch = self._batch(step)
        state, losses = self.step(state, batch)
        step += 1
        if step % 10 == 0 or step == num_steps or watched.received:
          losses = np.asarray(losses, np.float64)
          for writer, loss in zip(writers, losses, strict=True):
            writer.write({'kind': 'train', 'step': step, 'loss': float(loss)})
          now, before = time.perf_counter(), tick
          tick = now
          progress.update(step, float(losses.mean()), batch['real'].sum() * 10
                          / (now - before), 0.0)
        if step == num_steps:
          state = self._merged(state)
        if step % self.per_epoch == 0 or watched.received:
          self._save(step, state, others)
        if watched.received and step < num_steps:
          raise Stopped(f'stopped by {watched.received} at step {step}, its '
                        'state saved: run the same command to go on')
    return state

  def _save(self, step, state, others):
    for keeper, one, other in zip(
        self.keepers, self._split(jax.device_get(state)), others, strict=True):
      keeper.save(step, self._whole(one, other))
    for keeper in self.keepers:
      keeper.wait()

  def _batch(self, step):
    """One batch of each trial, stacked; a pure function of the step."""
    epoch, place = divmod(step, self.per_epoch)
    if getattr(self, '_epoch', None) != epoch:
      self._epoch = epoch
      self._plans = [batches.epoch(
          self.lengths, self.ends, self.settings.batch_size,
          np.random.default_rng([seed, epoch]),
          np.random.default_rng([epoch])) for seed in self.seeds]
    found = [batches.collate(self.data.train, plan[place][1], plan[place][0],
                             self.data.alternatives) for plan in self._plans]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *found)

  # --- scoring ----------------------------------------------------------------

  def scored(self, state, seconds):
    """One entry of `results.json` per seed; writes each seed's own, and its
    predictions."""
    found = self.answers(state['params'])
    entries = []
    for trial, (seed, place) in enumerate(zip(self.seeds, self.places)):
      predictions, scores = self.data.scored(
          [one[trial] for one in found])
      _write_lines(place / 'predictions.jsonl', (
          {'where': one.where, 'prediction': answer} for one, answer
          in zip(self.data.examples.test, predictions, strict=True)))
      entry = {
          'name': f'{self.settings.task} {self.settings.way}', 'seed': seed,
          'workdir': place.name, 'num_steps': self.recipe.num_steps,
          'seconds': seconds / len(self.seeds), **self.cost(),
          'metrics': {f'{self.settings.task}/{name}': value
                      for name, value in scores.items()}}
      entries.append(entry)
    return entries

  def score_run(self):
    """`{metric: value}` of the run itself, without any training."""
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], {
        name: self.run.params.get(name, {})
        for name in (*self.heads, 'trunk', 'task')})
    return self.data.scored([one[0] for one in self.answers(params)])[1]

  def cost(self):
    """What one seed's training takes, by the clocks of any run."""
    params = self._shapes()['params']
    def flops(length):
      batch = jax.eval_shape(lambda: batches.collate(
          self.data.train, np.full(self.settings.batch_size, -1), length,
          self.data.alternatives))
      return 3 * budget.forward_flops(
          lambda *a: outputs(self.recipe, self.offset, *a), params, batch)
    each = {length: flops(length) for length in self.ends}
    plan = batches.in_order(self.lengths, self.ends, self.settings.batch_size)
    epochs = self.settings.epochs
    return {
        'tokens_seen': epochs * batches.num_tokens(self.data.train),
        'flops': epochs * sum(each[length] for length, _ in plan),
        'parameters': sum(leaf.size for leaf in jax.tree.leaves(
            trained(self.recipe, params)))}

  def answers(self, params):
    """Of each test row what `base.FineTuned.predict` takes, of all trials."""
    if not self.scribe:
      return self.logits(params)
    return list(zip(*[self.scribe.texts(
        one, self.data.test, self.settings.batch_size)
                      for one in self._split(params)], strict=True))

  def logits(self, params):
    """Of each test row, float32 `[trials, ...]`, without its padding."""
    rows = self.data.test
    lengths = [batches.length_of(one) for one in rows]
    ends = batches.buckets(lengths, self.settings.batch_size)
    found = [None] * len(rows)
    for length, picked in batches.in_order(
        lengths, ends, self.settings.batch_size):
      batch = batches.collate(rows, picked, length, self.data.alternatives)
      batch.pop('targets')
      logits = np.asarray(self.forward(params, batch))
      for place, number in enumerate(picked):
        if number >= 0:
          one = logits[:, place]
          found[number] = (one[:, :len(rows[number].tokens[0])]
                           if self.data.task.per_token else one)
    return found


def _write_lines(path, values):
  path.write_text(''.join(json.dumps(one, ensure_ascii=False) + '\n'
                          for one in values), encoding='utf8')
