"""STS-B: how alike are two sentences, from 0 to 5? (Cer et al. 2017,
arXiv:1708.00055)"""

from ptm_jax.tasks import base, regression, rows


class Task(regression.Regression):
  """Spearman's and Pearson's correlation on the development set."""

  layouts = (
      base.Layout(('train.tsv',), ('dev.tsv',), rows.table(), {
          'text': 'sentence1', 'second': 'sentence2', 'label': 'score'}),)
  largest = 5.0
