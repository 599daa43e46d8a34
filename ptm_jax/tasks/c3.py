"""C3: questions on dialogues and texts in Chinese, with choices (Sun et al.
2020, arXiv:1904.09679)."""

from ptm_jax.tasks import base, multiple_choice, rows

_COLUMNS = {name: name for name in (
    'context', 'question', 'choices', 'answer')}


class Task(multiple_choice.MultipleChoice):
  """Accuracy on the development set; the test answers are not public."""

  layouts = (
      base.Layout(('train.json',), ('dev.json',), rows.dialogues, _COLUMNS),
      base.Layout(('dev.json',), (), rows.dialogues, _COLUMNS),)
