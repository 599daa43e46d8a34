"""Tasks mixed: every row is scored by its own task alone."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.finetune import finetune
from ptm_jax.finetune_config import Settings
from ptm_jax.tasks import base, batches, embedded, mixture
from tests.tasks.runs import cola, tokenizer, untrained_run, write
from tests.tasks.test_published import FIXTURES

NAMES = ('mnli', 'stsb', 'own_marks')


@pytest.fixture
def folders(tmp_path):
  write(tmp_path / 'own', 'train.tsv', ['label\ttext_a', 'x,y\ta', '\tb'])
  write(tmp_path / 'own', 'test.tsv', ['label\ttext_a', 'x,y\tc'])
  return f'{FIXTURES}/mnli,{FIXTURES}/stsb,{tmp_path}/own'


def test_a_row_has_the_loss_of_its_own_task(folders):
  task = mixture.Mixture(NAMES)
  found = task.read(folders)
  assert len(found.train) == 22 and len(found.test) == 21
  assert found.labels[1:] == ((), ('x', 'y'))
  assert task.num_outputs(found.labels) == 3 + 1 + 2
  rows = task.rows(tokenizer(), found.train, 62, found.labels)
  assert [row.example for row in rows] == list(range(22))
  targets = jnp.asarray(batches.collate(
      rows, [0, 10, 20, 21], 64, 1)['targets'])
  # Task, then its target: entailment; 4.8 of 5; both marks; none.
  np.testing.assert_allclose(targets, [
      [0, 1, 0], [1, 0.96, 0], [2, 1, 1], [2, 0, 0]])
  logits = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6)), 'float32')
  losses = task.loss(logits, targets)
  alone = task.tasks
  expected = [
      alone[0].loss(logits[:1, :3], jnp.asarray([1]))[0],
      alone[1].loss(logits[1:2, 3:4], jnp.asarray([0.96]))[0],
      *alone[2].loss(logits[2:, 4:], jnp.asarray([[1., 1.], [0., 0.]]))]
  np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_predictions_and_scores_are_of_each_task(folders):
  task = mixture.Mixture(NAMES)
  found = task.read(folders)
  task.num_outputs(found.labels)
  logits = []
  for one in found.test:
    which, label = one.label
    values = np.full(6, -1.0)
    if which == 0:
      values[label] = 1.0
    elif which == 1:
      values[3] = label / 5
    else:
      values[4:] = np.asarray(label) * 2 - 1
    logits.append(values)
  answers = task.predict(logits, [None] * 21, found.test, found.labels)
  assert answers[0] == 'entailment' and answers[20] == ['x', 'y']
  assert answers[10] == pytest.approx(4.8)
  assert task.score(answers, found.test, found.labels) == {
      name: pytest.approx(1.0) for name in task.metrics}
  same = task.constants(found.train, found.test, found.labels)
  assert same[0] == 'entailment' and same[10] == pytest.approx(3.11)


def test_what_cannot_be_mixed_is_refused(folders):
  with pytest.raises(ConfigError, match='squad is no task of texts with lab'):
    mixture.Mixture(['mnli', 'squad'])
  with pytest.raises(ConfigError, match='names 3 folders for the 2 tasks'):
    mixture.Mixture(NAMES[:2]).read(folders)


def test_tasks_that_make_their_own_data_have_no_folder(folders, monkeypatch):
  made = base.Examples([], [base.Example(('a',), 1, '')], ('x', 'y'), {})
  monkeypatch.setattr(embedded.Embedded, 'read', lambda self, data_dir: {
      '': made}[data_dir])
  both = mixture.Mixture(['docstring_kind', 'paragraph_order'])
  assert [one.label for one in both.read('').test] == [(0, 1), (1, 1)]
  found = mixture.Mixture(['docstring_kind', 'stsb']).read(
      folders.split(',')[1])
  assert found.labels == (('x', 'y'), ()) and len(found.test) > 1
  with pytest.raises(ConfigError, match='names 0 folders for the 1 tasks stsb'):
    mixture.Mixture(['docstring_kind', 'stsb']).read('')


@pytest.mark.slow
def test_one_trunk_learns_two_tasks(tmp_path):
  trunk = untrained_run(tmp_path / 'trunk', max_length=128)
  results = finetune(trunk, Settings(
      task='cola,mnli', data_dir=f'{cola(tmp_path / "cola")},{FIXTURES}/mnli',
      seeds=2, epochs=20, batch_size=8, learning_rate=1e-2, max_length=96,
      max_train=40), tmp_path / 'run', say=str)
  assert results['metric'] == 'cola/matthews'
  assert results['estimates']['cola/accuracy']['mean'] > 0.9
  assert 'cola,mnli/mnli/accuracy' in results['runs'][0]['metrics']
  assert results['data']['train_used'] == 50  # 40 of 48, and all 10
  config = json.loads((tmp_path / 'run/seed-0/config.json').read_text())
  assert config['finetune']['parameters']['head']['kernel'] == [16, 2 + 3]
