"""One compiled program for all runs of a test file that could share it."""

import dataclasses

import pytest

from ptm_jax import compile as compile_
from ptm_jax import config, train

# What differs between runs and reaches no program.
_ASIDE = {'seed': 0, 'corpus': None, 'checkpoints': config.Checkpoints(),
          'evaluation': config.Evaluation(), 'max_skipped': 0,
          'log_every_steps': 1}


@pytest.fixture(scope='module')
def shared_programs():
  """Runs of equal settings in one process take up the program of the first:
  tracing and compiling it is most of what a small run takes."""
  made = {}

  def shared(experiment, objective, *arguments, **named):
    static = dataclasses.replace(experiment, **_ASIDE)
    key = repr((static, type(objective), objective.vocabulary.size,
                sorted(objective.sizes.items()), arguments, named))
    if key not in made:
      made[key] = _Once(**vars(compile_.compile_program(
          experiment, objective, *arguments, **named)))
    return made[key]

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(train, 'compile_program', shared)
    yield


@dataclasses.dataclass(frozen=True)
class _Once(compile_.Program):
  """A program that is compiled the first time it is asked for."""

  def compiled(self, *arrays):
    if not hasattr(self, '_compiled'):
      object.__setattr__(self, '_compiled', super().compiled(*arrays))
    return self._compiled
