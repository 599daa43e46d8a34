"""CLUEWSC: does a pronoun mean a noun? CLUE's layout."""

import dataclasses

from ptm_jax.tasks import classification, clue, rows


class Task(classification.Classification):
  """Accuracy, on FewCLUE's public test; pronoun and noun are a second text."""

  layouts = clue.layouts(
      text='text', label='label', pronoun='target.span2_text',
      noun='target.span1_text')
  labels = ('false', 'true')

  def example(self, row, columns, where):
    one = super().example(row, columns, where)
    pronoun, noun = (str(rows.cell(row, columns[name], where))
                     for name in ('pronoun', 'noun'))
    return dataclasses.replace(
        one, texts=(*one.texts, f'{pronoun}{noun}'))
