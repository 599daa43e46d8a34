"""What a report of a fine-tuning shows: scores over seeds, and the data."""

from ptm_jax.report import evaluation
from ptm_jax.report.data import show, values
from ptm_jax.report.figures import HUES, drawing
from ptm_jax.statistics import estimate


def title(data):
  """The page's heading: the task and the way."""
  results = data.results
  return f'{results["task"]}, {results["way"]}'


def facts(data):
  """One line each: what was trained, and on what."""
  asked = data.config['finetune']
  lines = [('Trunk', asked['checkpoint'] + (
      ', untrained' if asked['from_scratch'] else '')),
           ('Training', f'{asked["epochs"]} epochs of batches of '
            f'{asked["batch_size"]}, learning rate {asked["learning_rate"]:g},'
            f' {asked["pooling"]} of the states')]
  revision = data.results.get('source_revision')
  return lines + ([('Source revision', revision)] if revision else [])


def verdict(data):
  """Whether the mean is better than one answer to all, and a sentence."""
  name, results = data.results['metric'], data.results
  one, constant = results['estimates'][name], results['constant'].get(name)
  width = one['half_width']
  sentence = (f'{results["task"]}: {name} {one["mean"]:.3f}'
              + ('' if width is None else f' ± {width:.3f}')
              + (f' over {one["seeds"]} seeds' if width is not None else
                 ' of one seed'))
  if constant is None:
    return True, sentence + '.'
  better = one['mean'] - (width or 0) > constant
  return better, (f'{sentence}, {"above" if better else "not above"} the '
                  f'{constant:.3f} of the same answer to all.')


def all_tables(data):
  """Every table: `[(title, note, header, rows)]`."""
  task, results = data.results['task'], data.results
  (name, entries), = data.groups.items()
  scores = [[metric, show(values(entries, f'{task}/{metric}')),
             *(f'{entry["metrics"][f"{task}/{metric}"]:.3f}'
               for entry in entries),
             show([results['constant'][metric]]
                  if metric in results['constant'] else [])]
            for metric in results['estimates']]
  found = [('Scores', '± is the 95 % interval over seeds.',
            ['metric', 'mean', *(f'seed {entry["seed"]}' for entry in entries),
             'the same answer to all'], scores)]
  depths = _depths(data)
  if depths:
    found.append((
        'Depths', 'A probe on the frozen states of each depth: 0 are the '
        'embeddings, the last is what a head reads and scored above.',
        ['depth', data.results['metric'],
         *(f'seed {one["seed"]}' for one in entries)],
        [[str(depth), show(one), *(f'{value:.3f}' for value in one)]
         for depth, one in enumerate(depths)]))
  found += evaluation.all_tables(data)
  rows = [[key.replace('_', ' '), _value(value)]
          for key, value in results['data'].items()]
  found.append(('Data', 'In pre-training: the share of test examples that '
                'share 13 tokens in a row with the text that the trunk was '
                'trained on.', ['what', 'value'], rows))
  first = entries[0]
  found.append(('Cost', 'Of one seed.', [
      'trained parameters', 'updates', 'tokens seen', 'FLOPs', 'seconds'], [[
          f'{first["parameters"]:,}', f'{first["num_steps"]:,}',
          f'{first["tokens_seen"]:,}', f'{first["flops"]:.3g}',
          f'{first["seconds"]:.1f}']]))
  found.append(('Runs', name, ['seed', 'folder'], [
      [str(entry['seed']), entry['workdir']] for entry in entries]))
  return found


def pictures(data, table):
  """Pictures behind a table: `[(title, [(caption, svg)], width)]`."""
  if table != 'Depths':
    return []
  found = [estimate(one) for one in _depths(data)]
  metric = data.results['metric']
  with drawing('depths', (5, 2.6)) as (figure, axes, done):
    axes.errorbar(range(len(found)), [one.mean for one in found],
                  [one.half_width or 0 for one in found], color=HUES[0],
                  marker='o', markersize=4, linewidth=1.2, capsize=3)
    constant = data.results['constant'].get(metric)
    if constant is not None:
      axes.axhline(constant, linestyle=':', color='#8a8f95', linewidth=1)
    axes.set_xticks(range(len(found)))
    axes.set_xlabel('depth (0: embeddings)')
    axes.set_ylabel(metric)
  return [('', [(f'{metric} of a probe at each depth, 95 % interval over '
                 'seeds; dotted: the same answer to all', done())], 'wide')]


def _depths(data):
  """The main metric of every seed, by depth; [] where there is no probe."""
  task, metric = data.results['task'], data.results['metric']
  (_, entries), = data.groups.items()
  found = []
  while one := values(entries, f'{task}/depth_{len(found)}/{metric}'):
    found.append(one)
  return found


def _value(value):
  if isinstance(value, dict):
    return '; '.join(f'{key}: {", ".join(one)}' for key, one in value.items())
  if value is None:
    return 'not known'
  return f'{value:.4f}' if isinstance(value, float) else f'{value:,}'
