"""BUSTM: do two short utterances in Chinese mean the same? CLUE's layout."""

from ptm_jax.tasks import classification, clue


class Task(classification.Classification):
  """Accuracy, on FewCLUE's public test."""

  layouts = clue.layouts(
      text='sentence1', second='sentence2', label='label')
  labels = ('0', '1')
