"""`verify`: proofs about an experiment, run on the experiment itself."""

import pathlib
import shutil
import tempfile

from ptm_jax.errors import ConfigError, PtmError


class Verb:
  """Proves that an experiment's objective leaks nothing; and, if asked, that
  killed runs end the same, or that no loss lies below its floor."""

  takes_config = True
  flags = {
      'resume': (False, 'also kill and resume short copies of the experiment; '
                        'all must end with the same bits'),
      'floor': (False, 'also train the experiment, on a source of known law, '
                       'and hold its loss against the floor'),
      'kills': (10, 'how often a run is killed with SIGKILL'),
      'steps': (12, 'updates of the short copies'),
      'seed': (0, 'of the moments'),
      'workdir': ('', 'folder for the runs: empty for the short copies, which '
                      'are kept if something differs; of --floor, a run that '
                      'may go on; a temporary one by default'),
  }

  @staticmethod
  def run(flags):
    from ptm_jax import config, setup_jax
    settings = flags.config
    if not isinstance(settings, config.Experiment):
      raise ConfigError('--config holds a comparison: verify one of its '
                        'experiments')
    if flags.kills < 1 or flags.steps < 4:
      raise ConfigError(f'--kills={flags.kills} --steps={flags.steps}: at '
                        'least 1 kill and 4 updates')
    setup_jax.configure()
    from ptm_jax import assemble
    assemble.first_error([settings])
    if flags.floor:
      _check_floor(flags, settings)
    failed = _leaks(settings)
    if flags.resume:
      failed += _resume(flags, settings)
    if flags.floor:
      failed += _floor(flags, settings)
    if failed:
      raise PtmError(f'NOT proven: {"; ".join(failed)}')


def _leaks(settings):
  from ptm_jax import leaks
  failed = []
  for one in leaks.prove(settings.objective, settings.model):
    what = 'predictions' if one.proof == 'derivative' else 'changed targets'
    verdict = 'LEAKS' if one.leaks else 'holds'
    print(f'no leak, {one.term}, by {one.proof}: {verdict} ({one.checked} '
          f'{what})')
    for leak in one.leaks[:3]:
      print(f'  {leak}')
    if one.leaks:
      failed.append(f'{one.term} leaks by {one.proof}')
  return failed


def _resume(flags, settings):
  from ptm_jax import resume_proof
  path = pathlib.Path(flags.workdir or tempfile.mkdtemp(prefix='ptm_jax-'))
  if path.exists() and any(path.iterdir()):
    raise ConfigError(f'--workdir={path} is not empty: name a new folder')
  proof = resume_proof.prove(settings, path, flags.kills, flags.steps,
                             flags.seed)
  print('killed ' + ', '.join(
      f'{count} x in {phase}' for phase, count in sorted(proof.kills.items())))
  if proof.differences:
    return [f'{"; ".join(proof.differences[:5])} (the runs are in {path})']
  if not flags.workdir:
    shutil.rmtree(path)
  print(f'resume: holds ({sum(proof.kills.values())} kills, {proof.endings} '
        'runs ended with the same bits)')
  return []


def _check_floor(flags, settings):
  from ptm_jax import floors
  from ptm_jax.find import name_of
  if flags.resume:
    raise ConfigError('--floor and --resume: ask for one at a time')
  if not hasattr(settings.corpus, 'law'):
    raise ConfigError('--floor needs a corpus of known law: choose '
                      'corpus=hidden_markov behind the file')
  if not floors.known(settings):
    raise ConfigError(f'{name_of(settings.objective)[1]} has no known floor '
                      'with these settings')


def _floor(flags, settings):
  from ptm_jax import compare, floors
  path = pathlib.Path(flags.workdir or tempfile.mkdtemp(prefix='ptm_jax-'))
  try:
    (entry,), _ = compare.run_and_score([settings], [path], 'floor')
  finally:
    if not flags.workdir:
      shutil.rmtree(path)
  metrics = entry['metrics']
  for term in floors.known(settings):
    one = {name: metrics[f'floor/{term}/{name}'] for name in (
        'loss', 'nll', 'excess', 'excess_se', 'share', 'exact', 'least')}
    what = 'floor' if one['exact'] else (
        f'floor between {one["least"]:.4f} and')
    print(f'floor, {term}: loss {one["loss"]:.4f}, {what} {one["nll"]:.4f}, '
          f'excess {one["excess"]:.4f} +- {one["excess_se"]:.4f} nats a '
          f'prediction; {one["share"]:.1%} of the possible gain')
  return floors.below(metrics)
