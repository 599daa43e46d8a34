"""STS-B without training: cosine of two sentences' vectors (Cer et al. 2017,
arXiv:1708.00055)."""

import numpy as np

from ptm_jax.errors import DataError
from ptm_jax.tasks import rows, scores, zero_shot


class Task(zero_shot.ZeroShot):
  """Spearman's correlation of the cosine of mean states with the published
  scores, development set."""

  def read(self, data_dir):
    path = self.file(data_dir, 'dev.tsv', 'sts-dev.tsv')
    found = []
    for number, row in rows.read(path, rows.table()):
      where = f'{path} {number}'
      texts = tuple(zero_shot.text_of(row, column, where)
                    for column in ('sentence1', 'sentence2'))
      found.append(zero_shot.Example(
          texts, number_of(rows.cell(row, 'score', where), where), where))
    return found

  def measure(self, trunk, examples):
    first, second = (trunk.vectors([one.texts[side] for one in examples])
                     for side in (0, 1))
    return scores.of_numbers(
        ('spearman', 'pearson'), [one.label for one in examples],
        cosine(first, second))


def cosine(first, second):
  """Of each two rows, float64 `[n]`."""
  first, second = np.float64(first), np.float64(second)
  norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
  return np.sum(first * second, 1) / np.maximum(norms, 1e-12)


def number_of(value, where):
  """A finite number; raises DataError for anything else."""
  try:
    number = float(value)
  except ValueError:
    number = np.nan
  if not np.isfinite(number):
    raise DataError(f'{where}: {value!r:.80} is not a number')
  return number
