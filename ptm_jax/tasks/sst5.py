"""SST-5: how good is a film review, on a scale of five? (Socher et al. 2013)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy."""

  layouts = (
      base.Layout(('stsa.fine.train',), ('stsa.fine.test',), rows.labelled,
                  {'text': 'text', 'label': 'label'}),)
  labels = ('0', '1', '2', '3', '4')
