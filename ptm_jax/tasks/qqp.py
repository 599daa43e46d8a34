"""QQP: do two questions ask the same? (Wang et al. 2018, arXiv:1804.07461)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy and F1 on the development set. Some published rows go on in the
  next line."""

  layouts = (
      base.Layout(('train.tsv',), ('dev.tsv',), rows.table(torn=True), {
          'text': 'question1', 'second': 'question2',
          'label': 'is_duplicate'}),)
  labels = ('0', '1')
  metrics = ('accuracy', 'f1')
