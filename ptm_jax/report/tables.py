"""The tables of a report, as rows of text; page and markdown show the same.
"""

from ptm_jax import serialize
from ptm_jax.report import evaluation, floors
from ptm_jax.report.data import show, tasks, terms, values


def losses(data):
  """Own losses: header and rows."""
  header = ['objective', 'seeds', 'term', 'loss (nats/prediction)',
            'constant predictor', 'gain', 'accuracy', 'test loss',
            'bits per byte']
  rows = []
  for name, entries in data.groups.items():
    for number, term in enumerate(terms(entries)):
      prefix = f'validation/{term}'
      nll = values(entries, f'{prefix}/nll')
      constant = values(entries, f'{prefix}/constant_nll')
      rows.append([
          name, str(len(entries)), term, show(nll), show(constant),
          show([c - n for c, n in zip(constant, nll, strict=True)]),
          show(values(entries, f'{prefix}/accuracy')),
          show(values(entries, f'test/{term}/nll')),
          show(values(entries, 'validation/bits_per_byte'))
          if not number else ''])
  return header, rows


def downstream(data, task):
  """Scores on one task: header and rows."""
  header = ['objective', 'fine-tuned', 'probe', 'probe, untrained trunk',
            'probe gain']
  rows = []
  for name, entries in data.groups.items():
    probe = values(entries, f'{task}/probe/accuracy')
    untrained = values(entries, f'{task}/probe_untrained/accuracy')
    rows.append([
        name, show(values(entries, f'{task}/finetune/accuracy')), show(probe),
        show(untrained),
        show([a - b for a, b in zip(probe, untrained, strict=True)])])
  return header, rows


def questions(data):
  """Answers to questions about sentences: header and rows."""
  header = ['objective', 'question', 'own classifier', 'probe',
            'probe, untrained trunk', 'standard error']
  rows = []
  for name, entries in data.groups.items():
    for metric in entries[0]['metrics']:
      if metric.startswith('asked/') and metric.endswith('/probe'):
        prefix = metric.removesuffix('probe')
        rows.append([name, metric.split('/')[1], *(
            show(values(entries, prefix + key))
            for key in ('head', 'probe', 'probe_untrained', 'se'))])
  return header, rows


def clocks(data):
  """What was spent, by the four clocks, a run on average."""
  header = ['objective', 'parameters', 'updates', 'tokens seen',
            'tokens with loss', 'training FLOPs', 'device seconds',
            'learning rate', 'chosen by']
  rates = data.results.get('learning_rates', {})
  rows = []
  for name, entries in data.groups.items():
    def mean(key, entries=entries):
      return sum(entry[key] for entry in entries) / len(entries)
    rate = rates.get(name, {})
    value = rate.get('value')
    if value is None and name in data.settings:
      value = data.settings[name].optimizer.learning_rate
    rows.append([
        name, f'{entries[0]["parameters"]:,}', f'{mean("num_steps"):,.0f}',
        f'{mean("tokens_seen"):,.0f}', f'{mean("tokens_with_loss"):,.0f}',
        f'{mean("flops"):.3g}', f'{mean("seconds"):,.1f}',
        '–' if value is None else f'{value:g}',
        rate.get('source') or 'untuned'])
  return header, rows


def runs(data):
  """Every run and its folder: header and rows; the last cell is a link."""
  header = ['objective', 'seed', 'skipped updates', 'folder']
  return header, [
      [name, str(entry['seed']), str(entry.get('skipped', 0)),
       entry['workdir']]
      for name, entries in data.groups.items() for entry in entries]


def settings(data):
  """Settings in which the objectives' runs differ: header and rows."""
  flat = {name: _flat(serialize.to_json(one))
          for name, one in data.settings.items()}
  keys = dict.fromkeys(key for one in flat.values() for key in one)
  rows = []
  for key in keys:
    row = [one.get(key, '–') for one in flat.values()]
    if len(set(row)) > 1 and key != 'seed':
      rows.append([key, *row])
  return ['setting', *flat], rows


def _flat(values_, prefix=''):
  result = {}
  for key, value in values_.items():
    name = f'{prefix}.{key}' if prefix else key
    if isinstance(value, dict):
      result.update(_flat(value, name))
    else:
      result[name] = str(value)
  return result


def facts(data):
  """One line each: what was compared, on what, under which budget."""
  corpus = data.results.get('corpus', {})
  settings_ = next(iter(data.settings.values()), None)
  lines = []
  if corpus:
    lines.append(('Corpus', f'{corpus.get("name")}, '
                  f'{corpus.get("train_tokens", 0):,} train tokens, hash '
                  f'{str(corpus.get("hash"))[:12]}'))
  if settings_:
    model, budget = settings_.model, settings_.budget
    amount = (settings_.num_steps if budget.clock == 'steps'
              else budget.amount)
    lines += [
        ('Model', f'{model.depth} layers, width {model.width}, '
         f'{model.num_heads} heads, {model.positions} positions'),
        ('Windows', f'{settings_.data.batch_size} × '
         f'{settings_.data.raw_length} tokens an update, '
         f'{settings_.data.packing}; vocabulary '
         f'{settings_.tokenizer.vocab_size} ({settings_.tokenizer.kind})'),
        ('Budget', f'{amount:,.0f} {budget.clock}, asked of every run')]
  revision = data.results.get('source_revision')
  if revision:
    lines.append(('Source revision', revision))
  return lines


def all_tables(data):
  """Every table: `[(title, note, header, rows)]`."""
  found = [('Own loss', 'Each objective predicts something else: compare a '
            'loss with its own constant predictor, never with another '
            'objective\'s. ± is the 95 % interval over seeds.',
            *losses(data))]
  found += floors.all_tables(data)
  for task in tasks(data):
    chance = next(iter(data.groups.values()))[0]['metrics'].get(
        f'{task}/chance')
    found.append((f'Downstream: {task}', 'Accuracy on held-out examples; '
                  f'chance is {chance:.3f}.', *downstream(data, task)))
  header, rows = questions(data)
  if rows:
    found.append(('Questions', 'Accuracy on held-out pairs, asked of the '
                  'frozen trunk; chance is .5 of two answers.', header, rows))
  found += evaluation.all_tables(data)
  found.append(('Four clocks', 'Spent by a run, on average over seeds.',
                *clocks(data)))
  header, rows = settings(data)
  if rows:
    found.append(('Settings that differ', '', header, rows))
  found.append(('Runs', '', *runs(data)))
  return found
