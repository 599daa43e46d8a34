"""Similarity of words by their static vectors: WordSim-353, SimLex-999, MEN
and others, in the CSV layout of vecto's word-benchmarks."""

import pathlib

import numpy as np

from ptm_jax.errors import DataError
from ptm_jax.tasks import rows, scores, stsb_by_cosine, zero_shot


class Task(zero_shot.ZeroShot):
  """Spearman's correlation of each set in the folder or the folders
  `word-similarity/monolingual/en` below it, and their mean. A word's vector is
  the mean of its tokens' rows in the table of embeddings, so all are covered.
  """

  def read(self, data_dir):
    inner = pathlib.Path(data_dir) / 'word-similarity/monolingual/en'
    folder = inner if inner.is_dir() else pathlib.Path(data_dir)
    found = []
    for path in sorted(folder.glob('*.csv*')):
      for number, row in rows.read(path, rows.table(separator=',')):
        if not row.get('word1') and not row.get('word2'):
          continue  # WordSim-353 ends in an empty row
        where = f'{path} {number}'
        pair = tuple(zero_shot.text_of(row, column, where)
                     for column in ('word1', 'word2'))
        found.append(zero_shot.Example(pair, (
            path.name.partition('.')[0], stsb_by_cosine.number_of(
                rows.cell(row, 'similarity', where), where)), where))
    if not found:
      raise DataError(f'{folder} has no .csv file with the columns word1, '
                      'word2, similarity')
    return found

  def measure(self, trunk, examples):
    first, second = (trunk.words([one.texts[side] for one in examples])
                     for side in (0, 1))
    sets = np.asarray([one.label[0] for one in examples])
    found = stsb_by_cosine.cosine(first, second)
    answers = np.asarray([one.label[1] for one in examples])
    each = {name: scores.of_numbers(
        ('spearman',), answers[sets == name], found[sets == name])['spearman']
            for name in dict.fromkeys(sets.tolist())}
    return {'spearman': float(np.mean(list(each.values()))),
            **{f'spearman/{name}': value for name, value in each.items()}}
