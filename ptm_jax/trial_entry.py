"""What a trial is ranked by, and the entry of one that gave nothing."""

from ptm_jax import metrics
from ptm_jax.find import name_of


def loss(entry, experiment):
  """The training objective on the validation split, or None."""
  terms = {name.split('/')[1]: value
           for name, value in entry['metrics'].items()
           if name.startswith('validation/') and name.endswith('/nll')}
  if not terms or None in terms.values():
    return None
  factors = experiment.objective.coefficients()
  return sum(factors[term] * value for term, value in terms.items())


def halted(place, experiment):
  """The entry of a trial that a program of diverged trials gave up."""
  lines = [line for line in metrics.read(place)
           if line.get('kind') == 'train'] or [{}]
  return {'objective': name_of(experiment.objective)[1],
          'seed': experiment.seed, 'num_steps': lines[-1].get('step', 0),
          'parameters': 0, 'diverged': True, 'metrics': {},
          **{key: lines[-1].get(key, 0) for key in (
              'skipped', 'tokens_seen', 'tokens_with_loss', 'flops',
              'seconds')}}
