"""`replay`: one update of a run, seen again."""

from ptm_jax.errors import ConfigError


class Verb:
  """Computes one update of a run again and shows what happened in it."""

  takes_config = False
  flags = {'workdir': ('', 'folder of the run; it is only read'),
           'step': (0, 'number of the update, from 1')}

  @staticmethod
  def run(flags):
    if not flags.workdir:
      raise ConfigError('--workdir is missing: name the folder of a run')
    from ptm_jax import setup_jax
    setup_jax.configure()
    from ptm_jax import replay
    found = replay.replay(flags.workdir, flags.step)
    print('\n'.join(replay.describe(found)))
