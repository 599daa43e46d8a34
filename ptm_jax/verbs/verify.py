"""`verify`: proofs about an experiment, run on the experiment itself."""

import pathlib
import shutil
import tempfile

from ptm_jax.errors import ConfigError, PtmError


class Verb:
  """Proves that an experiment's objective leaks nothing; and, if asked, that
  killed runs end the same."""

  takes_config = True
  flags = {
      'resume': (False, 'also kill and resume short copies of the experiment; '
                        'all must end with the same bits'),
      'kills': (10, 'how often a run is killed with SIGKILL'),
      'steps': (12, 'updates of the short copies'),
      'seed': (0, 'of the moments'),
      'workdir': ('', 'empty folder for the short copies, kept if something '
                      'differs; a temporary one by default'),
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
    failed = _leaks(settings)
    if flags.resume:
      failed += _resume(flags, settings)
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
