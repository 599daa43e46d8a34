"""`list models`: named models have as many parameters as their papers say."""

import dataclasses
import json
import pathlib

import pytest

from ptm_jax import __main__, budget
from ptm_jax.command_line import load_config
from ptm_jax.data.vocabulary import Vocabulary

EXPERIMENTS = pathlib.Path(__file__).parent.parent / 'experiments'
# Millions, as published, of the base, or the one size of a paper. BERT-wwm,
# ERNIE, XLNet and MASS name none of their own; ELMo is built otherwise here,
# GPT-BERT without gates; PEGASUS's is below; tables of words have none.
PUBLISHED = {'albert': 12, 'bart': 140, 'bert': 110, 'deberta': 139,
             'electra': 14, 'glm': 110, 'gpt': 117, 'gpt2': 124, 'mpnet': 110,
             'roberta': 125, 'spanbert': 110, 'structbert': 110,
             'switch': 7400, 't5': 220, 'transformer': 65,
             'transformer_xl': 151, 'unilm': 340}
# Of larger models that the same papers have.
_LARGE = {'depth': 24, 'width': 1024, 'num_heads': 16}
LARGER = [
    ('albert', dict(_LARGE), 18),
    ('albert', {'depth': 24, 'width': 2048, 'num_heads': 16}, 60),
    ('bart', dict(_LARGE), 400), ('bert', dict(_LARGE), 340),
    ('electra', dict(_LARGE, mlp_dim=4096, embedding_width=1024), 335),
    ('glm', dict(_LARGE), 335), ('gpt2', dict(_LARGE), 355),
    ('gpt2', {'depth': 48, 'width': 1600, 'num_heads': 25}, 1542),
    # With 96 thousand pieces; the published 223 of the base has fewer.
    ('pegasus', {'depth': 32, 'width': 1024, 'num_heads': 16, 'mlp_dim': 4096},
     568),
    ('roberta', dict(_LARGE), 355), ('spanbert', dict(_LARGE), 340),
    ('structbert', dict(_LARGE), 340),
    ('t5', {'depth': 12, 'width': 512, 'num_heads': 8, 'mlp_dim': 2048}, 60),
    ('t5', {'depth': 48, 'width': 1024, 'num_heads': 32, 'head_dim': 128,
            'mlp_dim': 16_384}, 2800),
    ('transformer', {'width': 1024, 'num_heads': 16, 'mlp_dim': 4096}, 213),
    ('ul2', {'depth': 64, 'width': 4096, 'num_heads': 16, 'head_dim': 256,
             'mlp_dim': 16_384}, 20_000)]
# Their papers count a dense layer on the first state, a head here.
POOLED = ('albert', 'bert', 'spanbert', 'structbert', 'unilm')


def pooler(name, width):
  return width**2 if name in POOLED else 0


@pytest.fixture(scope='module')
def listed():
  """What `list models --json` prints."""
  with pytest.MonkeyPatch.context() as patch:
    printed = []
    patch.setattr('builtins.print', lambda text, **_: printed.append(text))
    assert __main__.main(['list', 'models', '--json',
                          f'--folder={EXPERIMENTS}']) == 0
  return json.loads(printed[0])['models']


@pytest.mark.parametrize('name', PUBLISHED)
def test_base_is_as_large_as_published(listed, name):
  width = load_config(f'{EXPERIMENTS / name}.py').model.width
  # The ids of special tokens and the paper's rounding: within 4 %.
  assert (listed[name]['base'] + pooler(name, width)) / 1e6 == pytest.approx(
      PUBLISHED[name], rel=.04)


@pytest.mark.parametrize('name,fields,millions', LARGER)
def test_larger_models_are_the_same_with_other_numbers(name, fields, millions):
  experiment = load_config(f'{EXPERIMENTS / name}.py')
  # Scanned layers are traced once; layers that are shared are already.
  model = dataclasses.replace(experiment.model, **fields,
                              scan_layers=not experiment.model.share_layers)
  bound = experiment.objective.bind(
      model, Vocabulary(experiment.tokenizer.vocab_size),
      experiment.data.raw_length)
  counted = budget.num_parameters(bound)[1] + pooler(name, model.width)
  assert counted / 1e6 == pytest.approx(millions, rel=.04)


def test_every_model_has_its_sizes_and_studies_are_none(listed):
  files = {path.stem for path in EXPERIMENTS.glob('*.py')}
  assert set(listed) == {name for name in files if not name.startswith(
      ('sweep_', 'compare_', 'floors', 'albert_table5'))}
  for row in listed.values():
    assert row['tiny'] < row['small'] < row['base'] and row['summary']


def test_the_readme_has_the_objectives_as_they_are(capsys):
  """After a change: `python -m ptm_jax list objectives --markdown`."""
  assert __main__.main(['list', 'objectives', '--markdown',
                        f'--folder={EXPERIMENTS}']) == 0
  table = capsys.readouterr().out
  assert '| `masked` | encoder | 1810.04805' in table
  assert table in (EXPERIMENTS.parent / 'README.md').read_text(
      encoding='utf8')


def test_where_objectives_compose(capsys):
  assert __main__.main(['list', 'objectives', '--json']) == 0
  rows = json.loads(capsys.readouterr().out)['objectives']
  assert rows['masked']['sum'] == ['changes']
  assert rows['next_sentence']['sum'] == ['arranges']
  assert rows['masked']['mixture'] == ['encoder']
  assert 'mixture' not in rows['replaced_token']
  assert [rows[name]['floor'] for name in (
      'masked', 'replaced_token', 'electric')] == ['exact', 'bounds', None]
  for name in 'autoregressive', 'span_corruption', 'sum':
    assert 'sum' not in rows[name]
  assert __main__.main(['list', 'models', '--markdown']) == 2
