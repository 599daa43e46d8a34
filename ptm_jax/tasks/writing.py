"""One text is read and another written: the trunk's own heads answer.

What is read and written are the lines of `as_text`, and a `</s>` behind them;
the loss is the negative log-likelihood of what is written. Without dropout, as
the trunk scores a text.
"""

import copy
import functools

import numpy as np

from ptm_jax.errors import ConfigError, DataError
from ptm_jax.find import name_of
from ptm_jax.objectives import sequence_to_sequence
from ptm_jax.tasks import as_text, base, scores

_LEAST = 14  # tokens of what is read


class Writing(base.FineTuned):
  """A text to write behind a text.

  A layout's columns are of no use: a row has one of the pairs of `columns`.

  Class attribute:
    columns: pairs of names of the text that is read and the one to write, the
      first that a row has is taken.

  Attributes:
    answer_length: tokens of what is written at most, `</s>` included.
  """

  columns: tuple[tuple[str, str], ...] = ()
  written = True
  most = None  # tokens of a row are scored at most

  def of(self, objective, answer_length):
    """The task as a trunk answers it.

    Raises:
      ConfigError: the objective does not write a text behind another.
    """
    found = copy.copy(self)
    found.scored, found.answer_length = way_of(objective), answer_length
    return found

  def example(self, row, columns, where):
    del columns
    for names in self.columns:
      if all(name in row for name in names):
        text, answer = (_text(row, name, where) for name in names)
        return base.Example((text,), answer, where)
    wanted = ' or '.join(' and '.join(names) for names in self.columns)
    raise DataError(f'{where} has no columns {wanted}, found '
                    f'{", ".join(map(str, row))[:200]}')

  def settled(self, train, test):
    return train, test, ()

  def recorded(self):
    return {'writes_end': True}

  def rows(self, tokenizer, examples, room, labels):
    left = room - self.answer_length
    if left < _LEAST:  # of the trunk's positions, where they are the fewer
      raise ConfigError(f'--answer_length={self.answer_length} leaves {left} '
                        f'of the {room} tokens that there are positions for, '
                        f'and what is read needs {_LEAST}: ask for less')
    found, end = [], np.full(1, tokenizer.vocabulary.eos_id, np.int32)
    for number, one in enumerate(examples):
      read, cut = as_text.in_tokens(self, one, tokenizer, left)
      answer = tokenizer.encode(f' {as_text.target(self, one, labels)}')
      cut |= len(answer) >= self.answer_length
      tokens = np.concatenate([read, answer[:self.answer_length - 1], end])
      found.append(base.Row(
          (tokens,), np.float32(len(tokens) - len(read)), number, cut,
          asked=((len(read), len(tokens)),)))
    return found

  def num_outputs(self, labels):
    return 0

  def answers(self, scores):
    """Log-likelihoods of the texts, float32 `[batch, 1]`, as they are."""
    return scores

  def loss(self, logits, targets):
    return -logits[:, 0] / targets

  def predict(self, logits, rows, examples, labels):
    """As `base` says, of texts that were written in place of `logits`."""
    return [self.heard(text, one, labels)
            for text, one in zip(logits, examples, strict=True)]

  def spoken(self, label, labels):
    return label

  def heard(self, text, example, labels):
    return text

  def score(self, predictions, examples, labels):
    return scores.of_summaries(
        self.metrics, [one.label for one in examples], predictions)


def way_of(objective):
  """The `ways.Way` by which a trunk's heads learn to write behind a text."""
  if (isinstance(objective, sequence_to_sequence.Rewriting)
      and not objective.second_positions):
    # The text is read as it is, whatever an input looked like in training.
    (way,) = sequence_to_sequence.ways_of(objective, functools.partial(
        sequence_to_sequence.continuation,
        eos_id=objective.vocabulary.eos_id)).values()
    return way
  known = objective.ways()
  for name in 'chain_rule', 'target':
    if name in known and not objective.second_positions:
      return known[name]
  raise ConfigError(f'{name_of(objective)[1]} does not write a text behind '
                    'another: use a trunk of autoregressive, prefix_lm or of '
                    'an encoder-decoder')


def _text(row, name, where):
  value = row[name]
  if not isinstance(value, str) or not value.strip():
    raise DataError(f'{where}: {name!r} is {value!r:.80}, not a text')
  return ' '.join(value.split())
