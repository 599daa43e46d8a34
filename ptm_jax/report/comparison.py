"""What a report of a run or of a comparison shows, and in which order."""

from ptm_jax.report import figures, floors
from ptm_jax.report.tables import all_tables, facts
from ptm_jax.report.verdict import verdict

__all__ = ['all_tables', 'facts', 'pictures', 'title', 'verdict']


def title(data):
  """The page's heading: what was compared, or the one run."""
  names = ', '.join(data.groups)
  return (f'Comparison of {names}' if len(data.groups) > 1
          else f'Run of {names}')


def pictures(data, table):
  """Pictures behind a table: `[(title, [(caption, svg)], width)]`."""
  if table == 'Own loss':
    return [('Loss curves', figures.curves(data), '')]
  if table.startswith('Downstream') and table == _first_downstream(data):
    return [('', figures.downstream(data), 'wide')]
  if table == 'Runs':
    return [('Attention of a sample sentence', figures.attention(data), '')]
  return floors.pictures(data, table)


def _first_downstream(data):
  return next(name for name, *_ in all_tables(data)
              if name.startswith('Downstream'))
