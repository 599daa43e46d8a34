"""A work directory of invented numbers, to build reports from in tests."""

import json
import math
import random

from ptm_jax import config, serialize
from ptm_jax.data.corpora import python_docs
from ptm_jax.find import find

TERMS = {'autoregressive': ('lm',), 'masked': ('mlm',),
         'span_corruption': ('seq2seq',),
         'replaced_token': ('discriminator', 'generator')}


def experiment(name, seed=0):
  return config.Experiment(find('objectives', name)(), python_docs.Corpus(),
                           seed=seed)


def write(path, names=tuple(TERMS), seeds=(0, 1, 2), learned=True,
          label=lambda name: name, points=120):
  """Writes a comparison's directory; returns its results."""
  draw = random.Random(5)
  runs = []
  for name in names:
    for seed in seeds:
      place = path / 'runs' / name / f'seed-{seed}'
      place.mkdir(parents=True)
      metrics, lines = {}, []
      for term in TERMS[name]:
        end = 4.0 + draw.random() / 50 if learned else 6.2
        metrics.update({
            f'validation/{term}/nll': end, f'validation/{term}/nll_se': 0.01,
            f'validation/{term}/constant_nll': 5.7,
            f'validation/{term}/accuracy': 0.2, f'test/{term}/nll': end})
        for step in range(1, points + 1):
          lines.append({'kind': 'train', 'step': step,
                        f'loss/{term}': end + math.exp(-step / 20)})
        lines.append({'kind': 'validation', 'step': points,
                      f'{term}/nll': end})
      if name == 'autoregressive':
        metrics['validation/bits_per_byte'] = 2.5
      for way, score in (('probe', 0.6), ('probe_untrained', 0.4),
                         ('finetune', 0.7)):
        metrics[f'docstring_library/{way}/accuracy'] = (
            score + draw.random() / 100)
      metrics['docstring_library/chance'] = 1 / 6
      (place / 'metrics.jsonl').write_text(
          ''.join(json.dumps(line) + '\n' for line in lines))
      (place / 'config.json').write_text(json.dumps(
          {'config': serialize.to_json(experiment(name, seed))}))
      (place / 'attention.json').write_text(json.dumps({
          'tokens': ['<cls>', '▁sum', '$x_1$', '<script>'],
          'layers': [[[[0.25] * 4] * 4] * 2] * 2}))
      runs.append({
          'name': label(name), 'objective': name, 'seed': seed,
          'workdir': str(place.relative_to(path)), 'num_steps': points,
          'tokens_seen': 1000 * points, 'tokens_with_loss': 900 * points,
          'flops': 1.5e12, 'seconds': 21.5, 'parameters': 322176,
          'skipped': 0, 'metrics': metrics})
  results = {
      'kind': 'comparison', 'source_revision': 'abc123', 'warnings': [],
      'corpus': {'name': 'python_docs', 'hash': '0123456789abcdef',
                 'train_tokens': 6183707},
      'learning_rates': {label(name): {'value': 0.002, 'source': 'untuned'}
                         for name in names},
      'runs': runs}
  (path / 'results.json').write_text(json.dumps(results))
  (path / 'config.json').write_text(json.dumps({'config': {}}))
  return results
