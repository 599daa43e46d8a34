"""`compare`: several objectives on the same text, model and budget."""

import pathlib

from ptm_jax.errors import ConfigError


class Verb:
  """Compares objectives, several seeds each; the same command resumes it."""

  takes_config = True
  flags = {
      'workdir': ('', 'folder of the comparison and of its runs'),
      'dry_run': (False, 'print parameters, FLOPs, memory, time and disk of '
                         'each objective; write nothing'),
  }

  @staticmethod
  def run(flags):
    from ptm_jax import config, setup_jax
    settings = flags.config
    if not isinstance(settings, config.Comparison):
      raise ConfigError('--config holds a single experiment: use the verb '
                        'pretrain')
    settings.validate()
    setup_jax.configure()
    from ptm_jax import budget, compare
    if flags.dry_run:
      budget.print_table({
          name: settings.experiment(name, settings.seeds[0])
          for name in settings.runs})
      return
    if not flags.workdir:
      raise ConfigError('--workdir is missing: name a folder')
    compare.compare(settings, pathlib.Path(flags.workdir))
