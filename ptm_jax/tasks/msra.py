"""MSRA: persons, organisations and places in Chinese news (Levow 2006)."""

from ptm_jax.tasks import base, rows, token_labelling

_COLUMNS = {'words': 'text_a', 'tags': 'label'}


class Task(token_labelling.TokenLabelling):
  """F1 of whole entities; a word is a character."""

  layouts = (
      base.Layout(('train.tsv',), ('test.tsv',), rows.table(), _COLUMNS),
      base.Layout(('dev.tsv',), ('test.tsv',), rows.table(), _COLUMNS),
      base.Layout(('train.tsv',), (), rows.table(), _COLUMNS),)
  joiner = ''
