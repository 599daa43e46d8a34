"""Run in a process with 8 host devices: every way to compile the step.

Prints one JSON line per objective: the largest relative difference of each
mode from one device, over 5 steps, in the terms' sums and weights and in the
update that the gradients make (SGD, so that rounding is not amplified).
'resumed' is compiled anew and goes through a checkpoint on disk.
"""

import json
import sys
import tempfile

import jax
import numpy as np

from ptm_jax import config
from ptm_jax.checkpoint import Checkpoints
from ptm_jax.compile import compile_program
from ptm_jax.data.corpora import python_docs
from ptm_jax.find import find
from ptm_jax.step import make_hparams
from tests.objectives.words import VOCABULARY, random_windows

STEPS = 5
# Two windows are what a device has of a micro-batch: no group is larger.
FIELDS = {'masked': {'rate': 0.3}, 'replaced_token': {'rate': 0.3},
          'mixture_of_denoisers': {'mean_lengths': (2.0, 16.0),
                                   'densities': (0.25, 0.5)},
          'info_word': {'group': 2}, 'sentence_contrastive': {'group': 2},
          'word2vec': {'group': 2, 'subsample': 0.5},
          'autoregressive': {'num_segments': 2},
          'permutation': {'num_segments': 2}}


def experiment(name, **compute):
  return config.Experiment(
      find('objectives', name)(**FIELDS.get(name, {})), python_docs.Corpus(),
      config.Model(depth=2, width=16, num_heads=4, mlp_dim=32, dropout=0.1,
                   attention_dropout=0.1, init_scale=0.3),
      data=config.Data(raw_length=16, batch_size=32),
      optimizer=config.Optimizer('sgd', 0.05, schedule='constant',
                                 warmup_steps=0, weight_decay=0.0),
      compute=config.Compute(**compute), num_steps=STEPS)


def run(name, devices, trials=1, stop=None, **compute):
  """Sums, weights and updates of each step, of the first trial; before step
  `stop` its state is written to disk and read back."""
  settings = experiment(name, **compute)
  objective = settings.objective.bind(
      settings.model, VOCABULARY, settings.data.raw_length)
  program = compile_program(settings, objective, trials, devices)
  hparams = make_hparams(objective, settings.optimizer)
  state = program.init([jax.random.key(s) for s in range(trials)],
                       [hparams] * trials)
  record = []
  for step in range(STEPS):
    if step == stop:
      state = _through_disk(program, step, state)
    # Documents of very different lengths: the masks are uneven on purpose.
    windows = random_windows(32, 16, 2, padding=0, seed=step)
    lengths = np.random.default_rng(step).integers(2, 17, 32)
    windows['segment_ids'] *= np.arange(16) < lengths[:, None]
    windows = {key: value if value.ndim == 1 else value * (
        windows['segment_ids'] > 0) for key, value in windows.items()}
    windows = {key: value.astype(np.int32) for key, value in windows.items()}
    params = _flat(program, state)
    state, metrics = program.step(state, program.put([windows] * trials))
    first = program.split(jax.device_get(metrics))[0]
    update = {key: value - params[key]
              for key, value in _flat(program, state).items()}
    record.append((first['sums'], first['weights'], update))
  return record


def _through_disk(program, step, state):
  with tempfile.TemporaryDirectory() as folder:
    keeper = Checkpoints(folder)
    (one,) = program.split(state)
    keeper.save(step, one, block=True)
    del state, one
    _, restored = keeper.restore(program.targets, step)
    keeper.close()
  return program.join([restored])


def _flat(program, state):
  params = program.split(state['params'])[0]
  return {jax.tree_util.keystr(path): np.asarray(jax.device_get(leaf),
                                                 np.float64)
          for path, leaf in jax.tree_util.tree_leaves_with_path(params)}


def difference(one, other):
  """Largest relative difference of two records."""
  worst = 0.0
  for (sums, weights, update), (sums2, weights2, update2) in zip(
      one, other, strict=True):
    for a, b in ((sums, sums2), (weights, weights2)):
      for term in a:
        # A phase has no predictions of another's terms.
        worst = max(worst, abs(float(a[term]) - float(b[term]))
                    / max(abs(float(a[term])), 1e-6))
    scale = np.sqrt(sum(np.sum(x**2) for x in update.values()))
    gap = np.sqrt(sum(np.sum((update[k] - update2[k])**2) for k in update))
    worst = max(worst, gap / scale)
  return worst


def main():
  devices = jax.devices()
  for name in sys.argv[1:]:
    plain = run(name, devices[:1])
    modes = {
        'data': run(name, devices),
        'fsdp': run(name, devices, fsdp=4),
        'pmap': run(name, devices, mode='pmap'),
        'micro_batches': run(name, devices[:1], micro_batches=4),
        'data and micro_batches': run(name, devices[:4], micro_batches=2),
        'trials': run(name, devices[:1], trials=2),
        'resumed': run(name, devices[:1], stop=2)}
    print(json.dumps({'objective': name, 'devices': len(devices), **{
        mode: difference(plain, record) for mode, record in modes.items()}}),
          flush=True)


if __name__ == '__main__':
  main()
