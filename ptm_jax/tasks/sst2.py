"""SST-2: is a film review good? (Socher et al. 2013; GLUE's layout or sentences
with a label before them. Most of its test sentences are in MR.)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy; in GLUE's layout on the development set."""

  layouts = (
      base.Layout(('stsa.binary.train',), ('stsa.binary.test',), rows.labelled,
                  {'text': 'text', 'label': 'label'}),
      base.Layout(('train.tsv',), ('dev.tsv',), rows.table(),
                  {'text': 'sentence', 'label': 'label'}),)
  labels = ('0', '1')
  prompt = '''
pattern: {text} It was [MASK].
label 0: terrible
label 1: great
'''
