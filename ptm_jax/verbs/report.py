"""`report`: rebuild a report from its files."""

import pathlib

from ptm_jax.errors import ConfigError


class Verb:
  """Rebuilds report.html and report.md from a work directory's files."""

  takes_config = False
  flags = {'workdir': ('', 'folder of a run or of a comparison')}

  @staticmethod
  def run(flags):
    from ptm_jax import report
    if not flags.workdir:
      raise ConfigError('--workdir is missing: name the folder of a run')
    report.build(pathlib.Path(flags.workdir))
    print(f'report: {pathlib.Path(flags.workdir) / "report.html"}')
