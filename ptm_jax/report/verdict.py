"""The first line of a report: did every run learn enough to be compared?"""

from ptm_jax.report.data import tasks, terms, values
from ptm_jax.statistics import is_above


def verdict(data):
  """Judges whether the budget was large enough.

  Every term must end below the best constant predictor of its own targets,
  and every probe above the same trunk untrained, by more than the interval
  over seeds (paired by seed).

  Returns:
    bool, and one sentence.
  """
  problems = []
  for name, entries in data.groups.items():
    for term in terms(entries):
      gains = [constant - nll for constant, nll in zip(
          values(entries, f'validation/{term}/constant_nll'),
          values(entries, f'validation/{term}/nll'), strict=True)]
      if not gains or not is_above(gains):
        problems.append(f'{name} is not below the constant predictor of its '
                        f'own targets ({term})')
    for task in tasks(data):
      gains = [trained - untrained for trained, untrained in zip(
          values(entries, f'{task}/probe/accuracy'),
          values(entries, f'{task}/probe_untrained/accuracy'), strict=True)]
      if gains and not is_above(gains):
        problems.append(f'the probe of {name} is not above its untrained '
                        f'trunk ({task})')
  if problems:
    return False, ('The budget was too small to compare: '
                   + '; '.join(problems) + '.')
  what = 'Every run' if len(data.groups) > 1 else 'The run'
  probed = (', and its probe is above the untrained trunk' if tasks(data)
            else '')
  return True, (f'{what} ended below the best constant predictor of its own '
                f'targets{probed}.')
