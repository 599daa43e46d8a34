"""Your own texts or pairs of texts, one label each: `train.tsv` and `test.tsv`
with a first line `label text_a` or `label text_a text_b` (tabs between)."""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy and the mean F1 of the labels, those of the training data."""

  layouts = (
      base.Layout(('train.tsv',), ('test.tsv',), rows.table(exact=True),
                  {'text': 'text_a', 'second': 'text_b?', 'label': 'label'}),)
  metrics = ('accuracy', 'macro_f1')
