"""Several tasks on one trunk, mixed within every batch.

Each task is met in proportion to its training examples, of which a limit may
be set for all (Raffel et al. 2020, arXiv:1910.10683, section 3.5.2:
examples-proportional mixing). The heads stand side by side in one kernel, and
a row's loss is of its own task's part alone.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.tasks import base


class Mixture(base.FineTuned):
  """Tasks of texts and pairs: one label, several labels or a number each.

  The label of an `Example` is the number of its task and its own label; the
  names of the labels are a tuple for each task.

  Args:
    names: of components of `tasks/`.
  """

  def __init__(self, names):
    self.names, self.tasks = tuple(names), [find('tasks', name)()
                                            for name in names]
    if len(set(names)) < len(names):
      raise ConfigError(f'--task={",".join(names)} names a task twice')
    for name, task in zip(names, self.tasks, strict=True):
      if not hasattr(task, 'target'):
        raise ConfigError(f'--task={",".join(names)}: {name} is no task of '
                          'texts with labels or numbers, and is not mixed')
    self.metrics = tuple(f'{name}/{metric}' for name, task in zip(
        names, self.tasks, strict=True) for metric in task.metrics)

  @property
  def name(self):
    return ','.join(self.names)

  def read(self, data_dir):
    reading = [task.name for task in self.tasks if not task.embedded]
    folders = str(data_dir).split(',') if data_dir else []
    if len(folders) != len(reading):
      raise ConfigError(f'--data_dir={data_dir} names {len(folders)} folders '
                        f'for the {len(reading)} tasks {",".join(reading)}: '
                        'give one for each, with commas between them')
    folders = iter(folders)
    found = [task.read('' if task.embedded else next(folders))
             for task in self.tasks]
    def joined(split):
      return [dataclasses.replace(one, label=(number, one.label))
              for number, part in enumerate(found)
              for one in getattr(part, split)]
    return base.Examples(
        joined('train'), joined('test'), tuple(part.labels for part in found),
        {f'{name}, {split}': files for name, part in zip(
            self.names, found, strict=True)
         for split, files in part.files.items()})

  def group(self, example):
    return example.label[0]

  def rows(self, tokenizer, examples, room, labels):
    width = max(np.size(self.tasks[one.label[0]].target(one.label[1]))
                for one in examples)
    found = []
    for number, one in enumerate(examples):
      which, label = one.label
      alone = dataclasses.replace(one, label=label)
      row, = self.tasks[which].rows(tokenizer, [alone], room, labels[which])
      target = np.zeros(1 + width, np.float32)
      target[0] = which
      target[1:1 + np.size(row.target)] = row.target
      found.append(dataclasses.replace(row, example=number, target=target))
    return found

  def num_outputs(self, labels):
    # Remembered for the loss, which has no labels.
    sizes = [task.num_outputs(names)
             for task, names in zip(self.tasks, labels, strict=True)]
    ends = np.cumsum(sizes)
    self._parts = [slice(int(end - size), int(end))
                   for size, end in zip(sizes, ends, strict=True)]
    return int(ends[-1])

  def loss(self, logits, targets):
    total = jnp.zeros(len(logits))
    for which, (task, part) in enumerate(zip(
        self.tasks, self._parts, strict=True)):
      own = targets[:, 0] == which
      # Of other tasks' rows nothing may be out of range.
      values = jnp.where(own[:, None], targets[:, 1:], 0.0)
      total += jnp.where(
          own, task.loss(logits[:, part], task.targets(values)), 0.0)
    return total

  def predict(self, logits, rows, examples, labels):
    found = [None] * len(examples)
    for which, numbers, alone in self._by_task(examples):
      answers = self.tasks[which].predict(
          [logits[number][self._parts[which]] for number in numbers],
          [rows[number] for number in numbers], alone, labels[which])
      for number, answer in zip(numbers, answers, strict=True):
        found[number] = answer
    return found

  def score(self, predictions, examples, labels):
    found = {}
    for which, numbers, alone in self._by_task(examples):
      scores = self.tasks[which].score(
          [predictions[number] for number in numbers], alone, labels[which])
      found.update({f'{self.names[which]}/{name}': value
                    for name, value in scores.items()})
    return found

  def spoken(self, label, labels):
    which, own = label
    return self.tasks[which].spoken(own, labels[which])

  def heard(self, text, example, labels):
    which, own = example.label
    return self.tasks[which].heard(
        text, dataclasses.replace(example, label=own), labels[which])

  def name_of(self, example):
    return self.names[example.label[0]]

  def constants(self, train, test, labels):
    answers = {which: self.tasks[which].constant(alone, labels[which])
               for which, _, alone in self._by_task(train)}
    return [answers[one.label[0]] for one in test]

  def _by_task(self, examples):
    """`(task's number, numbers of its examples, these with their own labels)`.
    """
    for which in range(len(self.tasks)):
      numbers = [number for number, one in enumerate(examples)
                 if one.label[0] == which]
      if numbers:
        yield which, numbers, [dataclasses.replace(
            examples[number], label=examples[number].label[1])
                               for number in numbers]
