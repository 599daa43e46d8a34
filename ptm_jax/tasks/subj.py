"""SUBJ: is a sentence subjective? (Pang & Lee 2004, arXiv:cs/0409058)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy on a tenth that is cut by hash; it is published in one piece."""

  layouts = (
      base.Layout(('subj.all',), (), rows.labelled,
                  {'text': 'text', 'label': 'label'}),)
  labels = ('0', '1')
