"""What converting a published folder costs, beside copying its files.

  python benchmarks/conversion.py [--depth=16] [--dtype=bfloat16] [--rounds=3]

A random folder of Llama's shape (16 layers of width 2048: 1.2 billion
parameters) is copied, file by file and down to the disk, and converted, which
also reads all back and compares it, and is down to the disk as well; in turn.
Both read what the page cache holds, since the folder was just made. The peak of
memory is that of a process of its own, over what it had before it began; pages
of the files count, which a process may lose at any time.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
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
  parser.add_argument('--peak_of', nargs=2, help=argparse.SUPPRESS)
  arguments = parser.parse_args()
  if arguments.peak_of:
    print(peak(*map(pathlib.Path, arguments.peak_of)))
    return
  from ptm_jax.convert import published, tensors
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    made = make(folder / 'published', arguments.depth, arguments.dtype)
    published.open_folder(made)  # what is imported first is not timed
    size = sum(one.stat().st_size for one in made.iterdir())
    largest = max(np.prod(shape) * dtype.itemsize for shape, dtype in
                  tensors.Tensors(made).shapes.values())
    more = int(subprocess.run(
        [sys.executable, __file__, '--peak_of', made, folder / 'peak'],
        check=True, capture_output=True, text=True).stdout)
    shutil.rmtree(folder / 'peak')
    seconds = {'copy': [], 'convert': []}
    for number in range(arguments.rounds):
      for name, act in (('copy', copy), ('convert', convert)):
        os.sync()
        start = time.perf_counter()
        act(made, folder / f'{name}-{number}')
        seconds[name].append(time.perf_counter() - start)
        shutil.rmtree(folder / f'{name}-{number}')
  copied, converted = (statistics.median(seconds[name])
                       for name in ('copy', 'convert'))
  print(f'{size / 2**30:.2f} GiB of {arguments.dtype}: copied in {copied:.1f} '
        f's, converted and verified in {converted:.1f} s, '
        f'{converted / copied:.2f} times; {more / 2**20:.0f} MiB more memory '
        f'at the peak, where the largest tensor has {largest / 2**20:.0f}')


def peak(source, target):
  """Bytes that a conversion adds to this process, which did nothing else."""
  from ptm_jax.convert import published
  published.open_folder(source)
  before = most()
  convert(source, target)
  return most() - before


def most():
  """The most bytes that this process has had so far (Linux)."""
  status = pathlib.Path('/proc/self/status').read_text(encoding='utf8')
  return int(status.split('VmHWM:')[1].split()[0]) * 2**10


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
