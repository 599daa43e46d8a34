"""A tag for each word: named entities and what is marked like them."""

import jax.numpy as jnp
import numpy as np
import optax

from ptm_jax.errors import DataError
from ptm_jax.tasks import base, rows, scores, units


class TokenLabelling(base.FineTuned):
  """Tags in the IOB2 scheme; a word's first token carries its tag.

  A layout's columns: `words` and `tags`, lists, or strings with spaces
  between.

  Class attribute:
    joiner: what stands between two words; '' where each is a character of a
      script without spaces.
  """

  metrics = ('f1', 'precision', 'recall')
  per_token = True
  probed = 'labels'
  joiner = ' '

  def example(self, row, columns, where):
    words, tags = (rows.cell(row, columns[name], where)
                   for name in ('words', 'tags'))
    words, tags = (one.split() if isinstance(one, str) else one
                   for one in (words, tags))
    if len(words) != len(tags):
      raise DataError(f'{where} has {len(words)} words and {len(tags)} tags')
    return base.Example((self.joiner.join(words),), (words, tags), where)

  def settled(self, train, test):
    labels = self.labels or tuple(sorted(
        {tag for one in train for tag in one.label[1]}))
    known = set(labels)
    for one in (*train, *test):
      for word, tag in zip(*one.label, strict=True):
        if tag not in known:
          raise DataError(f'{one.where}: tag {tag!r} of {word!r} is not one '
                          f'of the training data: {", ".join(labels)}')
    return train, test, labels

  def rows(self, tokenizer, examples, room, labels):
    number_of = {name: number for number, name in enumerate(labels)}
    found = []
    for number, one in enumerate(examples):
      words, tags = one.label
      ids, word_of = units.encode(tokenizer, [
          word if not place else self.joiner + word
          for place, word in enumerate(words)])
      cut = len(ids) > room
      ids, word_of = ids[:room], word_of[:room]
      target = [-1] * len(ids)
      firsts = np.flatnonzero(np.diff(word_of, prepend=-1))
      for place in firsts:
        target[place] = number_of[tags[word_of[place]]]
      found.append(base.Row((ids,), target, number, cut, {
          int(word_of[place]): int(place) for place in firsts}))
    return found

  def num_outputs(self, labels):
    return len(labels)

  def loss(self, logits, targets):
    losses = optax.softmax_cross_entropy_with_integer_labels(
        logits, jnp.maximum(targets, 0))
    real = (targets >= 0).astype(jnp.float32)
    return jnp.sum(losses * real, 1) / jnp.maximum(jnp.sum(real, 1), 1.0)

  def predict(self, logits, rows, examples, labels):
    found = []
    for values, row in zip(logits, rows, strict=True):
      best = np.argmax(values, -1)
      words = examples[row.example].label[0]
      # A word that was cut off has no tag.
      found.append([labels[best[row.place[place]]] if place in row.place
                    else 'O' for place in range(len(words))])
    return found

  def score(self, predictions, examples, labels):
    del labels
    return scores.of_entities(
        self.metrics, [list(one.label[1]) for one in examples], predictions)
