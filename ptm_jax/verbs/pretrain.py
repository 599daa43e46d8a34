"""`pretrain`: one objective, one run."""

import pathlib

from ptm_jax.errors import CheckpointError, ConfigError


class Verb:
  """Pre-trains one experiment; the same command resumes it."""

  takes_config = True
  flags = {
      'workdir': ('', 'folder of the run: checkpoints, metrics, report'),
      'init_from': ('', 'work directory whose networks a new run starts from'),
      'dry_run': (False, 'print parameters, FLOPs, memory, time and disk; '
                         'write nothing'),
  }

  @staticmethod
  def run(flags):
    from ptm_jax import config, setup_jax
    from ptm_jax.find import name_of
    settings = flags.config
    if not isinstance(settings, config.Experiment):
      raise ConfigError('--config holds a comparison: use the verb compare')
    source = pathlib.Path(flags.init_from) if flags.init_from else None
    if source and not (source / 'config.json').is_file():
      raise CheckpointError(f'--init_from={source} is no work directory: it '
                            'has no config.json')
    setup_jax.configure()
    from ptm_jax import assemble, budget, compare, processes, report
    assemble.first_error([settings])
    if flags.dry_run:
      budget.print_table({'': settings})
      return
    if not flags.workdir:
      raise ConfigError('--workdir is missing: name a folder for the run')
    path = pathlib.Path(flags.workdir)
    name = name_of(settings.objective)[1]
    entries, _ = compare.run_and_score(
        [settings], [path], name, init_from=source)
    if not processes.is_first():
      return
    report.build(path)
    for metric, value in sorted(entries[0]['metrics'].items()):
      # None: no prediction of this term was among the held-out batches.
      shown = 'none' if value is None else f'{value:.4f}'
      print(f'{metric}: {shown}')
    print(f'report: {path / "report.html"}')
