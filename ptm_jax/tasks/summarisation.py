"""Summaries of documents, such as XSum (Narayan et al. 2018, arXiv:1808.08745)
and CNN / Daily Mail (Nallapati et al. 2016, arXiv:1602.06023)."""

from ptm_jax.tasks import base, rows, writing


class Task(writing.Writing):
  """ROUGE-1, ROUGE-2 and ROUGE-L: F1 of single words, of pairs of words and of
  the longest common subsequence, fractions. As JSON Lines, or as a table with
  a first line of names.
  """

  columns = (('document', 'summary'), ('article', 'highlights'),
             ('text', 'summary'))
  metrics = ('rouge1', 'rouge2', 'rougeL')
  layouts = tuple(
      base.Layout((f'train.{ending}',), (f'{test}.{ending}',), reader, {})
      for ending, reader in (('jsonl', rows.json_lines),
                             ('json', rows.json_lines), ('tsv', rows.table()))
      for test in ('test', 'validation'))
