"""OCNLI: entailment, contradiction or neither, in Chinese (Hu et al. 2020,
arXiv:2010.05444); CLUE's layout."""

from ptm_jax.tasks import classification, clue


class Task(classification.Classification):
  """Accuracy, on FewCLUE's public test or CLUE's development set."""

  layouts = clue.layouts(
      text='sentence1', second='sentence2', label='label')
  labels = ('contradiction', 'entailment', 'neutral')
