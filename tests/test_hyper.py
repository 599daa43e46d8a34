"""What get_hyper can say, and how trials are named and grouped."""

import json
import random

import pytest

from ptm_jax import config, grouping, hyper
from ptm_jax.data.corpora import python_docs
from ptm_jax.errors import ConfigError
from ptm_jax.objectives import autoregressive, masked


def base(objective=None):
  return config.Experiment(objective or masked.Objective(),
                           python_docs.Corpus())


def test_combinators():
  rates = hyper.sweep('optimizer.learning_rate', [1.0, 2.0])
  seeds = hyper.sweep('seed', range(2))
  rate = 'optimizer.learning_rate'
  assert hyper.product([rates, seeds]) == [
      {rate: 1.0, 'seed': 0}, {rate: 1.0, 'seed': 1},
      {rate: 2.0, 'seed': 0}, {rate: 2.0, 'seed': 1}]
  assert hyper.zipit([rates, seeds]) == [
      {rate: 1.0, 'seed': 0}, {rate: 2.0, 'seed': 1}]
  assert hyper.chainit([rates, seeds]) == [
      {rate: 1.0}, {rate: 2.0}, {'seed': 0}, {'seed': 1}]


@pytest.mark.parametrize('make,found', [
    (lambda: hyper.product([hyper.sweep('seed', [1]),
                            hyper.sweep('seed', [2])]), 'seed is swept twice'),
    (lambda: hyper.zipit([hyper.sweep('seed', [1, 2]),
                          hyper.sweep('num_steps', [2])]), r'\[2, 1\]'),
    (lambda: hyper.loguniform(0.0, 1.0), 'orders of magnitude'),
    (lambda: hyper.uniform(2, 1), 'between 2 and 1'),
    (lambda: hyper.as_plan([]), 'no trials'),
    (lambda: hyper.as_plan(hyper.halving([{'seed': 1}], rungs=(0.5, 0.2))),
     'must rise'),
    (lambda: hyper.as_plan(hyper.halving([{'seed': 1}], keep=1.0)), '1.0'),
    (lambda: hyper.as_plan(hyper.search({'seed': hyper.uniform(0, 9)}, 0)),
     'num_trials=0')])
def test_what_cannot_be_swept_is_refused(make, found):
  with pytest.raises(ConfigError, match=found):
    make()


def test_samples_lie_in_their_ranges_and_repeat():
  space = {'optimizer.learning_rate': hyper.loguniform(1e-4, 1e-2),
           'seed': hyper.uniform(0, 5), 'model.norm': hyper.choice(['rms'])}
  trials = hyper.sample(space, 400, seed=3)
  rates = [trial['optimizer.learning_rate'] for trial in trials]
  assert min(rates) >= 1e-4 and max(rates) <= 1e-2
  below = sum(rate < 1e-3 for rate in rates) / 400
  assert below == pytest.approx(0.5, abs=0.08)
  assert {trial['seed'] for trial in trials} == {0, 1, 2, 3, 4, 5}
  assert trials == hyper.sample(space, 400, seed=3)
  assert trials != hyper.sample(space, 400, seed=4)


def test_a_plan_reads_back_equal():
  for plan in (hyper.halving([{'seed': 1}, {'seed': 2}]),
               hyper.plan([{'seed': 1}], 'task/probe/accuracy', True),
               hyper.search({'seed': hyper.uniform(0, 9),
                             'model.norm': hyper.choice(['rms', 'layer'])},
                            20, rungs=(0.5,))):
    assert hyper.from_json(json.loads(json.dumps(hyper.to_json(plan)))) == plan
  with pytest.raises(ConfigError, match='damaged'):
    hyper.from_json({'trials': []})


def test_overrides_have_the_type_of_their_field():
  settings = hyper.override(base(), {
      'optimizer.learning_rate': 1, 'objective.rate': 0.4, 'model.mlp_dim': 9,
      'evaluation.tasks': ['docstring_library']})
  assert settings.optimizer.learning_rate == 1.0
  assert isinstance(settings.optimizer.learning_rate, float)
  assert settings.objective.rate == 0.4 and settings.model.mlp_dim == 9
  assert settings.evaluation.tasks == ('docstring_library',)


@pytest.mark.parametrize('name,value,found', [
    ('optimizer.learning_rat', 1.0, 'did you mean learning_rate'),
    ('optimiser.learning_rate', 1.0, 'did you mean optimizer'),
    ('seed.x', 1, "no 'x'"), ('num_steps', 1.5, '1.5, which is no int'),
    ('optimizer.name', 3, 'no str'), ('seed', True, 'no int')])
def test_unknown_settings_and_types_are_refused(name, value, found):
  with pytest.raises(ConfigError, match=found):
    hyper.override(base(), {name: value})


def test_trials_that_cannot_work_are_refused_before_anything_starts():
  with pytest.raises(ConfigError, match='objective.rate=1.5'):
    grouping.experiments(base(), [{'objective.rate': 0.2},
                                  {'objective.rate': 1.5}])


def test_names_say_what_differs():
  assert grouping.names([
      {'optimizer.learning_rate': 1e-3, 'seed': 0},
      {'optimizer.learning_rate': 0.01, 'seed': 1}]) == [
          'learning_rate=0.001,seed=0', 'learning_rate=0.01,seed=1']
  # Two settings whose last part is the same.
  assert grouping.names([{'model.name': 'a', 'optimizer.name': 'b'}]) == [
      'model.name=a,optimizer.name=b']


def test_names_are_safe_distinct_and_short():
  draw = random.Random(0)
  values = ['../../etc', 'a/b', 'a\x00b', '', '.', 'x' * 300, 'x' * 301, 'ä',
            'a b', 'a_b', *(str(draw.random()) for _ in range(50))]
  found = grouping.names([{'corpus.path': value} for value in values])
  assert len(set(found)) == len(values)
  for name in found:
    assert '/' not in name and not name.startswith('.') and len(name) <= 100
    assert name.isascii() and name.isprintable()


def test_traced_numbers_share_a_program_and_shapes_do_not():
  trials = [
      {'optimizer.learning_rate': 1e-3, 'seed': 3}, {'optimizer.b1': 0.8},
      {'objective.rate': 0.4}, {'model.width': 32},
      {'optimizer.warmup_steps': 7}, {'optimizer.clip_norm': 0.0},
      {'model.width': 32, 'seed': 1}, {'data.batch_size': 64}]
  found = grouping.groups(grouping.experiments(base(), trials))
  assert found == [[0, 1, 2, 5], [3, 6], [4], [7]]
  assert grouping.groups(grouping.experiments(base(), trials), 3) == [
      [0, 1, 2], [5], [3, 6], [4], [7]]
  other = grouping.experiments(base(autoregressive.Objective()), [{}])
  assert grouping.signature(other[0]) != grouping.signature(base())
