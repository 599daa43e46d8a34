"""`verify`: proofs about an experiment, run on the experiment itself."""

import pathlib
import tempfile

from ptm_jax.errors import CheckpointError, ConfigError


class Verb:
  """Proves that an experiment, killed at random moments, ends the same."""

  takes_config = True
  flags = {
      'resume': (False, 'kill and resume short copies of the experiment; all '
                        'must end with the same bits'),
      'kills': (10, 'how often a run is killed with SIGKILL'),
      'steps': (12, 'updates of the short copies'),
      'seed': (0, 'of the moments'),
      'workdir': ('', 'empty folder for the runs, kept if something differs; '
                      'a temporary one by default'),
  }

  @staticmethod
  def run(flags):
    from ptm_jax import config, resume_proof
    settings = flags.config
    if not isinstance(settings, config.Experiment):
      raise ConfigError('--config holds a comparison: verify one of its '
                        'experiments')
    settings.validate()
    if not flags.resume:
      raise ConfigError('say what to prove: --resume')
    if flags.kills < 1 or flags.steps < 4:
      raise ConfigError(f'--kills={flags.kills} --steps={flags.steps}: at '
                        'least 1 kill and 4 updates')
    path = pathlib.Path(flags.workdir or tempfile.mkdtemp(prefix='ptm_jax-'))
    if path.exists() and any(path.iterdir()):
      raise ConfigError(f'--workdir={path} is not empty: name a new folder')
    proof = resume_proof.prove(settings, path, flags.kills, flags.steps,
                               flags.seed)
    print('killed ' + ', '.join(
        f'{count} x in {phase}' for phase, count
        in sorted(proof.kills.items())))
    if proof.differences:
      raise CheckpointError(
          f'resume: NOT the same bits: {"; ".join(proof.differences[:5])}; '
          f'the runs are in {path}')
    if not flags.workdir:
      import shutil
      shutil.rmtree(path)
    print(f'resume: holds; {sum(proof.kills.values())} kills, '
          f'{proof.endings} runs ended with the same bits')
