"""Your own texts with any number of labels, commas between them; files as for
`own_classes`."""

from ptm_jax.tasks import base, classification, rows


class Task(classification.MultiLabel):
  """F1 over labels, and how often all are right."""

  layouts = (
      base.Layout(('train.tsv',), ('test.tsv',), rows.table(exact=True),
                  {'text': 'text_a', 'second': 'text_b?', 'label': 'label'}),)
