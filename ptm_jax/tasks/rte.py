"""RTE: does a text entail a sentence? (Dagan et al. 2006; GLUE's layout)"""

from ptm_jax.tasks import base, classification, rows


class Task(classification.Classification):
  """Accuracy on the development set."""

  layouts = (
      base.Layout(
          ('train.tsv', 'val.tsv?'), ('dev.tsv',),
          rows.headed('index', 'sentence1', 'sentence2', 'label'),
          {'text': 'sentence1', 'second': 'sentence2', 'label': 'label'}),)
  labels = ('entailment', 'not_entailment')
  prompt = '''
pattern: {text_a} ? [MASK], {text_b}
label entailment: Yes
label not_entailment: No
'''
