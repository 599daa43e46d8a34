"""BLiMP: which of two sentences is grammatical? (Warstadt et al. 2020,
arXiv:1912.00582.)"""

import numpy as np

from ptm_jax.objectives import ways
from ptm_jax.tasks import zero_shot


class Task(zero_shot.ZeroShot):
  """A pair is right if the good sentence scores strictly better.

  `accuracy` is the mean over paradigms; `paradigm/NAME` and `field/NAME` are
  those of one paradigm and, averaged, of a field's paradigms. A field that is
  published in two spellings ('syntax/semantics') is one.
  """

  kinds = ways.KINDS

  def read(self, data_dir):
    found = []
    for name, number, row in self.json_rows(data_dir):
      where = f'{name} {number}'
      good, bad, paradigm, field = (
          zero_shot.text_of(row, column, where)
          for column in ('sentence_good', 'sentence_bad', 'UID', 'field'))
      found.append(zero_shot.Example(
          (good, bad), (paradigm, field.replace('/', '_')), where))
    return found

  def measure(self, trunk, examples):
    scores = trunk.score([(text, '', one.where) for one in examples
                          for text in one.texts])
    right, fields = {}, {}
    for one, good, bad in zip(examples, scores[::2], scores[1::2],
                              strict=True):
      paradigm, field = one.label
      right.setdefault(paradigm, []).append(good.total < bad.total)
      fields[paradigm] = field
    each = {name: float(np.mean(values)) for name, values in right.items()}
    return {
        'accuracy': float(np.mean(list(each.values()))),
        **{f'field/{field}': float(np.mean([
            each[name] for name in each if fields[name] == field]))
           for field in sorted(set(fields.values()))},
        **{f'paradigm/{name}': each[name] for name in sorted(each)}}
