"""MR: is a film review good? (Pang & Lee 2005, arXiv:cs/0506075)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy on a tenth that is cut by hash; it is published in one piece."""

  layouts = (
      base.Layout(('rt-polarity.all',), (), rows.labelled,
                  {'text': 'text', 'label': 'label'}),)
  labels = ('0', '1')
