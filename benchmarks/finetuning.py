"""Examples a second of fine-tuning: rows padded to their bucket, beside all
rows padded to one length.

  python benchmarks/finetuning.py --trunk=runs/bert --data=CoLA [--rounds=5]

One seed on CoLA's training data, the same rows, model and batches; the ways
take turns, and the medians of whole passes over `--examples` are compared.
"""

import argparse
import pathlib
import statistics
import tempfile
import time

import jax
import numpy as np

from ptm_jax import setup_jax
from ptm_jax.find import find
from ptm_jax.finetune_config import Settings
from ptm_jax.finetune_data import prepare
from ptm_jax.finetune_trials import Trials
from ptm_jax.load import load
from ptm_jax.tasks import batches


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--trunk', required=True)
  parser.add_argument('--data', required=True)
  parser.add_argument('--examples', type=int, default=1024)
  parser.add_argument('--rounds', type=int, default=5)
  arguments = parser.parse_args()
  setup_jax.configure()
  settings = Settings(task='cola', data_dir=arguments.data, seeds=1,
                      max_test=1)
  task, run = find('tasks', 'cola')(), load(arguments.trunk)
  data = prepare(task, task.read(arguments.data), run, arguments.trunk,
                 settings, print)
  longest = -(-max(map(batches.length_of, data.train)) // 8) * 8
  with tempfile.TemporaryDirectory() as folder:
    trials = Trials(run, data, settings, pathlib.Path(folder), print)
    _, state, _ = trials._begin()
    ways = {'buckets': trials.ends, f'longest, {longest}': [longest],
            f'max_length, {settings.max_length}': [settings.max_length]}
    seconds = {name: [] for name in ways}
    for turn in range(arguments.rounds + 1):  # the first compiles
      for name, ends in ways.items():
        start = time.perf_counter()
        state = one_pass(trials, state, ends, arguments.examples)
        if turn:
          seconds[name].append(time.perf_counter() - start)
  fastest = statistics.median(seconds['buckets'])
  for name, found in seconds.items():
    median = statistics.median(found)
    print(f'{name:20} {arguments.examples / median:8.0f} examples/s   buckets '
          f'{median / fastest:.2f} x as fast   {ways[name]}')


def one_pass(trials, state, ends, count):
  """Updates on as many examples, the same in every way."""
  size = trials.settings.batch_size
  lengths = trials.lengths[:count]
  for length, rows in batches.epoch(
      lengths, ends, size, np.random.default_rng(0), np.random.default_rng(0)):
    batch = batches.collate(trials.data.train, rows, length, 1)
    state, losses = trials.step(state, jax.tree.map(lambda x: x[None], batch))
  jax.block_until_ready(losses)
  return state


if __name__ == '__main__':
  main()
