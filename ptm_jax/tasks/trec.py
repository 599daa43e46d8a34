"""TREC: what kind of thing does a question ask for? (Li & Roth 2002)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy over the six coarse kinds."""

  layouts = (
      base.Layout(('TREC.train.all',), ('TREC.test.all',), rows.labelled,
                  {'text': 'text', 'label': 'label'}),)
  labels = ('0', '1', '2', '3', '4', '5')
  prompt = '''
pattern: [MASK]: {text}
label 0: description
label 1: thing
label 2: abbreviation
label 3: person
label 4: place
label 5: number
'''
