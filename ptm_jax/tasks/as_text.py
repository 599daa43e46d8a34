"""Tasks as text in and text out (Raffel et al. 2020, arXiv:1910.10683, section
2.4): lines that a model reads, and lines that it should write.

They are the two files of `corpus=parallel`, for an encoder-decoder, and whole
lines, for a decoder; what was written by `generate` is scored here.
"""

import pathlib

import numpy as np

from ptm_jax.errors import ConfigError, DataError
from ptm_jax.tasks import rows

_END = ' answer:'
_NAMES = {1: ('text',), 2: ('first', 'second')}


def write(task, examples, folder):
  """Writes `train.source.txt`, `train.target.txt`, `train.both.txt`, and the
  same of the test.

  Args:
    task: component of `tasks/`.
    examples: `base.Examples`.
    folder: made when needed.

  Raises:
    ConfigError: answers of this kind are no text.
  """
  folder = pathlib.Path(folder)
  files = {}
  for split in 'train', 'test':
    pairs = [(source(task, one), target(task, one, examples.labels))
             for one in getattr(examples, split)]
    for name, lines in (
        ('source', [first for first, _ in pairs]),
        ('target', [second for _, second in pairs]),
        ('both', [f'{first} {second}' for first, second in pairs])):
      files[f'{split}.{name}.txt'] = ''.join(f'{line}\n' for line in lines)
  folder.mkdir(parents=True, exist_ok=True)
  for name, text in files.items():
    (folder / name).write_text(text, encoding='utf8')


def score(task, examples, path):
  """`{metric: value}` of written answers.

  Args:
    task, examples: as for `write`.
    path: a file with a line for each test example.

  Raises:
    DataError: it has more or fewer lines.
  """
  lines = [line for _, line in rows.lines(path)]
  if lines and not lines[-1]:
    lines.pop()
  if len(lines) != len(examples.test):
    raise DataError(f'{path} has {len(lines)} lines, and the test has '
                    f'{len(examples.test)} examples')
  return task.score([
      task.heard(line.strip(), one, examples.labels)
      for line, one in zip(lines, examples.test, strict=True)],
                    examples.test, examples.labels)


def source(task, example):
  """What is read: the task's name and the texts, in one line."""
  parts = [f'{name}: {text}' for name, text in zip(
      _NAMES[len(example.texts)], example.texts, strict=True)]
  return _line(f'{task.name_of(example)} {" ".join(parts)}{_END}')


def in_tokens(task, example, tokenizer, room):
  """`source` in at most `room` tokens, int32 `[n]`, and whether the text was
  cut, before its end."""
  ids = tokenizer.encode(source(task, example))
  if len(ids) <= room:
    return ids, False
  end = tokenizer.encode(_END)
  return np.concatenate([ids[:room - len(end)], end]), True


def target(task, example, labels):
  """What should be written, in one line."""
  text = task.spoken(example.label, labels)
  if text is None:
    raise ConfigError(f'answers to {task.name} are no text: choose a task with '
                      'labels, numbers or pieces of a text')
  return _line(text)


def _line(text):
  return ' '.join(text.split())
