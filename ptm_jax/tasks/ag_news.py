"""AG News: what is a piece of news about? (Zhang et al. 2015,
arXiv:1509.01626)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy. The published `dev` is inside `train`, and is not read."""

  layouts = (
      base.Layout(('train.csv',), ('test.csv',), rows.table(
          'text', 'label', separator=',', quoted=True),
                  {'text': 'text', 'label': 'label'}),)
  labels = ('0', '1', '2', '3')
