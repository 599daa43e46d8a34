"""Sweeps end to end: groups, divergence, halving, search, kills, reports."""

import json
import shutil

import jax
import numpy as np
import pytest

import ptm_jax
from ptm_jax import (config, grouping, hyper, lock, measure, metrics, search,
                     sweeps)
from ptm_jax.assemble import set_up
from ptm_jax.data.corpora import text
from ptm_jax.errors import ConfigError, Stopped
from ptm_jax.objectives import masked
from tests.small_runs import record, write_corpus

RATE = 'optimizer.learning_rate'


@pytest.fixture(scope='module')
def base(tmp_path_factory):
  path = tmp_path_factory.mktemp('sweep')
  write_corpus(path / 'lines.txt')
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('PTM_JAX_CACHE', str(path / 'cache'))
    yield config.Experiment(
        masked.Objective(),
        text.Corpus(path=str(path / 'lines.txt'), documents_are='line'),
        config.Model(depth=1, width=16, num_heads=2),
        config.Tokenizer('bpe', 420),
        config.Data(raw_length=16, batch_size=8),
        config.Optimizer('sgd', schedule='constant', warmup_steps=0,
                         clip_norm=0.0),
        checkpoints=config.Checkpoints(every_steps=2),
        evaluation=config.Evaluation(every_steps=2, num_batches=2),
        num_steps=4, max_skipped=1, log_every_steps=1)


TRIALS = ({RATE: 0.01}, {RATE: 0.3}, {RATE: 1e30},
          {RATE: 0.3, 'objective.rate': 0.4})


@pytest.fixture(scope='module')
def swept(base, tmp_path_factory):
  """Four trials in one program, one of which diverges."""
  path = tmp_path_factory.mktemp('swept')
  said = []
  results = sweeps.Sweep(base, hyper.Plan(TRIALS), path, say=said.append).run()
  return path, results, said


def losses(path):
  return [line['loss'] for line in metrics.read(path)
          if line['kind'] == 'train']


def test_trials_share_a_program_and_the_way_is_measured_and_shown(swept):
  path, results, said = swept
  assert [group['trials'] for group in results['groups']] == [[
      'learning_rate=0.01', 'learning_rate=0.3', 'learning_rate=1e+30',
      'learning_rate=0.3,rate=0.4']]
  (line,) = [line for line in said if 'one after the other' in line]
  assert line.startswith('4 trials in one program, one after the other')
  assert 'too few to measure the other way' in line
  assert results['mapped'] in (True, False)
  assert json.loads((path / 'sweep.json').read_text())['mapped'] == (
      results['mapped'])


def test_both_ways_are_measured_where_training_is_long(base, monkeypatch):
  setup = set_up(grouping.experiments(base, TRIALS[:2]))
  monkeypatch.setattr(measure, '_WORTH', 0.0)
  times = {True: 0.3, False: 0.2}
  monkeypatch.setattr(measure, 'compile_program',
                      lambda *args, mapped: f'program {mapped}')
  monkeypatch.setattr(measure, '_seconds', lambda program, setup: times[
      program == 'program True'])
  said = []
  assert measure.faster_program(setup, said.append) == ('program False', False)
  assert said == ['2 trials in one program: an update of all takes 300.0 ms '
                  'one after the other and 200.0 ms as one batch: as one batch']


def test_a_diverged_trial_is_marked_and_stops_no_other(swept):
  path, results, _ = swept
  runs = {run['trial']: run for run in results['runs']}
  assert [run['diverged'] for run in results['runs']] == [
      False, False, True, False]
  assert runs['learning_rate=1e+30']['skipped'] > 1
  assert runs['learning_rate=1e+30']['value'] is None
  assert all(run['num_steps'] == 4 for run in results['runs'])
  for name, run in runs.items():
    assert ptm_jax.load(path / 'trials' / name).step == 4
    assert (path / run['workdir'] / 'config.json').exists()
  assert 'diverged' in (path / 'report.md').read_text()


def test_a_trial_has_its_loss_whatever_its_group(base, swept, tmp_path):
  path, results, _ = swept
  sweeps.Sweep(base, hyper.Plan(TRIALS[3:]), tmp_path,
               say=lambda line: None).run()
  (alone,) = (tmp_path / 'trials').iterdir()
  grouped = path / 'trials' / 'learning_rate=0.3,rate=0.4'
  assert losses(alone) == pytest.approx(losses(grouped), rel=1e-5)
  one, other = (json.loads((place / 'results.json').read_text())['runs'][0]
                for place in (alone, grouped))
  assert one['metrics'] == pytest.approx(other['metrics'], rel=1e-4)


def test_a_finished_sweep_is_not_run_again_and_another_is_refused(base, swept):
  path, results, _ = swept
  stamps = {file: file.stat().st_mtime_ns
            for file in (path / 'trials').rglob('results.json')}
  again = sweeps.Sweep(*sweeps.read(path)[:2], path,
                       say=lambda line: None).run()
  assert again['runs'] == results['runs'] and len(stamps) == 4
  assert all(file.stat().st_mtime_ns == stamp
             for file, stamp in stamps.items())
  with pytest.raises(ConfigError, match='holds another sweep: get_hyper'):
    sweeps.Sweep(base, hyper.Plan(TRIALS[1:]), path).run()
  other = config.Experiment(**{**vars(base), 'num_steps': 5})
  with pytest.raises(ConfigError, match='num_steps was 4, is 5'):
    sweeps.Sweep(other, hyper.Plan(TRIALS), path).run()


@pytest.mark.slow
def test_a_stopped_sweep_goes_on_to_the_same_bits(base, swept, tmp_path,
                                                  monkeypatch):
  path, results, _ = swept
  from ptm_jax import loop
  log = loop.Loop._log

  def stop(self, step, measured):
    if step == 3:
      self.signals.received = 'SIGTERM'
    return log(self, step, measured)

  # The same grouping and the same way of running it.
  (tmp_path / 'sweep.json').write_text(json.dumps(dict(json.loads(
      (path / 'sweep.json').read_text()))))
  monkeypatch.setattr(loop.Loop, '_log', stop)
  with pytest.raises(Stopped):
    sweeps.Sweep(base, hyper.Plan(TRIALS), tmp_path,
                 say=lambda line: None).run()
  monkeypatch.setattr(loop.Loop, '_log', log)
  again = sweeps.Sweep(base, hyper.Plan(TRIALS), tmp_path,
                       say=lambda line: None).run()
  for one, other in zip(results['runs'], again['runs'], strict=True):
    assert one['metrics'] == other['metrics']
    assert record(path / one['workdir']) == record(tmp_path / one['workdir'])
    for a, b in zip(*(jax.tree.leaves(ptm_jax.load(
        place / one['workdir']).params) for place in (path, tmp_path)),
                    strict=True):
      assert np.array_equal(a, b)


def test_a_group_that_another_process_runs_is_left_to_it(base, tmp_path):
  sweep = sweeps.Sweep(base, hyper.Plan(TRIALS[:2]), tmp_path)
  sweep.claim_directory()
  state = sweep._read()
  sweep._extend(state)
  with lock.hold(tmp_path / 'groups' / '0000'):
    assert sweep._try(0, state) is False


def test_tasks_share_the_trials(base, tmp_path):
  sweep = sweeps.Sweep(base, hyper.Plan(TRIALS), tmp_path, tasks=2)
  state = sweep._read()
  sweep._extend(state)
  assert [len(group['trials']) for group in state['groups']] == [2, 2]


@pytest.mark.slow
def test_halving_lets_the_best_go_on_from_their_checkpoints(base, swept,
                                                            tmp_path):
  plan = hyper.halving(TRIALS, rungs=(0.5,), keep=0.5)
  results = sweeps.Sweep(base, plan, tmp_path, say=lambda line: None).run()
  assert [group['rung'] for group in results['groups']] == [0, 1]
  runs = {run['trial']: run for run in results['runs']}
  stayed = results['groups'][1]['trials']
  assert len(stayed) == 2 and 'learning_rate=1e+30' not in stayed
  at_rung = {name: [line for line in metrics.read(tmp_path / 'trials' / name)
                    if line['kind'] == 'validation'][0]['mlm/nll']
             for name in runs if not runs[name]['diverged']}
  assert set(stayed) == set(sorted(at_rung, key=at_rung.get)[:2])
  for name, run in runs.items():
    assert run['num_steps'] == (4 if name in stayed else 2)
    assert run['pruned'] == (name not in stayed and not run['diverged'])
  # The regrouped ones end as in the sweep without rungs.
  path = swept[0]
  for name in stayed:
    assert losses(tmp_path / 'trials' / name) == pytest.approx(
        losses(path / 'trials' / name), rel=1e-5)


def test_a_search_learns_and_is_taken_up(base, tmp_path):
  pytest.importorskip('optuna', reason='the extra search is not installed')
  plan = hyper.search({RATE: hyper.loguniform(1e-3, 1.0)}, num_trials=4,
                      at_once=2)
  sweep = sweeps.Sweep(base, plan, tmp_path, say=lambda line: None)
  # A process asks, and is killed before it can write whom it asked for.
  tmp_path.joinpath('groups').mkdir()
  search.ask(tmp_path, plan, {})
  results = sweep.run()
  assert [len(group['trials']) for group in results['groups']] == [2, 2]
  assert len({run['settings'][RATE] for run in results['runs']}) == 4
  lines = [json.loads(line) for line in
           (tmp_path / search.JOURNAL).read_text().splitlines()]
  import optuna
  study = search._study(optuna, tmp_path, plan, 0)
  states = [trial.state.name for trial in study.get_trials()]
  assert sorted(states) == ['COMPLETE'] * 4 + ['FAIL'] * 2 and lines
  told = {trial.params[RATE]: trial.value for trial in study.get_trials()
          if trial.value is not None}
  assert told == {run['settings'][RATE]: run['value']
                  for run in results['runs']}
  assert not list(tmp_path.rglob('*.pkl'))


@pytest.mark.slow
def test_trials_that_leave_at_a_rung_are_told_as_pruned(base, tmp_path):
  optuna = pytest.importorskip(
      'optuna', reason='the extra search is not installed')
  plan = hyper.search({RATE: hyper.loguniform(1e-3, 1.0)}, num_trials=2,
                      at_once=2, rungs=(0.5,))
  results = sweeps.Sweep(base, plan, tmp_path, say=lambda line: None).run()
  assert [len(group['trials']) for group in results['groups']] == [2, 1]
  states = [trial.state.name for trial in search._study(
      optuna, tmp_path, plan, 0).get_trials()]
  assert sorted(states) == ['COMPLETE', 'PRUNED']


def test_ranking_by_another_metric(base, swept, tmp_path):
  path, _, _ = swept
  copied = tmp_path / 'copy'
  shutil.copytree(path, copied)
  plan = hyper.plan(TRIALS, 'validation/mlm/accuracy', higher_is_better=True)
  results = sweeps.Sweep(base, plan, copied, say=lambda line: None).run()
  for run in results['runs']:
    assert run['diverged'] or run['value'] == -run['metrics'][
        'validation/mlm/accuracy']
  said = []
  results = sweeps.Sweep(base, hyper.plan(TRIALS, 'none', True), copied,
                         say=said.append).run()
  assert results['rank_by'] == 'loss' and not results['higher_is_better']
  assert any("no trial has the metric 'none'" in line
             and 'validation/mlm/nll' in line for line in said)


def test_a_sweep_killed_before_its_results_reads_them_from_the_records(
    base, swept, tmp_path):
  """The scores of a diverged trial are not finite, and on record as null."""
  path, results, _ = swept
  again = tmp_path / 'again'
  shutil.copytree(path, again)
  shutil.rmtree(again / 'groups')
  for written in again.rglob('results.json'):
    written.unlink()
  found = sweeps.Sweep(base, hyper.Plan(TRIALS), again,
                       say=lambda line: None).run()
  for one, other in zip(found['runs'], results['runs'], strict=True):
    assert one['metrics'] == other['metrics']
    assert one['diverged'] == other['diverged']
  assert None in [value for run in found['runs']
                  for value in run['metrics'].values()]
