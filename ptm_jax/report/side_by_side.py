"""Several fine-tunings on one task, a line each."""

from ptm_jax.errors import DataError
from ptm_jax.report import data, markdown


def lines(folders):
  """A table in markdown: score over seeds, and how much more than the first's.

  A difference is that of equal seeds, with its 95 % interval over them.

  Args:
    folders: of fine-tunings on the same examples of one task.

  Returns:
    list of strings.

  Raises:
    DataError: a folder has no results, or those of something else; the message
      names it.
  """
  found = [data.read(folder) for folder in folders]
  first = found[0].results
  for one in found:
    if one.results.get('kind') != 'finetune':
      raise DataError(f'{one.path} is no fine-tuning: only these are set side '
                      'by side')
    for here, there in zip(_examples(one.results), _examples(first)):
      if here != there:
        raise DataError(
            f'{one.path} is of {here}, {found[0].path} of {there}: they are '
            'compared on the same test examples')
  key = f'{first["task"]}/{first["metric"]}'
  scores = [{entry['seed']: entry['metrics'][key]
             for entry in one.results['runs']} for one in found]
  rows = []
  for one, values in zip(found, scores, strict=True):
    asked, entry = one.config['finetune'], one.results['runs'][0]
    more = [values[seed] - scores[0][seed] for seed in values
            if seed in scores[0]]
    rows.append([
        one.path, asked['checkpoint'] + (
            ', untrained' if asked['from_scratch'] else ''),
        one.results['way'], data.show(list(values.values())),
        '' if one is found[0] else data.show(more), len(values),
        f'{entry["seconds"]:.1f}'])
  constant = first['constant'].get(first['metric'])
  return [*markdown.table(
      ['folder', 'trunk', 'way', key, 'more than the first', 'seeds',
       'seconds a seed'], rows),
          *([] if constant is None else [
              '', f'The same answer to all: {constant:.3f}.'])]


def _examples(results):
  """What must be the same where scores are compared."""
  used = results['data']
  return (results['task'], results['metric'],
          ', '.join(used['files']['test']),
          f'{used["test_used"]} test examples')
