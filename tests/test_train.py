"""Whole runs on a small corpus: resume, refusals, trials, loading, stops.
"""

import dataclasses
import json
import os
import random
import shutil
import signal

import jax
import numpy as np
import pytest

import ptm_jax
from ptm_jax import compare, config, loop, metrics, train
from ptm_jax.assemble import set_up
from ptm_jax.data.corpora import text
from ptm_jax.data.windows import batches
from ptm_jax.errors import ConfigError, DivergedError, Stopped
from ptm_jax.objectives import autoregressive, masked
from tests.shared_programs import shared_programs  # noqa: F401

pytestmark = pytest.mark.usefixtures('shared_programs')

WORDS = ('the array function returns a value of type int when axis is none '
         'and shape must match input output for each element over new data '
         'default optional parameters see also notes examples').split()


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  """Sentences of a few words, a document a line."""
  draw = random.Random(0)
  path = tmp_path_factory.mktemp('corpus') / 'lines.txt'
  path.write_text('\n'.join(
      ' '.join(draw.choices(WORDS, k=draw.randint(5, 30))) + '.'
      for _ in range(1500)))
  return text.Corpus(path=str(path), documents_are='line')


@pytest.fixture(scope='module', autouse=True)
def cache(tmp_path_factory):
  before = os.environ.get('PTM_JAX_CACHE')
  os.environ['PTM_JAX_CACHE'] = str(tmp_path_factory.mktemp('cache'))
  yield
  if before is None:
    del os.environ['PTM_JAX_CACHE']
  else:
    os.environ['PTM_JAX_CACHE'] = before


def experiment(corpus, **fields):
  values = dict(
      objective=masked.Objective(), corpus=corpus,
      model=config.Model(depth=1, width=16, num_heads=2, dropout=0.1),
      tokenizer=config.Tokenizer('bpe', 420),
      data=config.Data(raw_length=16, batch_size=8),
      optimizer=config.Optimizer(schedule='constant', warmup_steps=2),
      checkpoints=config.Checkpoints(every_steps=2),
      evaluation=config.Evaluation(every_steps=2, num_batches=2),
      num_steps=4, log_every_steps=1)
  return config.Experiment(**{**values, **fields})


def final(path):
  """The final state's leaves, and the log without its wall-clock fields."""
  run = ptm_jax.load(path)
  leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(run.params)]
  clocks = ('seconds', 'tokens_per_second', 'peak_share', 'time')
  lines = [{name: value for name, value in line.items() if name not in clocks}
           for line in metrics.read(path)]
  return run.step, leaves, lines


def assert_equal(one, other):
  assert one[0] == other[0]
  for a, b in zip(one[1], other[1], strict=True):
    assert np.array_equal(a, b)
  assert one[2] == other[2]


@pytest.fixture(scope='module')
def whole(corpus, tmp_path_factory):
  """A run of 4 updates that nobody disturbed."""
  path = tmp_path_factory.mktemp('whole')
  train.train([experiment(corpus)], [path])
  return path


def test_two_and_two_updates_are_four(corpus, whole, tmp_path):
  # Constant schedule: training longer leaves the past as it was.
  train.train([experiment(corpus, num_steps=2)], [tmp_path])
  assert ptm_jax.load(tmp_path).step == 2
  said = []
  train.train([experiment(corpus)], [tmp_path], say=said.append)
  assert any('resuming' in line and 'step 2' in line for line in said)
  one, other = final(tmp_path), final(whole)
  # The short run ends with scores on the test split as well.
  one[2][:] = [line for line in one[2]
               if not (line['kind'] == 'test' and line['step'] == 2)]
  assert_equal(one, other)


def test_a_stop_saves_and_the_same_command_goes_on(corpus, whole, tmp_path,
                                                   monkeypatch):
  update = loop.Progress.update
  def stop(self, step, **kwargs):
    update(self, step, **kwargs)
    if step == 3:
      os.kill(os.getpid(), signal.SIGTERM)
  monkeypatch.setattr(loop.Progress, 'update', stop)
  with pytest.raises(Stopped, match='SIGTERM'):
    train.train([experiment(corpus)], [tmp_path])
  monkeypatch.setattr(loop.Progress, 'update', update)
  train.train([experiment(corpus)], [tmp_path])
  assert_equal(final(tmp_path), final(whole))


@pytest.mark.parametrize('change,named', [
    (lambda e: setattr(e.objective, 'rate', 0.3), 'objective.rate'),
    (lambda e: setattr(e.optimizer, 'learning_rate', 1.0), 'learning_rate'),
    (lambda e: setattr(e, 'seed', 1), 'seed'),
    (lambda e: setattr(e.data, 'batch_size', 16), 'batch_size'),
    (lambda e: setattr(e.optimizer, 'schedule', 'linear'), 'schedule'),
    (lambda e: setattr(e, 'objective', autoregressive.Objective()),
     'objective.type')])
def test_a_setting_that_alters_the_result_is_refused_by_name(
    corpus, whole, change, named):
  changed = experiment(corpus)
  change(changed)
  before = final(whole)
  with pytest.raises(ConfigError, match=f'{named}.* was .*--init_from'):
    train.train([changed], [whole])
  assert_equal(final(whole), before)


def test_harmless_settings_may_change_and_a_complete_run_stays(
    corpus, whole, tmp_path):
  copy = shutil.copytree(whole, tmp_path / 'copy')
  changed = experiment(corpus, checkpoints=config.Checkpoints(3, keep=5))
  trained = train.train([changed], [copy])
  assert_equal(final(copy), final(whole))
  again = train.train([changed], [copy])
  assert trained.results == again.results


def test_init_from_starts_anew_and_says_so(corpus, whole, tmp_path):
  said = []
  train.train([experiment(corpus, seed=5, num_steps=1)], [tmp_path],
              init_from=whole, say=said.append)
  assert any('new run from step 4' in line and 'trunk' in line
             for line in said)
  assert ptm_jax.load(tmp_path).step == 1


def test_init_from_another_shape_is_refused(corpus, whole, tmp_path):
  other = experiment(corpus, model=config.Model(depth=1, width=32))
  with pytest.raises(ConfigError, match=r'other shapes.*width=16 \(here 32\)'):
    train.train([other], [tmp_path], init_from=whole)
  assert not (tmp_path / 'config.json').exists()  # so that it may be mended


@pytest.mark.slow
def test_trials_agree_with_single_runs_and_resume(corpus, whole, tmp_path):
  settings = [experiment(corpus), experiment(corpus, seed=1)]
  paths = [tmp_path / 'a', tmp_path / 'b']
  trained = train.train(settings, paths)
  single, grouped = final(whole), final(paths[0])
  for a, b in zip(single[1], grouped[1], strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)
  assert trained.results[0]['seed'] == 0 and trained.results[1]['seed'] == 1
  assert any(not np.array_equal(a, b) for a, b in zip(
      grouped[1], final(paths[1])[1], strict=True))
  again = train.train(settings, paths)
  assert again.results[0]['metrics'] == pytest.approx(
      trained.results[0]['metrics'])


def test_config_json_reads_back_equal(corpus, whole):
  from ptm_jax import serialize
  assert serialize.read(whole / 'config.json') == experiment(corpus)
  facts = json.loads((whole / 'config.json').read_text())
  assert facts['versions']['jax'] and facts['corpus_hash']
  assert facts['tokenizer_hash']


def test_load_gives_states_of_sentences(whole):
  run = ptm_jax.load(whole)
  states, mask = run.apply(['the array', 'returns a value of type int'])
  assert states.shape[0] == 2 and states.shape[2] == 16
  assert mask.shape == states.shape[:2]
  assert mask[0].sum() < mask[1].sum()
  # A sentence's states do not depend on its neighbours in the batch.
  alone, _ = run.apply(['the array'])
  np.testing.assert_allclose(alone[0], states[0][:alone.shape[1]], atol=1e-5)


def test_a_comparison_end_to_end(corpus, tmp_path):
  settings = config.Comparison(
      experiment(corpus), {'masked': masked.Objective(),
                           'gpt': autoregressive.Objective()},
      learning_rates={'gpt': 0.01}, learning_rates_source='a sweep',
      seeds=(0, 1))
  results = compare.compare(settings, tmp_path)
  assert [(run['name'], run['seed']) for run in results['runs']] == [
      ('masked', 0), ('masked', 1), ('gpt', 0), ('gpt', 1)]
  for run in results['runs']:
    for key in ('objective', 'workdir', 'num_steps', 'tokens_seen',
                'tokens_with_loss', 'flops', 'seconds', 'metrics'):
      assert key in run
    assert run['tokens_seen'] == 4 * 8 * 16
  assert results['learning_rates']['gpt'] == {'value': 0.01,
                                              'source': 'a sweep'}
  assert results['learning_rates']['masked']['source'] == 'untuned'
  assert 'validation/bits_per_byte' in results['runs'][2]['metrics']
  assert (tmp_path / 'report.html').exists()
  # Finished runs are not run again; another setting is refused.
  stamp = (tmp_path / 'runs/masked/seed-0/results.json').stat().st_mtime_ns
  compare.compare(settings, tmp_path)
  assert (tmp_path / 'runs/masked/seed-0/results.json'
          ).stat().st_mtime_ns == stamp
  settings.base.num_steps = 5
  with pytest.raises(ConfigError, match='num_steps was 4, is 5'):
    compare.compare(settings, tmp_path)


def test_windows_are_the_same_for_every_objective(corpus):
  found = []
  for objective in (masked.Objective(), autoregressive.Objective()):
    setup = set_up([experiment(corpus, objective=objective)])
    dataset = batches(setup.windows['train'], 8, 3)
    found.append([dataset[step] for step in (0, 7, 300)])
  for one, other in zip(*found, strict=True):
    for name in one:
      assert np.array_equal(one[name], other[name])


def diverging(corpus, **settings):
  """Settings under which the second update and all after it overflow."""
  optimizer = dataclasses.replace(
      experiment(corpus).optimizer, name='sgd', learning_rate=1e30,
      clip_norm=0.0)
  return experiment(corpus, num_steps=40, optimizer=optimizer, **settings)


def test_a_run_that_diverges_halts_with_its_last_good_state(corpus, tmp_path):
  settings = diverging(corpus, max_skipped=3)
  with pytest.raises(DivergedError, match='max_skipped=3.*--step=') as halt:
    train.train([settings], [tmp_path])
  skipped = [line for line in metrics.read(tmp_path)
             if line['kind'] == 'skipped']
  first = skipped[0]['step']
  # One more is under way when the fourth is read.
  assert [line['step'] for line in skipped] == list(range(first, first + 5))
  assert f'--step={first + 4}' in str(halt.value)
  # Each is recorded with its batch.
  setup = set_up([settings])
  batch = batches(setup.windows['train'], 8, 0)[first - 1]
  assert skipped[0]['index'] == batch['index'].tolist()
  assert skipped[0]['epoch'] == batch['epoch'].tolist()
  # What is saved are the weights from before the first of them.
  before = tmp_path / 'before'
  train.train([dataclasses.replace(
      settings, num_steps=first - 1)], [before])
  run = ptm_jax.load(tmp_path)
  assert run.step == first + 4
  for a, b in zip(jax.tree.leaves(run.params),
                  jax.tree.leaves(ptm_jax.load(before).params), strict=True):
    assert np.array_equal(a, b) and np.all(np.isfinite(a))
  # The same command halts at once; a higher limit goes on.
  with pytest.raises(DivergedError, match=f'step {run.step}: 5 updates'):
    train.train([settings], [tmp_path])
  with pytest.raises(DivergedError, match='7 updates'):
    train.train([dataclasses.replace(settings, max_skipped=5)], [tmp_path])


def test_a_signal_in_an_evaluation_breaks_it_off_and_nothing_is_lost(
    corpus, whole, tmp_path, monkeypatch):
  evaluate = loop.evaluate
  def signalled(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGINT)
    return evaluate(*args, **kwargs)
  monkeypatch.setattr(loop, 'evaluate', signalled)
  with pytest.raises(Stopped, match='SIGINT at step 2'):
    train.train([experiment(corpus)], [tmp_path])
  assert [line['kind'] for line in metrics.read(tmp_path)
          if line['step'] == 2] == ['train']
  monkeypatch.setattr(loop, 'evaluate', evaluate)
  train.train([experiment(corpus)], [tmp_path])
  assert_equal(final(tmp_path), final(whole))
