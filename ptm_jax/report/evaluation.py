"""What `evaluate` found, as a table that says which scorer each number is from.
"""


def all_tables(data):
  """`[(title, note, header, rows)]`; [] where nothing was evaluated."""
  rows = [
      [f'{entry["name"]}, seed {entry["seed"]}', task, metric, number(value),
       f'{one["scorer"]}: {one["says"]}' if one['scorer'] else 'vectors',
       f'{one["examples"]:,}']
      for entries in data.groups.values() for entry in entries
      for task, one in data.evaluations.get(
          entry['workdir'], {'tasks': {}})['tasks'].items()
      for metric, value in one['metrics'].items()
      if not metric.startswith('paradigm/')]
  return [('Without training', 'Scores are compared where their scorer is the '
           'same; a pseudo-log-likelihood or an energy is no likelihood.',
           ['run', 'task', 'metric', 'score', 'scorer', 'examples'],
           rows)] if rows else []


def number(value):
  """A score or a count as text."""
  return f'{value:,}' if isinstance(value, int) else f'{value:.4f}'
