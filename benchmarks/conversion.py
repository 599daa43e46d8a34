"""What converting a published folder costs, beside copying its files.

  python benchmarks/conversion.py [--depth=16] [--dtype=bfloat16] [--rounds=3]

A random folder of Llama's shape (16 layers of width 2048: 1.2 billion
parameters) is copied, file by file and down to the disk, and converted, which
also reads all back and compares it, in turn. The peak of memory is what the
conversion adds to the process.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import tempfile
import time

import numpy as np


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('--depth', type=int, default=16)
  parser.add_argument('--dtype', default='bfloat16',
                      choices=('bfloat16', 'float32'))
  parser.add_argument('--rounds', type=int, default=3)
  arguments = parser.parse_args()
  from ptm_jax.convert import published
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    made = make(folder / 'published', arguments.depth, arguments.dtype)
    published.open_folder(made)  # what is imported first is not timed
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = {'copy': [], 'convert': []}
    for number in range(arguments.rounds):
      for name, act in (('copy', copy), ('convert', convert)):
        start = time.perf_counter()
        act(made, folder / f'{name}-{number}')
        seconds[name].append(time.perf_counter() - start)
        shutil.rmtree(folder / f'{name}-{number}')
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    size = sum(one.stat().st_size for one in made.iterdir())
  copied, converted = (statistics.median(seconds[name])
                       for name in ('copy', 'convert'))
  print(f'{size / 2**30:.2f} GiB of {arguments.dtype}: copied in {copied:.1f} '
        f's, converted and verified in {converted:.1f} s, '
        f'{converted / copied:.2f} times; {peak / 2**10:.0f} MiB more memory '
        'at the peak')


def make(folder, depth, dtype):
  """A random published folder; its path."""
  import jax.numpy as jnp
  from ptm_jax import config
  from ptm_jax.convert import export, mapping
  from ptm_jax.data.corpora import text
  from ptm_jax.data.vocabulary import Vocabulary
  from ptm_jax.load import Loaded
  from ptm_jax.objectives import autoregressive
  model = config.Model(
      depth=depth, width=2048, num_heads=16, num_kv_heads=8, mlp_dim=8192,
      norm='rms', positions='rotary', activation='swiglu', use_bias=False,
      tied_head=False, param_dtype=dtype)
  settings = config.Experiment(autoregressive.Objective(), text.Corpus(), model,
                               data=config.Data(raw_length=64))
  objective = settings.objective.bind(model, Vocabulary(32_000), 64)
  rng = np.random.default_rng(0)
  params = {leaf.path: jnp.asarray(
      rng.standard_normal(leaf.shape, np.float32), dtype)
            for leaf in mapping.leaves_of(
                objective.networks(), ['trunk', 'head'])}
  run = Loaded(settings, None, objective, mapping.unflatten(params), 0)
  export.write(run, export.plan(run, 'llama'), folder, say=lambda line: None)
  values = json.loads((folder / 'config.json').read_text())
  assert values['num_hidden_layers'] == depth
  return folder


def copy(source, target):
  """All files, on the disk when it returns."""
  target.mkdir()
  for one in source.iterdir():
    shutil.copyfile(one, target / one.name)
    with open(target / one.name, 'rb+') as file:
      os.fsync(file.fileno())


def convert(source, target):
  from ptm_jax.convert import importing, published
  importing.write(published.open_folder(source), target,
                       say=lambda line: None)


if __name__ == '__main__':
  main()
