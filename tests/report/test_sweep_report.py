"""The report of a sweep, built from invented trials."""

import json
import re

import pytest

from ptm_jax import report, serialize
from tests.report.fabricated import experiment


def write(path, values, keys=('optimizer.learning_rate', 'seed'), **results):
  """A sweep's directory; `values` is `{settings: loss or None}`."""
  runs = []
  for number, (settings, value) in enumerate(values.items()):
    place = path / 'trials' / str(number)
    place.mkdir(parents=True)
    (place / 'metrics.jsonl').write_text(''.join(
        json.dumps({'kind': 'train', 'step': step, 'loss': 5 - step / 10})
        + '\n' for step in (1, 2)))
    (place / 'config.json').write_text(json.dumps(
        {'config': serialize.to_json(experiment('masked'))}))
    runs.append({
        'trial': f'trial-{number}', 'name': f'trial-{number}',
        'objective': 'masked', 'workdir': f'trials/{number}', 'seed': 0,
        'settings': dict(zip(keys, settings, strict=True)), 'value': value,
        'diverged': value is None, 'pruned': value is not None and value > 5,
        'num_steps': 10 if value and value > 5 else 20, 'skipped': 0,
        'tokens_seen': 1, 'tokens_with_loss': 1, 'flops': 1, 'seconds': 1.0,
        'parameters': 1, 'metrics': {'validation/mlm/nll_se': 0.01}})
  (path / 'config.json').write_text('{}')
  (path / 'results.json').write_text(json.dumps({
      'kind': 'sweep', 'rank_by': 'loss', 'higher_is_better': False,
      'mapped': True, 'groups': [
          {'trials': [run['trial'] for run in runs], 'rung': 0, 'cohort': 0}],
      'runs': runs, **results}))
  report.build(path)
  return (path / 'report.md').read_text(), (path / 'report.html').read_text()


def ranking(text):
  """The rows of the ranking as lists of cells."""
  table = text.split('## Ranking')[1].split('## ')[0]
  rows = [[cell.strip() for cell in line.strip('|').split('|')]
          for line in table.splitlines() if line.startswith('|')]
  return rows[2:]


VALUES = {(0.01, 0): 4.2, (0.01, 1): 4.4, (0.1, 0): 4.0, (0.1, 1): 4.1,
          (1.0, 0): None, (1.0, 1): 4.3, (0.001, 0): 5.5, (0.001, 1): 5.6}


def test_trials_are_ranked_over_seeds(tmp_path):
  text, page = write(tmp_path, VALUES)
  assert text.startswith('Best of 8 trials, 2 pruned, 1 diverged: '
                         'learning_rate=0.1, loss 4.0500 ± 0.6353.')
  rows = ranking(text)
  assert [row[2] for row in rows] == ['0.1', '0.01', '0.001', '1']
  assert [row[0] for row in rows] == ['1', '2', '3', '–']
  assert rows[2][-1] == 'pruned' and rows[3][1] == '–'
  # Loss against the setting, and curves; one setting needs no coordinates.
  assert len(re.findall('<svg', page)) == 2
  assert 'href="trials/0/"' in page


def test_without_seeds_the_error_is_over_windows(tmp_path):
  text, _ = write(tmp_path, {(0.1, 0): 4.0, (0.2, 0): 4.1})
  assert 'loss 4.0000 ± 0.0196.' in text
  assert '1.96 standard errors over held-out windows' in text


def test_two_settings_have_parallel_coordinates(tmp_path):
  keys = 'optimizer.learning_rate', 'model.norm'
  text, page = write(tmp_path, {(0.1, 'rms'): 4.0, (0.2, 'layer'): 4.1,
                                (0.4, '<b>'): 4.3}, keys)
  assert len(re.findall('<svg', page)) == 4
  assert 'All settings at once' in page and '<b>' not in page
  assert ranking(text)[0][2:4] == ['0.1', 'rms']


def test_a_metric_that_is_better_when_higher(tmp_path):
  text, _ = write(tmp_path, {(0.1, 0): -0.6, (0.1, 1): -0.8, (0.2, 0): -0.5,
                             (0.2, 1): -0.5}, rank_by='task/accuracy',
                  higher_is_better=True)
  assert 'learning_rate=0.1, task/accuracy 0.7000' in text


def test_nothing_to_rank_is_said(tmp_path):
  text, page = write(tmp_path, {(0.1, 0): None})
  assert text.startswith('No trial can be ranked: 1 trials, 1 diverged.')
  assert 'verdict bad' in page and '<svg' not in page


@pytest.mark.parametrize('missing', ['settings', 'value', 'diverged'])
def test_a_damaged_result_is_named(tmp_path, missing):
  from ptm_jax.errors import DataError
  write(tmp_path, VALUES)
  path = tmp_path / 'results.json'
  results = json.loads(path.read_text())
  del results['runs'][3][missing]
  path.write_text(json.dumps(results))
  with pytest.raises(DataError, match='results.json.*is damaged'):
    report.build(tmp_path)
