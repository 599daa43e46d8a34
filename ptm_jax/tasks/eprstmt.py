"""EPRSTMT: is a review of a product in Chinese good? CLUE's layout."""

from ptm_jax.tasks import classification, clue


class Task(classification.Classification):
  """Accuracy, on FewCLUE's public test."""

  layouts = clue.layouts(text='sentence', label='label')
  labels = ('Negative', 'Positive')
