"""Killed at 50 random moments and resumed, a run ends with the same bits."""

import json

import pytest

from ptm_jax import config, resume_proof
from ptm_jax.data.corpora import text
from ptm_jax.objectives import masked
from tests.small_runs import command, finish, start, write_corpus


def experiment(path):
  return config.Experiment(
      masked.Objective(), text.Corpus(path=str(path), documents_are='line'),
      config.Model(depth=1, width=16, num_heads=2, dropout=0.1),
      config.Tokenizer('bpe', 420), config.Data(raw_length=16, batch_size=8))


@pytest.mark.slow
def test_fifty_kills(tmp_path, monkeypatch):
  monkeypatch.setenv('PTM_JAX_CACHE', str(tmp_path / 'cache'))
  write_corpus(tmp_path / 'lines.txt')
  said = []
  proof = resume_proof.prove(experiment(tmp_path / 'lines.txt'),
                             tmp_path / 'runs', kills=50, say=said.append)
  print(dict(proof.kills), proof.endings)
  assert proof.differences == [], said
  assert sum(proof.kills.values()) == 50
  # They met the run in different phases.
  assert len(proof.kills) >= 4 and proof.kills['save'] >= 5
  assert proof.kills['train'] + proof.kills['compile'] >= 5


@pytest.mark.slow
def test_differences_are_found_and_named(tmp_path):
  write_corpus(tmp_path / 'lines.txt')
  one, other = tmp_path / 'one', tmp_path / 'other'
  for path, seed in ((one, 0), (other, 1)):
    finish(start(command(tmp_path / 'lines.txt', path, num_steps=4,
                         seed=seed), tmp_path / 'cache'))
  assert resume_proof._differences(one, one, 4) == []
  found = resume_proof._differences(one, other, 4)
  assert 'leaf key' in found and 'results.json' in found
  assert any(name.startswith('leaf params.trunk') for name in found)
  assert 'metrics.jsonl line 1' in found
  lines = (one / 'metrics.jsonl').read_text().splitlines()
  changed = dict(json.loads(lines[2]), loss=0.0)
  (one / 'metrics.jsonl').write_text('\n'.join(
      [*lines[:2], json.dumps(changed), *lines[3:]]) + '\n')
  copy = tmp_path / 'copy'
  finish(start(command(tmp_path / 'lines.txt', copy, num_steps=4),
               tmp_path / 'cache'))
  assert resume_proof._differences(one, copy, 4) == ['metrics.jsonl line 3']
