"""QNLI: does a sentence answer a question? (Wang et al. 2018,
arXiv:1804.07461)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy on the development set."""

  layouts = (
      base.Layout(('train.tsv',), ('dev.tsv',), rows.table(), {
          'text': 'question', 'second': 'sentence', 'label': 'label'}),)
  labels = ('entailment', 'not_entailment')
