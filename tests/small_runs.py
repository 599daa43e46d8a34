"""Real runs of the command line, small and in processes of their own."""

import json
import os
import pathlib
import random
import socket
import subprocess
import sys

from ptm_jax.metrics import CLOCKS

ROOT = pathlib.Path(__file__).parent.parent
WORDS = ('the array function returns a value of type int when axis is none '
         'and shape must match input output for each element over new data '
         'default optional parameters see also notes examples').split()


def write_corpus(path):
  """Sentences of a few words, a document a line."""
  draw = random.Random(0)
  path.write_text('\n'.join(
      ' '.join(draw.choices(WORDS, k=draw.randint(5, 30))) + '.'
      for _ in range(1500)))


def command(corpus, workdir, num_steps=12, every=4, **settings):
  """The command line of a run that takes a moment; saves and scores `every`
  so many updates."""
  settings = {
      'corpus.path': corpus, 'corpus.documents_are': 'line',
      'tokenizer.vocab_size': 420, 'model.width': 16, 'model.depth': 1,
      'model.dropout': 0.1, 'data.raw_length': 16, 'data.batch_size': 8,
      'optimizer.schedule': 'constant', 'num_steps': num_steps,
      'log_every_steps': 1, 'checkpoints.every_steps': every,
      'evaluation.every_steps': every, 'evaluation.num_batches': 2, **settings}
  return [sys.executable, '-m', 'ptm_jax', 'pretrain',
          '--config=experiments/roberta.py:tiny,corpus=text',
          f'--workdir={workdir}',
          *(f'--config.{name}={value}' for name, value in settings.items())]


def start(arguments, cache, count=1, devices=1):
  """Starts the command as `count` processes that train together, each with
  so many CPU devices."""
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = free.getsockname()[1]
  processes = []
  for index in range(count):
    env = dict(
        os.environ, PYTHONPATH=str(ROOT), PTM_JAX_CACHE=str(cache),
        JAX_PLATFORMS='cpu',
        XLA_FLAGS=f'--xla_force_host_platform_device_count={devices}')
    if count > 1:
      env.update(JAX_COORDINATOR_ADDRESS=f'localhost:{port}',
                 JAX_NUM_PROCESSES=str(count), JAX_PROCESS_ID=str(index))
    processes.append(subprocess.Popen(
        arguments, cwd=ROOT, env=env, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True))
  return processes


def finish(processes, code=0):
  """Waits for all; returns what each printed. Fails on another exit code."""
  printed = [process.communicate()[0] for process in processes]
  for process, text in zip(processes, printed, strict=True):
    assert process.returncode == code, text[-2000:]
  return printed


def record(workdir):
  """The lines of a run's log, its wall-clock fields left out."""
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  return [{name: value for name, value in json.loads(line).items()
           if name not in CLOCKS} for line in lines]


def hashes(workdir, step):
  """SHA-256 of every piece of every leaf of a checkpoint, by name."""
  folder = workdir / 'checkpoints' / str(step) / 'default'
  found = {}
  for path in sorted(folder.glob('leaves-*.json')):
    for name, leaf in json.loads(path.read_text())['leaves'].items():
      for index, digest in leaf['pieces'].items():
        found[name, index] = digest
  return found
