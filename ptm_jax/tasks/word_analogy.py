"""Analogies of words by their static vectors: a is to b as c is to what?
(Mikolov et al. 2013, arXiv:1301.3781, section 4.)"""

import pathlib

import numpy as np

from ptm_jax.errors import DataError
from ptm_jax.tasks import rows, zero_shot

_AT_ONCE = 512


class Task(zero_shot.ZeroShot):
  """Accuracy of 3CosAdd among all words of the sets, the three given ones left
  out; in the folder or `word-analogy/monolingual/en` below it, in the CSV
  layout of vecto's word-benchmarks (word1, word2, word3, target).
  """

  def read(self, data_dir):
    inner = pathlib.Path(data_dir) / 'word-analogy/monolingual/en'
    folder = inner if inner.is_dir() else pathlib.Path(data_dir)
    found = []
    for path in sorted(folder.glob('*.csv*')):
      for number, row in rows.read(path, rows.table(separator=',')):
        where = f'{path} {number}'
        found.append(zero_shot.Example(tuple(
            zero_shot.text_of(row, column, where)
            for column in ('word1', 'word2', 'word3', 'target')),
            path.name.partition('.')[0], where))
    if not found:
      raise DataError(f'{folder} has no .csv file with the columns word1, '
                      'word2, word3, target')
    return found

  def measure(self, trunk, examples):
    words = sorted({word for one in examples for word in one.texts})
    vectors = trunk.words(words)
    numbers = {word: number for number, word in enumerate(words)}
    asked = np.asarray([[numbers[word] for word in one.texts]
                        for one in examples])
    right = np.concatenate([
        solve(vectors, asked[start:start + _AT_ONCE, :3])
        for start in range(0, len(asked), _AT_ONCE)]) == asked[:, 3]
    sets = np.asarray([one.label for one in examples])
    return {'accuracy': float(np.mean(right)),
            **{f'accuracy/{name}': float(np.mean(right[sets == name]))
               for name in dict.fromkeys(sets.tolist())},
            'words': len(words)}


def solve(vectors, given):
  """The nearest word to b - a + c, int `[n]`.

  Args:
    vectors: float `[words, width]`, of length 1.
    given: int `[n, 3]`, a, b and c.
  """
  a, b, c = (vectors[given[:, one]] for one in range(3))
  likeness = (b - a + c) @ vectors.T
  np.put_along_axis(likeness, given, -np.inf, 1)
  return np.argmax(likeness, 1)
