"""A question whose answer is a piece of a text."""

import jax.numpy as jnp
import numpy as np
import optax

from ptm_jax.errors import DataError
from ptm_jax.tasks import base, rows, scores, units

_LONGEST = 30  # tokens of an answer, as in BERT's released code


class SpanAnswer(base.FineTuned):
  """Extractive question answering, with or without questions that have no
  answer.

  A row is the question, a separator and as much of the context as has room;
  a long context is read in several rows, each moved on by half of that. The
  head gives two numbers per token, for the first and the last of the answer.
  A row without the answer points at its first token, which is the question's.
  Training questions none of whose answers is in its context are left out.
  The answer is the best span of all rows; it is '' where all rows rather have
  none, and the training data has such questions.

  A layout's columns: `question`, `context` and `answers`.
  """

  metrics = ('f1', 'exact_match')
  per_token = True

  def example(self, row, columns, where):
    question, context, answers = (
        rows.cell(row, columns[name], where)
        for name in ('question', 'context', 'answers'))
    return base.Example((question, context), tuple(
        _placed(text, start, context) for text, start in answers), where)

  def unit(self, example):
    return example.texts[1]  # questions on one context stay together

  def settled(self, train, test):
    usable = [one for one in train if not one.label or any(
        start is not None for _, start in one.label)]
    if not usable:
      raise DataError(f'{train[0].where}: the answer is not in its context, '
                      'and no other question\'s is')
    # The one label says whether a question may have no answer.
    without = any(not one.label for one in usable)
    return usable, test, ('no answer',) if without else ()

  def rows(self, tokenizer, examples, room, labels):
    del labels
    separator = np.full(1, tokenizer.vocabulary.sep_id, np.int32)
    found = []
    for number, one in enumerate(examples):
      question = tokenizer.encode(one.texts[0])
      cut = len(question) > room // 2
      question = np.concatenate([question[:room // 2], separator])
      ids, begins, ends = context_tokens(tokenizer, one.texts[1])
      width = room - len(question)
      start = 0
      while True:
        part = slice(start, start + width)
        target = _target(one.label, begins[part], ends[part], len(question))
        found.append(base.Row(
            (np.concatenate([question, ids[part]]),), target, number, cut,
            (len(question), begins[part], ends[part])))
        if start + width >= len(ids):
          break
        start += max(width // 2, 1)
    return found

  def num_outputs(self, labels):
    del labels
    return 2

  def loss(self, logits, targets):
    each = optax.softmax_cross_entropy_with_integer_labels(
        jnp.swapaxes(logits, 1, 2), targets)
    return jnp.mean(each, 1)

  def predict(self, logits, rows, examples, labels):
    best = {}
    for values, row in zip(logits, rows, strict=True):
      first, begins, ends = row.place
      nothing = values[0, 0] + values[0, 1]
      score, span = _best_span(values[first:], begins, ends)
      before = best.get(row.example, (-np.inf, np.inf, (0, 0)))
      known = min(before[1], nothing)
      best[row.example] = ((score, known, span) if score > before[0]
                           else (before[0], known, before[2]))
    found = []
    for number, one in enumerate(examples):
      score, nothing, (start, end) = best[number]
      none = labels and nothing > score
      found.append('' if none else one.texts[1][start:end])
    return found

  def spoken(self, label, labels):
    return label[0][0] if label else 'no answer'

  def heard(self, text, example, labels):
    return '' if labels and text == 'no answer' else text

  def score(self, predictions, examples, labels):
    del labels
    return scores.of_answers(self.metrics, [
        [text for text, _ in one.label] or [''] for one in examples],
                             predictions)


def _placed(text, start, context):
  """An answer and its first character. One whose published place is wrong, as
  of some in CMRC 2018, is taken at the nearest; None is nowhere."""
  if context[start:start + len(text)] == text:
    return text, start
  places = [place for place in range(len(context) - len(text) + 1)
            if context.startswith(text, place)]
  return text, min(places, key=lambda place: abs(place - start), default=None)


def context_tokens(tokenizer, text):
  """Ids of a text, int32 `[n]`, and each one's first character and end, int
  `[n]`, those of the unit that it is of."""
  cut = units.cut(text)
  ids, unit_of = units.encode(tokenizer, [unit for unit, _, _ in cut])
  places = np.asarray([place[1:] for place in cut], np.int64).reshape(-1, 2)
  return ids, places[unit_of, 0], places[unit_of, 1]


def _target(answers, begins, ends, first):
  """Where the first answer that has a place begins and ends in a row, int32
  `[2]`; 0, 0 where not all of it is there."""
  for text, start in answers:
    if start is None:
      continue
    end = start + len(text)
    inside = np.flatnonzero((ends > start) & (begins < end))
    if len(inside) and begins[inside[0]] <= start and ends[inside[-1]] >= end:
      return np.asarray([first + inside[0], first + inside[-1]], np.int32)
    break
  return np.zeros(2, np.int32)


def _best_span(values, begins, ends):
  """The best span's score and its characters."""
  count = len(begins)
  if not count:
    return -np.inf, (0, 0)
  table = values[:, None, 0] + values[None, :, 1]
  order = np.arange(count)
  allowed = (order[None] >= order[:, None]) & (
      order[None] - order[:, None] < _LONGEST)
  table = np.where(allowed, table, -np.inf)
  first, last = np.unravel_index(np.argmax(table), table.shape)
  return table[first, last], (int(begins[first]), int(ends[last]))
