"""MNLI: does a text entail a sentence, contradict it, or neither? (Williams et
al. 2018, arXiv:1704.05426)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy on the matched development set."""

  layouts = (
      base.Layout(('train.tsv',), ('dev_matched.tsv',), rows.table(), {
          'text': 'sentence1', 'second': 'sentence2', 'label': 'gold_label'}),)
  labels = ('contradiction', 'entailment', 'neutral')
