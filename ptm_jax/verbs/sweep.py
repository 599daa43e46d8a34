"""`sweep`: many trials of one experiment."""

import os
import pathlib

from ptm_jax.errors import ConfigError


class Verb:
  """Runs the trials that an experiment's get_hyper names; the same command
  resumes it, and so does --workdir alone. More processes may join."""

  takes_config = True
  config_is_optional = True
  flags = {
      'workdir': ('', 'folder of the sweep and of its trials'),
      'launcher': ('local', 'local, or slurm: writes and submits a job array'),
      'tasks': (1, 'processes that share the work, array tasks with slurm'),
      'sbatch': ('', 'more options of sbatch, as one text'),
      'dry_run': (False, 'print trials and groups, and parameters, FLOPs, '
                         'memory, time and disk of one trial of each; write '
                         'nothing'),
  }

  @staticmethod
  def run(flags):
    if flags.launcher not in ('local', 'slurm'):
      raise ConfigError(f'--launcher={flags.launcher!r} is not one of local, '
                        'slurm')
    if flags.tasks < 1:
      raise ConfigError(f'--tasks={flags.tasks} must be at least 1')
    base, plan, tasks = _asked(flags)
    from ptm_jax import setup_jax
    setup_jax.configure()
    if flags.dry_run:
      _dry_run(base, plan)
      return
    if not flags.workdir:
      raise ConfigError('--workdir is missing: name a folder')
    from ptm_jax import sweeps
    sweep = sweeps.Sweep(base, plan, flags.workdir, tasks)
    if flags.launcher == 'local':
      sweep.run()
      return
    from ptm_jax import slurm
    sweep.claim_directory()
    environment = [(name, os.environ[name]) for name in (
        'PTM_JAX_CACHE', 'JAX_PLATFORMS', 'PYTHONPATH') if name in os.environ]
    script = slurm.write(flags.workdir, tasks, flags.sbatch, environment)
    print(slurm.submit(script))
    print(f'its tasks work on {flags.workdir}; the last one writes the report')


def _asked(flags):
  """Base, plan and number of tasks."""
  from ptm_jax import command_line, config
  if flags.config is None:
    if not flags.workdir:
      raise ConfigError('--config is missing: name an experiment file with '
                        'get_hyper, or the --workdir of a sweep to go on with')
    from ptm_jax import sweeps
    return sweeps.read(pathlib.Path(flags.workdir))
  if not isinstance(flags.config, config.Experiment):
    raise ConfigError('--config holds a comparison: a sweep varies one '
                      'experiment')
  plan = command_line.load_plan(flags.experiment)
  if plan is None:
    raise ConfigError(f'--config={flags.experiment}: the file defines no '
                      'get_hyper(hyper)')
  return flags.config, plan, flags.tasks


def _dry_run(base, plan):
  from ptm_jax import assemble, budget, grouping, hyper
  trials = list(plan.trials) or hyper.sample(plan.space, 1)
  experiments = grouping.experiments(base, trials)
  assemble.first_error(experiments)
  names = grouping.names(trials)
  found = grouping.groups(experiments)
  print(f'{plan.num_trials or len(trials)} trials'
        + (f' of a search, such as {names[0]}' if plan.space else
           f' in {len(found)} groups, each one program:'))
  for numbers in found:
    if not plan.space:
      print('  ' + '; '.join(names[number] for number in numbers))
  budget.print_table({names[numbers[0]]: experiments[numbers[0]]
                      for numbers in found})
