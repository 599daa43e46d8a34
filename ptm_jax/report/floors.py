"""What a report shows where the law of the text is known: distance from the
floor, what it took to come near it, and what is predicted beside the truth.
"""

import numpy as np

from ptm_jax.report import figures
from ptm_jax.report.data import show, terms, values

SHARES = (0.5, 0.9, 0.95)
_SYMBOLS = 96  # of more, a picture shows nothing


def all_tables(data):
  """`[(title, note, header, rows)]`; none where no floor is known."""
  header, rows = distances(data)
  if not rows:
    return []
  return [
      ('Distance from the floor', 'The floor is the loss of a predictor that '
       'knows the law of the text, on the same corrupted windows. An excess '
       'means the same for every objective; one below 0 by more than 4 '
       'standard errors is a leak, unless the floor is an upper bound. The '
       "divergence, of the model's predictions from the best ones, estimates "
       'the excess again on fewer windows.', header, rows),
      ('Reaching a share of the gain', 'What a run had spent when its '
       'held-out loss had come this far from the best constant predictor to '
       'the floor, between two evaluations by straight lines; the mean of '
       'the seeds that came so far. A validation in training sees fewer '
       'windows than the floor, so its losses are moved together until the '
       "last is the floor's.", *milestones(data))]


def pictures(data, table):
  """Pictures behind a table: `[(title, [(caption, svg)], width)]`."""
  if table == 'Reaching a share of the gain':
    return [('Excess over the floor as training goes on', excess(data), 'wide')]
  if table == 'Distance from the floor':
    return [('A held-out window: the best prediction and the model\'s',
             posteriors(data), '')]
  return []


def _floors(data):
  """(name, term, entries) wherever a floor is known."""
  for name, entries in data.groups.items():
    for term in terms(entries):
      if values(entries, f'floor/{term}/excess'):
        yield name, term, entries


def distances(data):
  """Distance from the floor: header and rows."""
  header = ['objective', 'term', 'constant predictor', 'loss', 'floor',
            'excess (nats/prediction)', '± 2 se', 'divergence',
            'share of the gain', 'best accuracy', 'floor is']
  rows = []
  for name, term, entries in _floors(data):
    prefix = f'floor/{term}'
    def of(what, digits=3, entries=entries, prefix=prefix):
      return show(values(entries, f'{prefix}/{what}'), digits)
    errors = values(entries, f'{prefix}/excess_se')
    rows.append([
        name, term, of('constant_nll'), of('loss'), of('nll'),
        of('excess', 4), f'{2 * max(errors):.4f}', of('divergence', 4),
        of('share'), of('accuracy'),
        _kind(entries, prefix)])
  return header, rows


def _kind(entries, prefix):
  if all(values(entries, f'{prefix}/exact')):
    return 'exact'
  least = values(entries, f'{prefix}/least')
  return 'an upper bound' + (
      f'; a lower one: {np.mean(least):.3f}' if any(least) else '')


def milestones(data):
  """Tokens and FLOPs at which a share of the gain was reached: header and
  rows."""
  header = ['objective', 'term'] + [
      f'{what} to {share:.0%}' for share in SHARES
      for what in ('tokens', 'FLOPs')]
  rows = []
  for name, term, entries in _floors(data):
    row = [name, term]
    for share in SHARES:
      steps = [step for entry in entries for step in [
          _reached(data, entry, term, share)] if step is not None]
      for clock in 'tokens_seen', 'flops':
        spent = [step * entries[0][clock] / entries[0]['num_steps']
                 for step in steps]
        row.append(f'{np.mean(spent):.3g}' if spent else 'not reached')
    rows.append(row)
  return header, rows


def _reached(data, entry, term, share):
  """The update at which a run's held-out loss came so far, or None."""
  constant, floor = (entry['metrics'][f'floor/{term}/{name}']
                     for name in ('constant_nll', 'nll'))
  wanted = constant - share * (constant - floor)
  before = 0, constant
  for here in zip(*_curve(data, entry, term)):
    if here[1] <= wanted:
      along = (before[1] - wanted) / max(before[1] - here[1], 1e-12)
      return before[0] + min(along, 1.0) * (here[0] - before[0])
    before = here if here[1] < constant else (here[0], constant)
  return None


def _curve(data, entry, term):
  """Steps and held-out losses of a run, these moved so that the last is the
  one that is compared with the floor: that has more windows."""
  steps, nll = figures.series(data.curves[entry['workdir']], f'{term}/nll',
                              'validation')
  moved = entry['metrics'][f'floor/{term}/loss'] - nll[-1] if nll else 0.0
  return steps, [value + moved for value in nll]


def excess(data):
  """Excess over the floor against tokens, a line for each objective and
  term, the mean of its seeds; `[(caption, svg)]`."""
  lines = []
  for name, term, entries in _floors(data):
    found = [_curve(data, entry, term) for entry in entries]
    count = min(len(steps) for steps, _ in found)
    if count < 2:
      continue
    floor = np.mean(values(entries, f'floor/{term}/nll'))
    tokens = np.array(found[0][0][:count]) * (
        entries[0]['tokens_seen'] / entries[0]['num_steps'])
    over = np.mean([nll[:count] for _, nll in found], 0) - floor
    lines.append((f'{name}: {term}', tokens, over))
  if not lines:
    return []
  with figures.drawing('excess', (6.4, 3.6)) as (_, axes, drawn):
    for number, (label, tokens, over) in enumerate(lines):
      style = ('-', '--', ':')[number // len(figures.HUES) % 3]
      axes.plot(tokens[over > 0], over[over > 0], style, linewidth=1.4,
                color=figures.HUES[number % len(figures.HUES)], label=label)
    axes.set_xscale('log')
    axes.set_yscale('log')
    axes.set_xlabel('tokens seen')
    axes.set_ylabel('excess, nats per prediction')
    axes.legend(fontsize=7, loc='upper left', bbox_to_anchor=(1.0, 1.0))
  return [('held-out loss less the floor', drawn())]


def posteriors(data):
  """The best law of each prediction of a window and the model's, and their
  divergence; `[(caption, svg)]`."""
  found = []
  for name, by_term in data.posteriors.items():
    for term, one in by_term.items():
      if not one['ideal'] or len(one['ideal'][0]) > _SYMBOLS:
        continue
      label = f'{name}: {term}'
      with figures.drawing(f'posterior {label}', (5.4, 5.2),
                           rows=(3, 3, 1.4)) as (_, panels, drawn):
        for axes, kind, title in ((panels[0], 'ideal', 'best'),
                                  (panels[1], 'model', 'model')):
          axes.imshow(np.sqrt(np.asarray(one[kind], float).T), aspect='auto',
                      cmap='viridis', vmin=0.0, vmax=1.0,
                      interpolation='nearest')
          axes.set_ylabel(f'{title}: symbol', fontsize=7)
          axes.set_xticks([])
        axes = panels[2]
        mean = one['mean_divergence']
        axes.bar(range(len(one['divergence'])), one['divergence'],
                 color=figures.HUES[0], label='this window')
        if len(mean) == len(one['divergence']):
          axes.plot(mean, color=figures.HUES[1], linewidth=1.2,
                    label='mean of windows')
        axes.set_xlim(-0.5, len(one['divergence']) - 0.5)
        axes.set_ylabel('nats', fontsize=7)
        axes.set_xlabel('prediction')
        axes.legend(fontsize=7)
      found.append((f'{label}: chances (square root) and divergence from the '
                    'best', drawn()))
  return found
