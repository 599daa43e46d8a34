"""Settings: they round-trip, refuse what cannot work, and name the nearest.
"""

import dataclasses
import json
import pathlib

import pytest

from ptm_jax import command_line, config, presets, serialize
from ptm_jax.data.corpora import python_docs
from ptm_jax.errors import ConfigError, PtmError
from ptm_jax.objectives import masked
from ptm_jax.sources import markov

EXPERIMENTS = sorted(
    (pathlib.Path(__file__).parent.parent / 'experiments').glob('*.py'))


def experiment(**fields):
  return config.Experiment(masked.Objective(), python_docs.Corpus(), **fields)


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda p: p.stem)
@pytest.mark.parametrize('size', ['', 'small', 'tiny'])
def test_experiment_files_validate_and_round_trip(path, size):
  try:
    settings = command_line.load_config(f'{path}:{size}')
  except ConfigError:
    assert path.stem.startswith(('compare', 'sweep', 'floors')) and size == 'small'
    return
  settings.validate()
  written = json.loads(json.dumps(serialize.to_json(settings)))
  assert serialize.from_json(written) == settings
  assert not serialize.differences(settings, serialize.from_json(written))


@pytest.mark.parametrize('change,found', [
    (lambda e: setattr(e.model, 'num_heads', 5), 'num_heads=5'),
    (lambda e: setattr(e.model, 'num_heads', 0), 'num_heads=0'),
    (lambda e: setattr(e.model, 'width', -64), 'width=-64'),
    (lambda e: setattr(e.model, 'num_kv_heads', 3), 'num_kv_heads=3'),
    (lambda e: setattr(e.model, 'activation', 'gleu'), 'did you mean ge'),
    (lambda e: setattr(e.model, 'norm', 'batch'), "norm='batch'"),
    (lambda e: setattr(e.model, 'dropout', 1.0), 'dropout=1.0'),
    (lambda e: setattr(e.model, 'num_token_types', -1), 'num_token_types=-1'),
    (lambda e: setattr(e.model, 'mlp_dim', 0), 'mlp_dim=0'),
    (lambda e: (setattr(e.model, 'positions', 'rotary'),
                setattr(e.model, 'width', 6)), 'even head width'),
    (lambda e: setattr(e.tokenizer, 'kind', 'word'), "kind='word'"),
    (lambda e: setattr(e.tokenizer, 'vocab_size', 0), 'vocab_size=0'),
    (lambda e: setattr(e.data, 'raw_length', 2), 'raw_length=2'),
    (lambda e: setattr(e.data, 'batch_size', 0), 'batch_size=0'),
    (lambda e: setattr(e.data, 'packing', 'pack'), 'did you mean packed'),
    (lambda e: setattr(e.optimizer, 'name', 'adam'), 'did you mean adam'),
    (lambda e: setattr(e.optimizer, 'learning_rate', -1.0), 'learning_rate'),
    (lambda e: setattr(e.optimizer, 'b1', 1.0), 'b1=1.0'),
    (lambda e: setattr(e.optimizer, 'clip_norm', -1.0), 'clip_norm=-1.0'),
    (lambda e: setattr(e.optimizer, 'decay_share', 0.0), 'decay_share=0.0'),
    (lambda e: setattr(e.budget, 'clock', 'hours'), "clock='hours'"),
    (lambda e: setattr(e.budget, 'clock', 'tokens'), 'budget.amount'),
    (lambda e: setattr(e.compute, 'mode', 'xmap'), "mode='xmap'"),
    (lambda e: setattr(e.compute, 'micro_batches', 5), 'micro_batches=5'),
    (lambda e: setattr(e.checkpoints, 'keep', 0), 'keep=0'),
    (lambda e: setattr(e.evaluation, 'num_batches', 0), 'num_batches=0'),
    (lambda e: setattr(e.evaluation, 'tasks', ('glue',)), "no 'glue'"),
    (lambda e: setattr(e, 'num_steps', 0), 'num_steps=0'),
    (lambda e: setattr(e, 'seed', -1), 'seed=-1'),
    (lambda e: setattr(e.objective, 'rate', -0.1), 'rate=-0.1'),
])
def test_what_cannot_work_is_refused_by_value(change, found):
  settings = experiment()
  settings.validate()
  change(settings)
  with pytest.raises(ConfigError, match=found.replace('(', r'\(')):
    settings.validate()


def test_unknown_field_in_json_names_the_nearest():
  values = serialize.to_json(experiment())
  values['model']['widht'] = 3
  with pytest.raises(ConfigError, match='nearest: width'):
    serialize.from_json(values)


@pytest.mark.parametrize('kind', [
    'objectives/../../os', 'os/system', 'objectives/nothing', 'Popen', 3, []])
def test_a_type_in_json_names_a_component_or_nothing(kind):
  with pytest.raises(PtmError):
    serialize.from_json({'type': kind})


def test_comparison_gives_each_run_its_rate_and_seed():
  comparison = config.Comparison(
      experiment(), {'a': masked.Objective(rate=0.4), 'b': masked.Objective()},
      {'a': 0.1})
  one = comparison.experiment('a', 2)
  assert (one.objective.rate, one.optimizer.learning_rate, one.seed) == (
      0.4, 0.1, 2)
  assert comparison.experiment('b', 0).optimizer.learning_rate == 1e-3
  assert comparison.base.seed == 0, 'the base must not change'


@pytest.mark.parametrize('fields,found', [
    ({'runs': {}}, 'at least one'), ({'seeds': (0, 0)}, 'different'),
    ({'seeds': ()}, 'not empty'), ({'learning_rates': {'c': 1.0}}, "'c'"),
    ({'runs': {'../x': masked.Objective()}}, 'folder')])
def test_comparisons_are_checked(fields, found):
  values = {'runs': {'a': masked.Objective()}, **fields}
  with pytest.raises(ConfigError, match=found):
    config.Comparison(experiment(), **values).validate()


def test_differences_are_named():
  other = dataclasses.replace(experiment(), num_steps=7)
  other.model = dataclasses.replace(other.model, width=32)
  assert serialize.differences(experiment(), other) == {
      'model.width': (64, 32), 'num_steps': (50, 7)}


def test_a_sources_name_stands_for_its_corpus():
  _, kinds = presets.parse('tiny,corpus=markov')
  assert kinds['corpus'].source == markov.Source()


def test_a_task_that_needs_files_is_not_scored_within_a_run():
  with pytest.raises(ConfigError, match='cola is not scored within a run'):
    config.Evaluation(tasks=('cola',)).validate()
  config.Evaluation(tasks=('docstring_library',)).validate()
