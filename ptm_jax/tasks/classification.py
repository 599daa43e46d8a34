"""A text, or a pair of texts, and one of several answers."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import optax

from ptm_jax.errors import DataError
from ptm_jax.tasks import base, rows, scores


class Classification(base.FineTuned):
  """One label for one or two texts.

  A layout's columns: `text`, `second` where there are two (with a '?' behind
  it where there may be), and `label`.
  """

  probed = 'labels'

  def example(self, row, columns, where):
    names = [columns[name] for name in ('text', 'second') if name in columns]
    texts = tuple(str(rows.cell(row, name.rstrip('?'), where))
                  for name in names
                  if not name.endswith('?') or name.rstrip('?') in row)
    return base.Example(
        texts, str(rows.cell(row, columns['label'], where)).strip(), where)

  def settled(self, train, test):
    labels = self.labels or tuple(sorted({one.label for one in train}))
    for one in train if '' in labels else ():
      if not one.label:
        raise DataError(f'{one.where} has no label')
    _enough(labels, 2, train)
    sort = ('one of the published labels' if self.labels
            else 'a label of the training data')
    return (base.numbered(train, labels, sort),
            base.numbered(test, labels, sort), labels)

  def rows(self, tokenizer, examples, room, labels):
    del labels
    separator = tokenizer.vocabulary.sep_id
    found = []
    for number, one in enumerate(examples):
      ids, cut = base.encode(tokenizer, one.texts, room, separator)
      found.append(base.Row((ids,), self.target(one.label), number, cut))
    return found

  def target(self, label):
    """What the loss compares with."""
    return np.int32(label)

  def targets(self, values):
    """What `loss` takes, of targets as float32 `[batch, n]`."""
    return values[:, 0].astype(jnp.int32)

  def num_outputs(self, labels):
    return len(labels)

  def loss(self, logits, targets):
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets)

  def predict(self, logits, rows, examples, labels):
    del rows, examples
    return [labels[number] for number in np.argmax(np.stack(logits), -1)]

  def score(self, predictions, examples, labels):
    return scores.of_labels(
        self.metrics, [one.label for one in examples],
        [labels.index(one) for one in predictions], labels)

  def spoken(self, label, labels):
    return labels[label]

  def heard(self, text, example, labels):
    if text in labels:
      return text
    return next(name for name in labels if name != labels[example.label])

  def constant(self, train, labels):
    return labels[np.argmax(np.bincount([one.label for one in train]))]


class MultiLabel(Classification):
  """Any number of labels for one or two texts, in one column with commas
  between them; an empty column is none of them."""

  metrics = ('micro_f1', 'macro_f1', 'exact_match')
  probed = None

  def settled(self, train, test):
    labels = self.labels or tuple(sorted(
        {name for one in train for name in _names(one.label)}))
    _enough(labels, 1, train)
    return _marked(train, labels), _marked(test, labels), labels

  def target(self, label):
    return np.asarray(label, np.float32)

  def targets(self, values):
    return values

  def loss(self, logits, targets):
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, targets), -1)

  def predict(self, logits, rows, examples, labels):
    del rows, examples
    return [[name for name, mark in zip(labels, one > 0, strict=True) if mark]
            for one in logits]

  def score(self, predictions, examples, labels):
    found = [[int(name in one) for name in labels] for one in predictions]
    return scores.of_marks(
        self.metrics, np.asarray([one.label for one in examples]),
        np.asarray(found))

  def spoken(self, label, labels):
    return ', '.join(name for name, mark in zip(labels, label, strict=True)
                     if mark) or 'none'

  def heard(self, text, example, labels):
    return [name for name in _names(text) if name in labels]

  def constant(self, train, labels):
    shares = np.mean([one.label for one in train], 0)
    return [name for name, share in zip(labels, shares, strict=True)
            if share > 0.5]


def _enough(labels, least, train):
  if len(labels) < least:
    raise DataError(f'{train[0].where} and all behind it have '
                    f'{f"the label {labels[0]!r}" if labels else "no label"}: '
                    'there is nothing to learn')


def _names(label):
  return [name.strip() for name in label.split(',') if name.strip()]


def _marked(examples, labels):
  """Examples with a mark, 0 or 1, for each label."""
  found = []
  for one in examples:
    names = [base.numbered([dataclasses.replace(one, label=name)], labels,
                           'a known label')[0].label
             for name in _names(one.label)]
    marks = np.zeros(len(labels), np.int64)
    marks[names] = 1
    found.append(dataclasses.replace(one, label=tuple(marks.tolist())))
  return found
