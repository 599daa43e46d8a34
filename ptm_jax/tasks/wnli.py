"""WNLI: does a sentence follow, once its pronoun is replaced? (Levesque et al.
2012; GLUE's layout)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy on the development set."""

  layouts = (
      base.Layout(
          ('train.tsv', 'val.tsv?'), ('dev.tsv',),
          rows.headed('index', 'sentence1', 'sentence2', 'label'),
          {'text': 'sentence1', 'second': 'sentence2', 'label': 'label'}),)
  labels = ('0', '1')
