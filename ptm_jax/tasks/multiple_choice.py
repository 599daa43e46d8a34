"""A question on a text and several answers to choose from."""

import numpy as np
import optax

from ptm_jax.errors import DataError
from ptm_jax.tasks import base, rows, scores


class MultipleChoice(base.FineTuned):
  """One number for each choice, a softmax over them (Radford et al. 2018,
  section 3.3). A row is the context, a separator, question and choice.

  A layout's columns: `context`, `question`, `choices` and `answer`.
  """

  def example(self, row, columns, where):
    context, question, choices, answer = (
        rows.cell(row, columns[name], where)
        for name in ('context', 'question', 'choices', 'answer'))
    if answer not in choices:
      raise DataError(f'{where}: the answer {answer!r:.80} is not among its '
                      'choices')
    return base.Example((context, question), (
        tuple(choices), choices.index(answer)), where)

  def unit(self, example):
    return example.texts[0]  # questions on one text stay together

  def settled(self, train, test):
    return train, test, ()

  def rows(self, tokenizer, examples, room, labels):
    del labels
    found = []
    for number, one in enumerate(examples):
      context, question = one.texts
      choices, answer = one.label
      parts = [base.encode(tokenizer, (context, f'{question} {choice}'), room,
                           tokenizer.vocabulary.sep_id) for choice in choices]
      found.append(base.Row(tuple(ids for ids, _ in parts), np.int32(answer),
                            number, any(cut for _, cut in parts)))
    return found

  def num_outputs(self, labels):
    del labels
    return 1

  def loss(self, logits, targets):
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets)

  def predict(self, logits, rows, examples, labels):
    del rows, labels
    return [one.label[0][np.argmax(values[:len(one.label[0])])]
            for values, one in zip(logits, examples, strict=True)]

  def score(self, predictions, examples, labels):
    del labels
    right = [one.label[0].index(answer) == one.label[1]
             for one, answer in zip(examples, predictions, strict=True)]
    return scores.of_labels(self.metrics, [True] * len(right), right,
                            (False, True))
