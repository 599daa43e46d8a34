"""OCNLI: entailment, contradiction or neither, in Chinese (Hu et al. 2020,
arXiv:2010.05444); CLUE's layout."""

from ptm_jax.tasks import base, classification, clue, rows

_COLUMNS = {'text': 'sentence1', 'second': 'sentence2', 'label': 'label'}


class Task(classification.Classification):
  """Accuracy, on FewCLUE's public test or CLUE's development set. Pairs on
  which no majority agreed, labelled '-', are left out.
  """

  layouts = (*clue.layouts(**_COLUMNS), base.Layout(
      ('train.50k.json',), ('dev.json',), rows.json_lines, _COLUMNS))
  labels = ('contradiction', 'entailment', 'neutral')

  def published(self, path, layout):
    return [one for one in super().published(path, layout)
            if one[1].get('label') != '-']
