"""CMRC 2018: a question on a text in Chinese, answered by a piece of it (Cui et
al. 2019, arXiv:1810.07366)."""

from ptm_jax.tasks import base, rows, span_answer

_COLUMNS = {name: name for name in ('question', 'context', 'answers')}


class Task(span_answer.SpanAnswer):
  """F1 over characters and exact match; the public test has no answers."""

  layouts = (
      base.Layout(('train.json',), ('dev.json',), rows.squad, _COLUMNS),
      base.Layout(('dev.json',), (), rows.squad, _COLUMNS),)
