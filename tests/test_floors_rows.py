"""Four rows of the floors' table, as tiny, trained to their end."""

import json
import pathlib

import pytest

from ptm_jax import __main__, floors

FILE = pathlib.Path(__file__).parent.parent / 'experiments' / 'floors.py'
ROWS = ('autoregressive', 'masked', 'permutation', 'span_corruption')
# The same experiment with a few of its runs.
CONFIG = f"""
from ptm_jax import command_line

def get_config(arg=None):
  comparison = command_line.load_config({str(FILE)!r} + ':' + arg)
  comparison.runs = {{name: comparison.runs[name] for name in {ROWS!r}}}
  return comparison
"""


@pytest.mark.slow
def test_four_rows_lie_above_their_floors(tmp_path, capsys):
  file = tmp_path / 'four_rows.py'
  file.write_text(CONFIG, encoding='utf8')
  work = tmp_path / 'run'
  assert __main__.main(['compare', f'--config={file}:tiny',
                        f'--workdir={work}']) == 0
  runs = json.loads((work / 'results.json').read_text())['runs']
  assert tuple(run['name'] for run in runs) == ROWS
  for run in runs:
    found = run['metrics']
    (term,) = {name.split('/')[1] for name in found
               if name.startswith('floor/')}
    assert not floors.below(found) and found[f'floor/{term}/exact']
    assert found[f'floor/{term}/excess'] > 0 and found[
        f'floor/{term}/divergence'] > 0
  assert '## Distance from the floor' in (work / 'report.md').read_text()
