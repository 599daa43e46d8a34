"""Fine-tunings side by side, by the command."""

import json

import pytest

from ptm_jax.__main__ import main

# A folder: accuracy of each seed, and what else differs.
SCORES = {'one': {0: .5, 1: .7}, 'two': {1: .75, 0: .65}}


def folder(place, scores, **changed):
  runs = []
  for seed, score in scores.items():
    work = place / f'seed-{seed}'
    work.mkdir(parents=True)
    (work / 'metrics.jsonl').write_text('')
    runs.append({
        'name': 'cola', 'seed': seed, 'workdir': f'seed-{seed}',
        'num_steps': 3, 'seconds': 2.0, 'tokens_seen': 1,
        'tokens_with_loss': 1, 'flops': 1.0, 'parameters': 1,
        'metrics': {'cola/accuracy': score}})
  (place / 'results.json').write_text(json.dumps({
      'kind': 'finetune', 'task': 'cola', 'metric': 'accuracy', 'way': 'full',
      'constant': {'accuracy': 0.25}, 'runs': runs,
      'data': {'files': {'test': ['dev.tsv']}, 'test_used': 8}, **changed}))
  (place / 'config.json').write_text(json.dumps({'finetune': {
      'checkpoint': f'runs/{place.name}', 'from_scratch': place.name == 'two'}}))
  return place


def report(*places):
  return main(['report', f'--workdir={",".join(map(str, places))}'])


def test_scores_and_differences_of_equal_seeds(tmp_path, capsys):
  places = [folder(tmp_path / name, scores) for name, scores in SCORES.items()]
  assert report(*places) == 0
  said = capsys.readouterr().out.splitlines()
  one, two = (line.split(' | ')[1:] for line in said[2:4])
  # Of two values the interval is 12.706 times half of what lies between them.
  assert one == ['runs/one', 'full', '0.600 ± 1.271', '', '2', '2.0 |']
  assert two == ['runs/two, untrained', 'full', '0.700 ± 0.635',
                 '0.100 ± 0.635', '2', '2.0 |']
  assert said[-1] == 'The same answer to all: 0.250.'
  assert not (places[0] / 'report.html').exists()


@pytest.mark.parametrize('changed,said', [
    ({'task': 'rte'}, 'is of rte'), ({'kind': 'run'}, 'is no fine-tuning'),
    ({'data': {'files': {'test': ['dev.tsv']}, 'test_used': 7}},
     'is of 7 test examples')])
def test_other_examples_are_refused(changed, said, tmp_path, capsys):
  places = [folder(tmp_path / 'one', SCORES['one']),
            folder(tmp_path / 'two', SCORES['two'], **changed)]
  assert report(*places) == 3
  error = capsys.readouterr().err
  assert said in error and error.count('\n') == 1
