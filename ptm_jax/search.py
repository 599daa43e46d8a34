"""Adaptive search, through Optuna (the extra `search`).

Trials are asked for in batches, which share programs, and told when their
batch has ended. What the sampler knows is a journal of JSON lines in the
sweep's directory, which any number of processes append to; nothing in it is
a pickle. A trial that a killed process had asked for is in `sweep.json` and
is taken up like any other; one that never came so far is told as failed.
"""

from ptm_jax import grouping, hyper
from ptm_jax.errors import ConfigError, DataError

JOURNAL = 'optuna.journal'
_NUMBER = 'number'  # under which a trial keeps Optuna's


def ask(path, plan, trials):
  """Asks for the next trials of a search; [] once there were enough.

  Args:
    path: the sweep's directory; the caller holds its plan.
    plan: `hyper.Plan` with a space.
    trials: those asked for before, by name.

  Returns:
    `{name: {'settings', 'number'}}`.

  Raises:
    ConfigError: Optuna is not installed.
  """
  optuna = _optuna()
  study = _study(optuna, path, plan, seed=plan.seed + len(trials))
  known = {one[_NUMBER] for one in trials.values()}
  for one in study.get_trials(
      deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
    if one.number not in known:  # asked for by a process that was killed
      study.tell(one.number, state=optuna.trial.TrialState.FAIL)
  space = {name: _distribution(optuna, one)
           for name, one in plan.space.items()}
  asked = {}
  for _ in range(min(plan.at_once, plan.num_trials - len(trials))):
    one = study.ask(space)
    settings = dict(one.params)
    name = f'{one.number:04},{grouping.names([settings])[0]}'
    asked[name] = {'settings': settings, _NUMBER: one.number}
  return asked


def tell(path, plan, trials, entries, value_of):
  """Tells how trials ended, each once.

  Args:
    path, plan, trials: as for `ask`.
    entries: of `results.json`; of a trial that went on behind a rung the
      last one counts.
    value_of: entry -> what to minimise, or None for a trial that diverged.
  """
  optuna = _optuna()
  study = _study(optuna, path, plan, plan.seed)
  states = optuna.trial.TrialState
  running = {one.number for one in study.get_trials(
      deepcopy=False, states=(states.RUNNING,))}
  last = {entry['trial']: entry for entry in entries}
  for name, entry in last.items():
    number = trials[name][_NUMBER]
    if number not in running:
      continue
    value = value_of(entry)
    if value is None:
      study.tell(number, state=states.FAIL)
    elif entry['share'] < 1:  # it left at a rung: no value of a whole run
      study.tell(number, state=states.PRUNED)
    else:
      study.tell(number, value)


def _optuna():
  try:
    import optuna
  except ImportError as error:
    raise ConfigError('a search needs Optuna: pip install ptm_jax[search]'
                      ) from error
  optuna.logging.set_verbosity(optuna.logging.WARNING)
  return optuna


def _study(optuna, path, plan, seed):
  from optuna.storages import journal
  try:
    storage = optuna.storages.JournalStorage(
        journal.JournalFileBackend(str(path / JOURNAL)))
    return optuna.create_study(
        storage=storage, study_name='sweep', load_if_exists=True,
        # Trials of a batch do not know each other's values: a liar keeps
        # them apart.
        sampler=optuna.samplers.TPESampler(
            seed=seed, constant_liar=True,
            n_startup_trials=max(10, plan.at_once)))
  except (OSError, ValueError, KeyError) as error:
    raise DataError(f'{path / JOURNAL} cannot be used ({error}): use another '
                    '--workdir') from error


def _distribution(optuna, one):
  if isinstance(one, hyper.Choice):
    return optuna.distributions.CategoricalDistribution(one.values)
  kind = (optuna.distributions.IntDistribution if one.whole
          else optuna.distributions.FloatDistribution)
  return kind(one.low, one.high, log=one.log)
