"""Translations of your own: two files whose lines belong together."""

from ptm_jax.errors import DataError
from ptm_jax.tasks import base, rows, scores, writing


def layouts(first, *tests):
  """Layouts of `train.FIRST` and the first of some test files that is there,
  each with the other language's file beside it."""
  return tuple(base.Layout((f'train.{first}',), (f'{test}.{first}',),
                           rows.whole_lines, {}) for test in tests)


class Task(writing.Writing):
  """BLEU and chrF of sacrebleu, 0..100. `train.source` and `train.target`, a
  text a line, or a table or JSON Lines with columns `source` and `target`.

  To name a pair of languages see `translation_en_de.py`.

  Class attribute:
    sides: endings of the file that is read and of the one that is written.
  """

  sides = ('source', 'target')
  columns = (('source', 'target'),)
  metrics = ('bleu', 'chrf')
  layouts = layouts('source', 'test', 'val') + tuple(
      base.Layout((f'train.{ending}',), (f'test.{ending}',), reader, {})
      for ending, reader in (('jsonl', rows.json_lines),
                             ('tsv', rows.table())))

  def published(self, path, layout):
    """As `base` says; of two files the lines of both."""
    found = super().published(path, layout)
    if layout.reader is not rows.whole_lines:
      return found
    first, second = self.sides
    name = f'{path.name.rpartition(f".{first}")[0]}.{second}'
    other = rows.path_of(path.parent, name)
    if other is None:
      raise DataError(f'{path} has no {name} (or .gz, .xz, .bz2, .zst) beside '
                      'it, whose lines are its translations')
    targets = super().published(other, layout)
    if len(targets) != len(found):
      raise DataError(f'{path} has {len(found):,} lines and {other} has '
                      f'{len(targets):,}: line i of the one must translate '
                      'line i of the other')
    return [(place, {'source': source['text'], 'target': target['text']})
            for (place, source), (_, target) in zip(found, targets)]

  def score(self, predictions, examples, labels):
    del labels
    return scores.of_translations(
        self.metrics, [one.label for one in examples], predictions)
