"""`report`: rebuild a report from its files."""

import pathlib

from ptm_jax.errors import ConfigError


class Verb:
  """Rebuilds report.html and report.md from a work directory's files; of
  several fine-tunings with commas between them, prints them side by side."""

  takes_config = False
  flags = {'workdir': ('', 'folder of a run or of a comparison; those of '
                           'fine-tunings on one task, with commas')}

  @staticmethod
  def run(flags):
    from ptm_jax import report
    if not flags.workdir:
      raise ConfigError('--workdir is missing: name the folder of a run')
    if ',' in flags.workdir and not pathlib.Path(flags.workdir).exists():
      from ptm_jax.report import side_by_side
      print('\n'.join(side_by_side.lines(flags.workdir.split(','))))
      return
    report.build(pathlib.Path(flags.workdir))
    print(f'report: {pathlib.Path(flags.workdir) / "report.html"}')
