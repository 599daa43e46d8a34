"""A prompt that is trained: the trunk's own heads learn to answer it."""

import json

import jax
import numpy as np
import pytest

import ptm_jax
from ptm_jax import finetune, finetune_step
from ptm_jax.__main__ import main
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.finetune_config import Settings
from ptm_jax.objectives import ways
from ptm_jax.tasks import base, batches, prompt, prompted
from tests.objectives.cases import bound
from tests.scoring.runs import run_of
from tests.scoring.test_prompting import label_scores
from tests.small_runs import WORDS
from tests.tasks.runs import untrained_run, write


def texts(folder):
  """Texts that start with 'array' or with 'none'."""
  def line(number):
    return '\t'.join([('bad', 'good')[number % 2], ' '.join(
        [('none', 'array')[number % 2], WORDS[4 + number % 3]])])
  for name, numbers in ('train', range(32)), ('test', range(101, 113)):
    write(folder, f'{name}.tsv', ['label\ttext_a', *map(line, numbers)])
  return folder


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  folder = texts(tmp_path_factory.mktemp('data'))
  return write(folder, 'mine.txt', [
      'pattern: {text} [MASK] of', 'label bad: data', 'label good: int is'])


def settings(data, **options):
  return Settings(**{**dict(
      task='own_classes', data_dir=str(data), prompt=str(data / 'mine.txt'),
      seeds=2, epochs=12, batch_size=8, learning_rate=1e-2, max_length=18),
                     **options})


def asked(checkpoint, data, capsys):
  """Scores of the verb evaluate."""
  assert main(['evaluate', f'--checkpoint={checkpoint}', '--tasks=own_classes',
               f'--data_dir={data}', f'--prompt={data / "mine.txt"}']) == 0
  capsys.readouterr()
  (found,) = json.loads((checkpoint / 'evaluation.json').read_text())[
      'tasks'].values()
  return found['metrics']


@pytest.mark.slow
@pytest.mark.parametrize('name', ['masked', 'autoregressive'])
def test_it_learns_what_it_did_not_know(name, data, tmp_path, capsys):
  trunk = untrained_run(tmp_path / 'trunk', name)
  before = asked(trunk, data, capsys)['accuracy']
  path = tmp_path / 'run'
  results = finetune.finetune(trunk, settings(data), path, say=str)
  assert results['estimates']['accuracy']['mean'] == 1.0 > before
  assert results['constant']['accuracy'] == 0.5
  # It goes on from what it saved.
  (path / 'results.json').unlink()
  said = []
  again = finetune.finetune(trunk, settings(data), path, say=said.append)
  assert 'going on from step 48' in said
  assert again['estimates'] == results['estimates']
  # No head was added: those of pre-training answer, here and in `evaluate`.
  seed = path / 'seed-1'
  run = ptm_jax.load(seed)
  assert not run.params.get('task')
  assert asked(seed, data, capsys)['accuracy'] == 1.0
  assert finetune.evaluate(seed, say=str)['accuracy'] == 1.0
  changed = jax.tree.map(lambda a, b: bool(np.any(a != b)),
                         run.params['head'], ptm_jax.load(trunk).params['head'])
  assert all(jax.tree.leaves(changed))
  # The prompt is the checkpoint's own, whatever became of the file.
  (data / 'mine.txt').rename(data / 'away.txt')
  try:
    assert finetune.evaluate(seed, say=str)['accuracy'] == 1.0
  finally:
    (data / 'away.txt').rename(data / 'mine.txt')


@pytest.mark.slow
def test_lora_trains_the_trunk_alone(data, tmp_path):
  trunk = untrained_run(tmp_path / 'trunk')
  finetune.finetune(trunk, settings(data, way='lora', seeds=1),
                    tmp_path / 'run', say=str)
  run, before = (ptm_jax.load(path).params for path in (
      tmp_path / 'run' / 'seed-0', trunk))
  jax.tree.map(np.testing.assert_array_equal, run['head'], before['head'])
  jax.tree.map(np.testing.assert_array_equal, run['trunk']['token_embedding'],
               before['trunk']['token_embedding'])
  losses = [json.loads(line)['loss'] for line in (
      tmp_path / 'run' / 'seed-0' / 'metrics.jsonl').read_text().splitlines()]
  assert losses[-1] < losses[0] - 0.1


def test_what_is_trained_is_what_is_asked():
  run, task = run_of('masked'), find('tasks', 'own_classes')()
  question = prompt.parse(enumerate(
      ['pattern: {text} q [MASK] z', 'label 0: b', 'label 1: cd | a'], 1), 'x')
  wrapped = prompted.Prompted(task, question, prompted.way_of(run.objective))
  rows = wrapped.rows(run.tokenizer, [base.Example(('a',), 1, '')], 20,
                      ('0', '1'))
  assert wrapped.most == 2 and rows[0].asked == ((2, 3), (2, 4), (2, 3))
  # A row that there is not, too.
  batch = batches.collate(rows, np.asarray([0, -1]), 8, 3)
  recipe = finetune_step.Recipe(
      wrapped, run.objective, 2, 'full', 'mean', 2, 2, 1.0, 0.0,
      finetune_step.Optimizer(), 5)
  def loss(params):
    found = finetune_step.outputs(recipe, 1, params, batch)
    return wrapped.loss(found, batch['targets'])[0], found[0]
  (value, found), grads = jax.jit(
      jax.value_and_grad(loss, has_aux=True))(run.params)
  expected = label_scores('masked')[1]
  assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
  assert value == pytest.approx(
      np.logaddexp(*expected) - expected[1], rel=1e-4)
  assert all(np.any(leaf) for leaf in jax.tree.leaves(grads['head']))
  # Whatever does not answer is left as it is.
  assert ways.networks_read(wrapped.scored, {**run.params, 'other': {
      'kernel': np.ones(3)}}) == ['head', 'trunk']


@pytest.mark.parametrize('lines,options,code,said', [
    (['pattern: {text} of'], (), 3, 'bad.txt:1: the pattern has no [MASK]'),
    (['pattern: {text} [MASK]', 'label bad: a', 'label so: b'], (), 3,
     "bad.txt:3: there is no label 'so'"),
    (['pattern: {text} [MASK]', 'label bad: a', 'label good: b'],
     ('--way=prefix',), 2, 'the way is full or lora')])
def test_a_bad_prompt_writes_nothing(
    lines, options, code, said, data, tmp_path, capsys):
  write(tmp_path, 'bad.txt', lines)
  assert main(['finetune', '--checkpoint=nowhere', '--task=own_classes',
               f'--data_dir={data}', f'--prompt={tmp_path / "bad.txt"}',
               f'--workdir={tmp_path / "run"}', *options]) == code
  error = capsys.readouterr().err
  assert said in error and error.count('\n') == 1
  assert not (tmp_path / 'run').exists()


def test_what_scores_no_text_at_once_is_refused():
  with pytest.raises(ConfigError, match='permutation has no score'):
    prompted.way_of(bound('permutation'))
  assert prompted.way_of(bound('unilm')).kind == 'pseudo'
  assert prompted.way_of(bound('prefix_lm')).kind == 'likelihood'
  with pytest.raises(ConfigError, match='asks one task'):
    Settings('cola,sst2', prompt='default').validate()
