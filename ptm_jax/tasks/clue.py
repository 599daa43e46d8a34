"""CLUE's files, JSON lines, also as FewCLUE publishes them (Xu et al. 2020,
arXiv:2004.05986; 2021, arXiv:2107.07498)."""

from ptm_jax.tasks import base, rows


def layouts(**columns):
  """FewCLUE's training data of all folds and public test; or CLUE's training
  and development set."""
  return tuple(base.Layout((train,), (test,), rows.json_lines, columns)
               for train, test in (('train_few_all.json', 'test_public.json'),
                                   ('train.json', 'dev.json')))
