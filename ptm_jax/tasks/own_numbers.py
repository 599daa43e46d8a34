"""Your own texts or pairs of texts and a number; files as for `own_classes`."""

from ptm_jax.tasks import base, regression, rows


class Task(regression.Regression):
  """Spearman's and Pearson's correlation."""

  layouts = (
      base.Layout(('train.tsv',), ('test.tsv',), rows.table(exact=True),
                  {'text': 'text_a', 'second': 'text_b?', 'label': 'label'}),)
