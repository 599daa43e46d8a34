"""CoLA: is a sentence acceptable English? (Warstadt et al. 2019,
arXiv:1805.12471; GLUE's layout, whose test labels are not public.)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Matthews correlation on the development set."""

  layouts = (base.Layout(
      ('train.tsv', 'val.tsv?'), ('dev.tsv',),
      rows.table('source', 'label', 'mark', 'sentence'),
      {'text': 'sentence', 'label': 'label'}),)
  labels = ('0', '1')
  metrics = ('matthews', 'accuracy')
