"""MRPC: do two sentences say the same? (Dolan & Brockett 2005)"""

from ptm_jax.tasks import base, classification, rows

_COLUMNS = {'text': '#1 String', 'second': '#2 String', 'label': 'Quality'}


class Task(classification.Classification):
  """Accuracy, and F1 of the pairs that do."""

  layouts = (
      base.Layout(('msr-para-train.tsv', 'msr-para-val.tsv?'),
                  ('msr-para-test.tsv',), rows.table(), _COLUMNS),
      base.Layout(('msr_paraphrase_train.txt',), ('msr_paraphrase_test.txt',),
                  rows.table(), _COLUMNS),
      base.Layout(('train.tsv',), ('dev.tsv',), rows.table(), _COLUMNS),)
  labels = ('0', '1')
  metrics = ('accuracy', 'f1')
