"""ChnSentiCorp: reviews of hotels, books and computers in Chinese, good or bad
(Tan & Zhang 2008)."""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy. 330 of its test texts are in the training data."""

  layouts = (
      base.Layout(('train.tsv',), ('test.tsv',), rows.table(),
                  {'text': 'text_a', 'label': 'label'}),)
  labels = ('0', '1')
