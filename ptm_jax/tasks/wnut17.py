"""WNUT-17: names that are new, in posts (Derczynski et al. 2017)."""

from ptm_jax.tasks import base, rows, token_labelling


class Task(token_labelling.TokenLabelling):
  """F1 of whole entities of six kinds."""

  layouts = (
      base.Layout(('wnut17train.conll',), ('emerging.test.annotated',),
                  rows.conll('\t'), {'words': 'words', 'tags': 'tags'}),)
