"""WikiANN: persons, organisations and places in Wikipedia, many languages (Pan
et al. 2017)."""

from ptm_jax.tasks import base, rows, token_labelling


class Task(token_labelling.TokenLabelling):
  """F1 of whole entities."""

  layouts = (
      base.Layout(('train',), ('test',), rows.conll('\t', ':'),
                  {'words': 'words', 'tags': 'tags'}),)
