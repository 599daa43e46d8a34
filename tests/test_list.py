"""`list models`: named models have as many parameters as their papers say."""

import json
import pathlib

import pytest

from ptm_jax import __main__

EXPERIMENTS = pathlib.Path(__file__).parent.parent / 'experiments'
# Millions, as published; of the base, the one size of a paper included.
PUBLISHED = {'gpt': 117, 'gpt2': 124, 'bert': 110, 'roberta': 125, 't5': 220,
             'electra': 14, 'unilm': 340, 'bart': 140, 'glm': 110}


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
  # Poolers, the ids of special tokens and the paper's rounding: within 4 %.
  assert listed[name]['base'] / 1e6 == pytest.approx(PUBLISHED[name], rel=.04)


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
  assert rows['masked']['sum'] == ['changes'] and rows['masked']['floor']
  assert rows['next_sentence']['sum'] == ['arranges']
  assert rows['masked']['mixture'] == ['encoder']
  assert 'mixture' not in rows['replaced_token']
  for name in 'autoregressive', 'span_corruption', 'sum':
    assert 'sum' not in rows[name]
  assert __main__.main(['list', 'models', '--markdown']) == 2
