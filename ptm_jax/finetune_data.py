"""A task's examples as rows for one trunk, and what must be said of them."""

import collections
import dataclasses
from typing import Any

import numpy as np

from ptm_jax.errors import DataError
from ptm_jax.tasks import base, overlap


@dataclasses.dataclass
class Data:
  """A task, ready for one trunk.

  Attributes:
    task: component of `tasks/`.
    examples: `base.Examples`, those that are used.
    train, test: lists of `base.Row`.
    num_outputs: of the head.
    alternatives: most that a row has.
    facts: counts, for the report.
  """

  task: Any
  examples: base.Examples
  train: list[base.Row]
  test: list[base.Row]
  num_outputs: int
  alternatives: int
  facts: dict

  @property
  def labels(self):
    """Names of the answers."""
    return self.examples.labels

  def scored(self, logits):
    """Predictions of the test examples, and `{metric: value}`.

    Args:
      logits: numpy, one array per test row.
    """
    predictions = self.task.predict(
        logits, self.test, self.examples.test, self.labels)
    return predictions, self.task.score(
        predictions, self.examples.test, self.labels)

  def constant(self):
    """Scores of the same answer to all, that of most training examples; {}
    where the task has none."""
    answers = self.task.constants(
        self.examples.train, self.examples.test, self.labels)
    return {} if answers is None else self.task.score(
        answers, self.examples.test, self.labels)


def prepare(task, examples, run, checkpoint, settings, say):
  """Chooses examples, counts leaks, makes rows.

  Args:
    task: component of `tasks/`.
    examples: `base.Examples`.
    run: `load.Loaded`.
    checkpoint: its folder.
    settings: `finetune.Settings`.
    say: takes one line for the user.

  Returns:
    `Data`.

  Raises:
    DataError: nothing is left, or a text is too long and may not be cut.
  """
  facts = {f'{split}_examples': len(getattr(examples, split))
           for split in ('train', 'test')}
  facts['files'] = examples.files
  examples, leaked = chosen(task, examples, settings, say)
  room = settings.max_length - 2  # special tokens around the text
  if run.config.model.learned_positions:
    room = min(room, run.config.model.max_length - 2)
  found = {split: task.rows(run.tokenizer, getattr(examples, split), room,
                            examples.labels)
           for split in ('train', 'test')}
  if not found['train'] or not found['test']:
    raise DataError(f'--task={settings.task}: nothing to train on or to score')
  for split, rows in found.items():
    number = len({row.example for row in rows if row.cut})
    facts[f'{split}_truncated'] = number
    if number and not settings.truncate:
      first = next(row for row in rows if row.cut)
      where = getattr(examples, split)[first.example].where
      raise DataError(f'{where} has more than the {room} tokens that there '
                      'are positions for: raise --max_length, or leave out '
                      '--notruncate')
    if number:
      say(f'{settings.task}: {number} of {len(getattr(examples, split))} '
          f'{split} examples are longer than {room} tokens and cut')
  facts.update(leaked, train_used=len(examples.train),
               test_used=len(examples.test))
  facts.update(overlap.with_pretraining(
      run, checkpoint, examples.test, say))
  return Data(
      task, examples, found['train'], found['test'],
      task.num_outputs(examples.labels),
      max(len(row.tokens) for rows in found.values() for row in rows),
      facts)


def chosen(task, examples, settings, say):
  """The `base.Examples` that are used, and counts of what leaks."""
  examples, leaked = _without_leaks(examples, settings, say)
  return dataclasses.replace(
      examples, train=_some(task, examples.train, settings.max_train),
      test=_some(task, examples.test, settings.max_test)), leaked


def _without_leaks(examples, settings, say):
  """Test examples that occur in the training data, counted; with
  `drop_leaked` the training data loses them."""
  known = collections.Counter(one.texts for one in examples.train)
  shared = {one.texts for one in examples.test if one.texts in known}
  number = sum(one.texts in shared for one in examples.test)
  facts = {'test_in_train': number, 'train_dropped': 0}
  train = examples.train
  if number and settings.drop_leaked:
    train = [one for one in train if one.texts not in shared]
    facts['train_dropped'] = len(examples.train) - len(train)
  if number:
    say(f'{settings.task}: {number} of {len(examples.test)} test examples '
        'occur in the training data' + (
            f'; {facts["train_dropped"]} training examples left out'
            if settings.drop_leaked else ': --drop_leaked leaves them out '
            'of it'))
  return dataclasses.replace(examples, train=train), facts


def _some(task, examples, most):
  """So many examples of each group, in their order, the same at every call."""
  groups = {}
  for number, one in enumerate(examples):
    groups.setdefault(task.group(one), []).append(number)
  picked = []
  for numbers in groups.values():
    order = np.random.default_rng(0).permutation(len(numbers))
    picked += [numbers[place] for place in order[:most or None]]
  return [examples[number] for number in sorted(picked)]
