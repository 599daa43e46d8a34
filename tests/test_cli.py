"""The command line as a user sees it: exit codes, one line, no surprises.
"""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from ptm_jax import __main__, command_line

ROOT = pathlib.Path(__file__).parent.parent
BERT = f'--config={ROOT / "experiments/roberta.py"}:tiny'
COMPARE = f'--config={ROOT / "experiments/compare_objectives.py"}:tiny'


def run(capsys, *argv):
  code = __main__.main(list(argv))
  out, err = capsys.readouterr()
  return code, out, err


@pytest.mark.parametrize('argv', [
    ['--help'], ['--version'], ['list'], ['list', '--json'],
    ['pretrain', '--help'], ['compare', '--help'], ['report', '--help'],
    ['list', '--help'], ['list', 'objectives'], ['pretrain', BERT, '--help'],
    ['compare', '--help', COMPARE]])
def test_help_and_list_exit_0(capsys, argv):
  code, out, err = run(capsys, *argv)
  assert code == 0 and out and not err


def test_help_shows_settings_with_their_defaults(capsys):
  _, out, _ = run(capsys, 'pretrain', BERT, '--help')
  assert "--config.objective.rate=0.15" in out
  assert "--config.model.norm_position='post'" in out


@pytest.mark.parametrize('argv,code,found', [
    (['pretain'], 2, "did you mean 'pretrain'"),
    (['pretrain'], 2, '--config is missing'),
    (['pretrain', '--config=nowhere.py'], 2, 'there is no file nowhere.py'),
    (['pretrain', f'--config={__file__}'], 2, 'no get_config'),
    (['pretrain', BERT[:-4] + 'tinny'], 2, 'did you mean tiny'),
    (['pretrain', BERT + ',corpus=txt'], 2, "did you mean 'text'"),
    (['pretrain', BERT], 2, '--workdir is missing'),
    (['pretrain', BERT, '--wrkdir=x'], 2, 'nearest: --workdir'),
    (['pretrain', BERT, '--config.modle.width=3'], 2,
     'nearest: --config.model.width'),
    (['pretrain', BERT, '--config.model.widht=3'], 2,
     'nearest: --config.model.width'),
    (['pretrain', '--config=:tiny'], 2, 'before the colon'),
    (['pretrain', BERT + ',small'], 2, 'chooses twice'),
    (['pretrain', BERT, '--config.num_steps=1e3'], 2, '1e3'),
    (['pretrain', BERT, '--config.objective=masked'], 2,
     'set its fields, such as --config.objective.rate'),
    (['pretrain', BERT, '--dry_run=maybe'], 2, 'expected true or false'),
    (['pretrain', BERT, '--workdir'], 2, '--workdir'),
    (['pretrain', BERT, '--workdir=x', '--init_from=nowhere'], 4,
     '--init_from=nowhere is no work directory'),
    (['pretrain', BERT, '--config.evaluation.tasks=docstring_library,x'], 2,
     "no 'x' among tasks"),
    (['compare', COMPARE, '--config.seeds=1,x'], 2, 'each must be int'),
    (['compare', COMPARE, '--config.seeds='], 2, 'not empty'),
    (['pretrain', BERT, '--config.model.width=x'], 2, 'model.width'),
    (['pretrain', BERT, 'extra'], 2, "unexpected argument 'extra'"),
    (['pretrain', BERT, '--workdir=x', '--config.model.num_heads=5'], 2,
     'num_heads=5'),
    (['pretrain', BERT, '--workdir=x', '--config.objective.rate=-1'], 2,
     'rate=-1'),
    (['pretrain', BERT, '--workdir=x', '--config.data.raw_length=600'], 2,
     '602 positions'),
    (['pretrain', BERT, '--workdir=x', '--config.model.form=decoder'], 2,
     'it fits encoder'),
    (['pretrain', BERT, '--workdir=x', '--config.tokenizer.vocab_size=100'],
     2, 'too small'),
    (['pretrain', BERT + ',corpus=text', '--workdir=x'], 2, 'corpus.path'),
    (['pretrain', BERT + ',corpus=text', '--workdir=x',
      '--config.corpus.path=/nowhere/*.txt'], 3, 'names no text file'),
    (['pretrain', COMPARE], 2, 'use the verb compare'),
    (['compare', BERT], 2, 'use the verb pretrain'),
    (['compare', COMPARE, '--workdir=x', '--config.runs.masked.rate=2'], 2,
     'rate=2'),
    (['compare', COMPARE, '--config.runs.maskd.rate=0.4'], 2,
     'nearest: --config.runs.masked.rate'),
    (['report'], 2, '--workdir is missing'),
    (['report', '--workdir=/nowhere'], 3, '/nowhere'),
    (['list', '--kind=objectivs'], 2, "did you mean 'objectives'?"),
    (['list', 'objectivs'], 2, "did you mean 'objectives'?"),
    (['list', 'xyz'], 2, "no 'xyz' to list: There are objectives, models"),
    (['list', 'tasks', 'models'], 2, "unexpected argument 'models'"),
])
def test_bad_input_is_one_line_and_the_right_code(capsys, monkeypatch,
                                                  tmp_path, argv, code,
                                                  found):
  monkeypatch.chdir(tmp_path)
  got, out, err = run(capsys, *argv)
  assert found in err, err
  assert got == code
  assert len(err.strip().splitlines()) == 1 and not out
  assert not list(tmp_path.rglob('checkpoints')), 'something was started'


def test_overrides_reach_nested_fields():
  verb = __main__.find('verbs', 'compare')
  flags = command_line.parse(
      verb, [COMPARE, '--config.runs.masked.rate=0.4',
             '--config.base.model.width=32', '--config.seeds=1,2'])
  assert flags.config.runs['masked'].rate == 0.4
  assert flags.config.base.model.width == 32
  assert flags.config.seeds == (1, 2)
  flags = command_line.parse(
      verb, [COMPARE, '--config.base.evaluation.tasks=a, b'])
  assert flags.config.base.evaluation.tasks == ('a', 'b')


def test_dry_run_writes_nothing(capsys, monkeypatch, tmp_path):
  monkeypatch.chdir(tmp_path)
  code, out, _ = run(capsys, 'pretrain', BERT, '--dry_run')
  assert code == 0 and not list(tmp_path.iterdir())
  for label in ('parameters', 'total flops', 'peak memory', 'seconds', 'disk'):
    assert label in out
  assert not re.search(r' 0\.0+ ', out)  # a tiny run costs something too


def test_an_experiment_file_is_a_binary():
  done = subprocess.run(
      [sys.executable, str(ROOT / 'experiments/gpt.py'), '--config=:tiny',
       '--help'], capture_output=True, text=True, check=False,
      env=dict(os.environ, PYTHONPATH=str(ROOT)))
  assert done.returncode == 0, done.stderr
  assert '--config.optimizer.schedule' in done.stdout
  assert 'autoregressive' not in done.stderr
