"""SLURM: runs of several processes by srun, sweeps by job arrays."""

import json
import os
import subprocess
import time

import pytest

from ptm_jax import slurm
from ptm_jax.errors import ConfigError
from tests.slurm_cluster import cluster
from tests.small_runs import (ROOT, command, finish, hashes, record, start,
                              write_corpus)

SWEEP = '''
from ptm_jax import config
from ptm_jax.data.corpora import text
from ptm_jax.objectives import masked

def get_config(arg=None):
  return config.Experiment(
      masked.Objective(), text.Corpus(path={path!r}, documents_are='line'),
      config.Model(depth=1, width=16, num_heads=2),
      config.Tokenizer('bpe', 420), config.Data(raw_length=16, batch_size=8),
      evaluation=config.Evaluation(every_steps=4, num_batches=2),
      num_steps=8)

def get_hyper(hyper):
  return hyper.sweep('optimizer.learning_rate', [1e-3, 3e-3, 1e-2, 3e-2])
'''


def test_the_script_of_a_sweep(tmp_path):
  script = slurm.write(tmp_path, 3, '--partition=gpu --time="1:00:00"',
                       [('PTM_JAX_CACHE', '/a b')]).read_text()
  lines = script.splitlines()
  assert lines[0] == '#!/bin/bash'
  for line in ('#SBATCH --array=0-2', '#SBATCH --partition=gpu',
               '#SBATCH --time=1:00:00', "export PTM_JAX_CACHE='/a b'"):
    assert line in lines
  assert lines[-1].startswith('exec ') and lines[-1].endswith(
      f'-m ptm_jax sweep --workdir={tmp_path}')
  with pytest.raises(ConfigError, match='No closing quotation'):
    slurm.write(tmp_path, 1, '"')


def test_without_sbatch_the_message_says_where_the_script_is(
    tmp_path, monkeypatch):
  monkeypatch.setenv('PATH', str(tmp_path))
  with pytest.raises(ConfigError, match='no sbatch on this machine.*script'):
    slurm.submit(tmp_path / 'script')


@pytest.fixture(scope='module')
def slurm_env(tmp_path_factory):
  folder = tmp_path_factory.mktemp('slurm')
  with cluster(folder) as env:
    yield dict(env, PYTHONPATH=str(ROOT), JAX_PLATFORMS='cpu',
               PTM_JAX_CACHE=str(folder / 'cache'))


@pytest.mark.cluster
def test_srun_joins_processes_that_train_one_model(slurm_env, tmp_path):
  write_corpus(tmp_path / 'lines.txt')
  cache = slurm_env['PTM_JAX_CACHE']
  alone, pair = tmp_path / 'alone', tmp_path / 'pair'
  finish(start(command(tmp_path / 'lines.txt', alone), cache))
  for num_steps in (8, 12):  # the second goes on from the first's checkpoint
    done = subprocess.run(
        ['srun', '-n2', *command(tmp_path / 'lines.txt', pair, num_steps)],
        env=slurm_env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
  losses = [[line['loss'] for line in record(path) if line['kind'] == 'train']
            for path in (alone, pair)]
  assert losses[1] == pytest.approx(losses[0], rel=1e-5)
  folder = pair / 'checkpoints' / '12' / 'default'
  assert sorted(path.name for path in folder.glob('leaves-*')) == [
      'leaves-0.json', 'leaves-1.json']
  assert hashes(pair, 12).keys() == hashes(alone, 12).keys()


@pytest.mark.cluster
def test_array_tasks_claim_the_trials_of_a_sweep(slurm_env, tmp_path):
  write_corpus(tmp_path / 'lines.txt')
  (tmp_path / 'sweep.py').write_text(
      SWEEP.format(path=str(tmp_path / 'lines.txt')))
  workdir = tmp_path / 'run'
  done = subprocess.run(
      [os.sys.executable, '-m', 'ptm_jax', 'sweep',
       f'--config={tmp_path / "sweep.py"}', f'--workdir={workdir}',
       '--launcher=slurm', '--tasks=2', '--sbatch=--cpus-per-task=1'],
      env=slurm_env, cwd=ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  assert 'Submitted batch job' in done.stdout
  end = time.monotonic() + 300
  while not (workdir / 'report.html').exists():
    logs = [path.read_text()[-500:] for path in (workdir / 'slurm').iterdir()]
    assert time.monotonic() < end, logs
    time.sleep(1)
  results = json.loads((workdir / 'results.json').read_text())
  assert len(results['runs']) == 4
  assert [len(group['trials']) for group in results['groups']] == [2, 2]
  said = [path.read_text() for path in sorted((workdir / 'slurm').iterdir())]
  assert len(said) == 2
  # Each group was run once.
  assert sum(text.count('group 1 of 2:') for text in said) == 1
  assert sum(text.count('group 2 of 2:') for text in said) == 1
