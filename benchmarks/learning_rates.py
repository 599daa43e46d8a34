"""The sweep behind the learning rates of `experiments/compare_objectives.py`.

  python benchmarks/learning_rates.py

Every objective of the comparison is trained with its model, batch and budget
at each of `RATES`, one seed, all rates of an objective in one program. The
rate with the lowest validation objective (the terms' nats per prediction,
times their coefficients) goes into the experiment. Writes
`benchmarks/learning_rates.json`, which is the record. Minutes: 9 on two cores.
"""

import dataclasses
import json
import pathlib
import sys
import tempfile

from ptm_jax import command_line, setup_jax

HERE = pathlib.Path(__file__).parent
EXPERIMENT = HERE.parent / 'experiments' / 'compare_objectives.py'
RATES = (2e-3, 4e-3, 8e-3, 1.6e-2)


def sweep(comparison, name, seed=100):
  """Validation objective by rate; a seed that the comparison does not use."""
  from ptm_jax import train
  experiments = []
  for rate in RATES:
    one = comparison.experiment(name, seed)
    one.optimizer = dataclasses.replace(one.optimizer, learning_rate=rate)
    one.evaluation.every_steps = one.checkpoints.every_steps = 10**9
    experiments.append(one)
  with tempfile.TemporaryDirectory() as folder:
    trained = train.train(
        experiments, [f'{folder}/{rate:g}' for rate in RATES], label=name)
  coefficients = trained.setup.objective.coefficients()
  return {f'{rate:g}': {
      'objective': sum(
          factor * run['metrics'][f'validation/{term}/nll']
          for term, factor in coefficients.items()),
      **{f'{term}/nll': run['metrics'][f'validation/{term}/nll']
         for term in coefficients}}
          for rate, run in zip(RATES, trained.results, strict=True)}


def main():
  setup_jax.configure()
  comparison = command_line.load_config(str(EXPERIMENT))
  record = {'settings': {
      'model': dataclasses.asdict(comparison.base.model),
      'batch_size': comparison.base.data.batch_size,
      'raw_length': comparison.base.data.raw_length,
      'tokens': comparison.base.budget.amount}, 'objectives': {}}
  for name in comparison.runs:
    found = sweep(comparison, name)
    best = min(found, key=lambda rate: found[rate]['objective'])
    record['objectives'][name] = {'best': float(best), 'rates': found}
    print(name, 'best', best, {rate: round(values['objective'], 3)
                               for rate, values in found.items()})
  (HERE / 'learning_rates.json').write_text(
      json.dumps(record, indent=1) + '\n', encoding='utf8')


if __name__ == '__main__':
  sys.exit(main())
