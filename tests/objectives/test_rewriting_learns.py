"""Objectives that write a text learn to: on held-out text of the embedded
corpus they come below the best constant prediction, within a minute.
"""

import json
import pathlib

import pytest

from ptm_jax import __main__
from ptm_jax.find import find
from ptm_jax.objectives.sequence_to_sequence import Rewriting
from tests.objectives.cases import NAMES

EXPERIMENT = pathlib.Path(__file__).parents[2] / 'experiments' / 'mass.py'
# Translation reads pairs, which the embedded corpus has not.
REWRITING = [name for name in NAMES if name != 'translation'
             and issubclass(find('objectives', name), Rewriting)]


@pytest.mark.slow
@pytest.mark.parametrize('name', [*REWRITING, 'fill_in_the_middle'])
def test_loss_falls_below_the_constant_predictors(name, tmp_path):
  assert __main__.main([
      'pretrain', f'--config={EXPERIMENT}:tiny,objective={name}',
      '--config.num_steps=900', '--config.evaluation.every_steps=900',
      '--config.evaluation.tasks=', f'--workdir={tmp_path / "run"}']) == 0
  (run,) = json.loads((tmp_path / 'run/results.json').read_text())['runs']
  (term,) = find('objectives', name)().coefficients()
  found, constant = (run['metrics'][f'validation/{term}/{score}']
                     for score in ('nll', 'constant_nll'))
  assert found < 0.95 * constant
