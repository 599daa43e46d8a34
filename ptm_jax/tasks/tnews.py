"""TNEWS: what is a headline about? CLUE's layout."""

from ptm_jax.tasks import classification, clue


class Task(classification.Classification):
  """Accuracy, on FewCLUE's public test or CLUE's development set."""

  layouts = clue.layouts(text='sentence', label='label')
  labels = ('100', '101', '102', '103', '104', '106', '107', '108', '109',
            '110', '112', '113', '114', '115', '116')
