"""From settings to what trials share: data, bound objective, budget.

Everything that can be refused is refused here, before any compilation.
"""

import dataclasses
import functools
import sys
import time
from typing import Any

import jax
import numpy as np

from ptm_jax import budget, processes
from ptm_jax.compile import compile_program
from ptm_jax.config import Experiment
from ptm_jax.data import planes
from ptm_jax.data.flags import DOCUMENT_START, SENTENCE_START
from ptm_jax.data.prepare import Prepared, expected_vocabulary, prepare
from ptm_jax.data.windows import Windows
from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.step import make_hparams


@dataclasses.dataclass
class Setup:
  """What trials share: data and the bound objective.

  Attributes:
    experiments: one per trial, budgets settled.
    prepared: tokenizer, stores and hashes.
    windows: `Windows` by split.
    objective: bound with the largest sizes of all trials.
    hparams: the numbers of each trial's state.
    flops: training FLOPs of one update of one trial.
    num_parameters: trained, of one trial, all networks.
  """

  experiments: list[Experiment]
  prepared: Prepared
  windows: dict[str, Windows]
  objective: Any
  hparams: list[Any]
  flops: float
  num_parameters: int


def set_up(experiments, num_steps=None):
  """Validates, prepares the data, binds the objective, settles the budget.

  Everything that can be refused is refused here, before any compilation.

  Args:
    experiments: one per trial.
    num_steps: that an earlier start of these runs settled on, where it was
      measured; None settles it now.
  """
  first = experiments[0]
  for experiment in experiments:
    experiment.validate()
  for experiment in experiments:  # refused before the corpus is read
    _bind_early(experiment)
  prepared = prepare(first.corpus, first.tokenizer)
  planes.add(prepared, first.corpus, first.objective.raw_fields())
  if first.objective.needs_sentences:
    _check_sentences(first, prepared.stores['train'])
  windows = {split: Windows(store, first.data.raw_length, first.data.packing,
                            first.objective.partner)
             for split, store in prepared.stores.items()}
  left_out = sum(one.left_out for one in windows.values())
  if left_out:
    print(f'{left_out:,} documents are left out: they have more tokens than '
          f'data.raw_length={first.data.raw_length}', file=sys.stderr)
  def bind(experiment, sizes=None):
    return experiment.objective.bind(
        experiment.model, prepared.tokenizer.vocabulary,
        experiment.data.raw_length, sizes)
  bound = [bind(experiment) for experiment in experiments]
  sizes = {name: max(one.sizes[name] for one in bound)
           for name in bound[0].sizes}
  objective = bind(first, sizes)
  if num_steps:
    experiments = [dataclasses.replace(one, num_steps=num_steps)
                   for one in experiments]
  else:
    measured = functools.cache(  # once: all trials take equally many updates
        lambda: processes.of_first(_seconds_per_step(first, objective)))
    experiments = [budget.settle(one, objective, measured)
                   for one in experiments]
  return Setup(
      experiments, prepared, windows, objective,
      [make_hparams(one, experiment.optimizer)
       for one, experiment in zip(bound, experiments, strict=True)],
      budget.training_flops(objective, first.data.batch_size),
      budget.num_parameters(objective)[0])


def _check_sentences(experiment, store, looked_at=2**20):
  flags = np.asarray(store.flags[:looked_at])
  if not np.any(flags & (SENTENCE_START | DOCUMENT_START) == SENTENCE_START):
    raise ConfigError(
        f'{name_of(experiment.objective)[1]} needs sentences, but no document '
        f'of the corpus {name_of(experiment.corpus)[1]} has a second one: use '
        'a corpus with sentence boundaries')


def _bind_early(experiment):
  """Refuses a model that does not fit before anything expensive starts."""
  part = experiment.data.batch_size // experiment.compute.micro_batches
  group = experiment.objective.group_size
  if part % group:
    raise ConfigError(
        f'objective.group={group} does not divide the {part} examples of data.'
        f'batch_size={experiment.data.batch_size} that are computed at once')
  if experiment.objective.needs_lower_case and (
      not experiment.tokenizer.lower_case
      or hasattr(experiment.corpus, 'tokenizer')):
    raise ConfigError(
        f'{name_of(experiment.objective)[1]} asks which words had a capital: '
        'it needs a corpus of text and tokenizer.lower_case=True, which hides '
        'it')
  if experiment.objective.partner == 'aligned' and (
      experiment.data.packing != 'whole'
      or not getattr(experiment.corpus, 'aligned', False)):
    raise ConfigError(
        f'{name_of(experiment.objective)[1]} reads two languages: it needs '
        'corpus=parallel (or pairs) and data.packing=whole, found '
        f'{name_of(experiment.corpus)[1]} and {experiment.data.packing}')
  for annotator in experiment.objective.raw_fields().values():
    annotator.check(experiment.corpus)
  experiment.objective.bind(
      experiment.model, expected_vocabulary(experiment.tokenizer),
      experiment.data.raw_length)


def _seconds_per_step(experiment, objective, repeats=3):
  """Measures an update on made-up windows, compilation excluded."""
  program = compile_program(experiment, objective)
  hparams = make_hparams(objective, experiment.optimizer)
  state = program.init([jax.random.key(0)], [hparams])
  windows = program.put([budget.full_windows(
      objective, experiment.data.batch_size)])
  state, _ = jax.block_until_ready(program.step(state, windows))
  start = time.perf_counter()
  for _ in range(repeats):
    state, _ = jax.block_until_ready(program.step(state, windows))
  return (time.perf_counter() - start) / repeats


def first_error(experiments):
  """Raises the ConfigError that `set_up` would, without any data."""
  for experiment in experiments:
    experiment.validate()
    _bind_early(experiment)
  if not experiments:
    raise ConfigError('nothing to train')
