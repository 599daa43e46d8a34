"""Book reviews in Chinese, good or bad (Qiu et al. 2018)."""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy. 138 of its test texts are in the training data."""

  layouts = (
      base.Layout(('train.tsv',), ('test.tsv',), rows.table(),
                  {'text': 'text_a', 'label': 'label'}),)
  labels = ('0', '1')
