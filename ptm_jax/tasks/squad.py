"""SQuAD: a question on a text, answered by a piece of it (Rajpurkar et al.
2016, arXiv:1606.05250; 2018, arXiv:1806.03822, with questions that have
none)."""

from ptm_jax.tasks import base, rows, span_answer

_COLUMNS = {name: name for name in ('question', 'context', 'answers')}


class Task(span_answer.SpanAnswer):
  """F1 and exact match on the development set."""

  layouts = tuple(
      base.Layout((f'train-{version}.json',), (f'dev-{version}.json',),
                  rows.squad, _COLUMNS) for version in ('v2.0', 'v1.1'))
