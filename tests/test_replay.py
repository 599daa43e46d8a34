"""One update of a run, seen again."""

import dataclasses

import numpy as np
import pytest

from ptm_jax import config, metrics, replay, train
from ptm_jax.data.corpora import text
from ptm_jax.errors import ConfigError, DivergedError
from ptm_jax.objectives import masked
from tests.small_runs import write_corpus


@pytest.fixture(scope='module')
def diverged(tmp_path_factory):
  """A run whose first update makes all that follow overflow."""
  path = tmp_path_factory.mktemp('diverged')
  write_corpus(path / 'lines.txt')
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('PTM_JAX_CACHE', str(path / 'cache'))
    with pytest.raises(DivergedError):
      train.train([config.Experiment(
          masked.Objective(),
          text.Corpus(path=str(path / 'lines.txt'), documents_are='line'),
          config.Model(depth=1, width=16, num_heads=2, dropout=0.1),
          config.Tokenizer('bpe', 420),
          config.Data(raw_length=16, batch_size=8),
          config.Optimizer('sgd', 1e30, schedule='constant', warmup_steps=0,
                           clip_norm=0.0),
          checkpoints=config.Checkpoints(every_steps=2, keep=9), num_steps=9,
          max_skipped=3, log_every_steps=1)], [path / 'run'])
    yield path / 'run'


def test_a_finite_update_gives_the_recorded_loss(diverged):
  seen = replay.replay(diverged, 1, say=lambda line: None)
  line = metrics.read(diverged)[0]
  assert seen.sums['mlm'] / seen.weights['mlm'] == pytest.approx(
      line['loss'], rel=1e-6)
  assert seen.repeats and not seen.not_finite
  assert np.sum(seen.losses) == pytest.approx(seen.sums['mlm'], rel=1e-5)
  lines = replay.describe(seen)
  assert lines[0] == 'update 1: computed twice, the same bits both times'
  assert 'all ' in lines[2] and ' gradients are finite' in lines[2]


def test_a_skipped_update_is_shown_with_its_batch(diverged):
  said = []
  skipped = [line for line in metrics.read(diverged)
             if line['kind'] == 'skipped']
  seen = replay.replay(diverged, skipped[1]['step'], say=said.append)
  assert said == [f'checkpoint {skipped[0]["step"]} is the state before it']
  assert seen.repeats and seen.not_finite
  assert seen.index.tolist() == skipped[1]['index']
  assert seen.epoch.tolist() == skipped[1]['epoch']
  shown = '\n'.join(replay.describe(seen, examples=2))
  assert f'gradients that are not finite: {len(seen.not_finite)} of' in shown
  assert seen.texts[0] and shown.count('  index ') == 2


def test_what_does_not_repeat_is_said(diverged):
  seen = replay.replay(diverged, 1, say=lambda line: None)
  lines = replay.describe(dataclasses.replace(seen, repeats=False))
  assert 'DIFFERENT' in lines[0]


def test_an_update_that_is_not_there_is_refused(diverged):
  with pytest.raises(ConfigError, match='has updates 1 to 9, and no update 10'):
    replay.replay(diverged, 10)
