"""TREC-QA: which sentences answer a question? (Wang et al. 2007)"""

from ptm_jax.tasks import base, ranking, rows


class Task(ranking.Ranking):
  """Mean average precision and mean reciprocal rank."""

  layouts = (
      base.Layout(('train.csv',), ('test.csv',), rows.table(
          separator=',', quoted=True),
                  {'text': 'qtext', 'second': 'atext', 'label': 'label'}),)
