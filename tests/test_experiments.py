"""Every experiment file: it says what it is, and its `:tiny` runs from the
command line to a report. The README's Python is run on what it left.
"""

import argparse
import ast
import json
import pathlib
import re
import subprocess

import pytest

from ptm_jax import __main__, find, serialize
from ptm_jax.command_line import load_plan

ROOT = pathlib.Path(__file__).parent.parent
EXPERIMENTS = sorted((ROOT / 'experiments').glob('*.py'))
COMPARISONS = ('albert_table5', 'compare_objectives', 'floors',
               'floors_sentences')
# Compiling one takes a quarter of a minute, so only these are trained by
# `make test`; of the floors `test_floors_rows` trains four.
QUICK = ('bert', 'transformer')
RUNS = [path if path.stem in QUICK
        else pytest.param(path, marks=pytest.mark.slow)
        for path in EXPERIMENTS if path.stem != 'floors']
BLOCKS = re.findall(r'```python\n(.*?)```',
                    (ROOT / 'README.md').read_text(encoding='utf8'), re.S)


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  """A little real text: two files of the standard library, in blocks."""
  folder = tmp_path_factory.mktemp('text')
  for module in argparse, subprocess:
    text = pathlib.Path(module.__file__).read_text(encoding='utf8')
    (folder / f'{module.__name__}.txt').write_text(text, encoding='utf8')
  return folder


def tiny(path, corpus, workdir):
  """The command line of two updates of an experiment's tiny variant."""
  if path.stem == 'ernie':  # entities of a user's text come from a file
    names = corpus.parent / 'names.txt'
    names.write_text('ArgumentParser\nTimeoutExpired\n', encoding='utf8')
    extra = [f'--config.objective.gazetteer={names}']
  else:
    extra = []
  compares = path.stem in COMPARISONS
  if path.stem == 'transformer':  # text alone has no translation
    return [
        'pretrain', f'--config={path}:tiny', '--config.num_steps=2',
        '--config.corpus.num_documents=500',
        '--config.evaluation.num_batches=1', f'--workdir={workdir}']
  if load_plan(str(path)):
    return [
        'sweep', f'--config={path}:tiny,corpus=text',
        f'--config.corpus.path={corpus}', '--config.num_steps=2',
        '--config.corpus.documents_are=block', '--config.evaluation.tasks=',
        '--config.evaluation.num_batches=1', f'--workdir={workdir}']
  base = '--config.base' if compares else '--config'
  clock = (['--config.base.budget.clock=steps', '--config.seeds=0']
           if compares else [])
  return [
      'compare' if compares else 'pretrain',
      f'--config={path}:tiny,corpus=text', f'{base}.corpus.path={corpus}',
      f'{base}.corpus.documents_are=block', f'{base}.num_steps=2',
      f'{base}.evaluation.num_batches=1', f'--workdir={workdir}',
      *clock, *extra]


@pytest.mark.parametrize('path', [
    pytest.param(path, marks=pytest.mark.slow) if path.stem == 'floors'
    else path for path in EXPERIMENTS if path.stem not in QUICK],
                         ids=lambda p: p.stem)
def test_tiny_is_what_can_be_run(path, corpus, tmp_path, monkeypatch, capsys):
  """All before the corpus is read and anything compiled: the settings fit
  each other, and the loss is traced to count its products."""
  monkeypatch.chdir(tmp_path)
  assert __main__.main([*tiny(path, corpus, 'run'), '--dry_run']) == 0
  assert re.search(r'num steps +2\n', capsys.readouterr().out)
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('path', RUNS, ids=lambda p: p.stem)
def test_tiny_runs_two_updates(path, corpus, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert __main__.main(tiny(path, corpus, f'runs/{path.stem}')) == 0
  workdir = tmp_path / 'runs' / path.stem
  results = json.loads((workdir / 'results.json').read_text())
  assert results['runs']
  for entry in results['runs']:
    assert entry['num_steps'] == 2 and entry['tokens_with_loss'] > 0
    assert entry['flops'] > 0 and entry['metrics']
    place = workdir / entry['workdir']
    assert serialize.read(place / 'config.json').seed == entry['seed']
    assert (place / 'metrics.jsonl').stat().st_size
  report = (workdir / 'report.html').read_text()
  assert ('Best of' if results['kind'] == 'sweep'
          else 'budget was too small') in report
  assert (workdir / 'report.md').exists()
  if path.stem == 'bert':
    scope = {}
    exec(BLOCKS[0], scope)  # pylint: disable=exec-used
    assert scope['states'].shape[::2] == (1, 64)
    assert scope['mask'].all()


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda p: p.stem)
def test_docstring_says_what_it_is(path):
  """Paper, command, time and result, so that nobody has to ask."""
  text = ast.get_docstring(ast.parse(path.read_text(encoding='utf8')))
  assert f'python experiments/{path.name}' in text
  assert re.search(r'^Times?:', text, re.M) and re.search(
      r'^Results?:', text, re.M)
  if path.stem not in COMPARISONS and not path.stem.startswith('sweep'):
    assert re.search(r'^Papers?:', text, re.M)
    assert 'base' in text.lower()


def test_the_objective_in_the_readme_trains(corpus, tmp_path, monkeypatch):
  """What the README calls the whole file is a whole file."""
  objectives = tmp_path / 'ptm_jax' / 'objectives'
  objectives.mkdir(parents=True)
  (objectives / 'substitution.py').write_text(BLOCKS[1])
  # The package looks there too, as if the file lay beside the others.
  import ptm_jax.objectives
  monkeypatch.setattr(ptm_jax.objectives, '__path__',
                      [*ptm_jax.objectives.__path__, str(objectives)])
  names = find.names
  monkeypatch.setattr(find, 'names', lambda folder: names(folder) + (
      ('substitution',) if folder == 'objectives' else ()))
  monkeypatch.chdir(tmp_path)
  assert __main__.main([
      'pretrain',
      f'--config={ROOT}/experiments/roberta.py:tiny,corpus=text,'
      'objective=substitution',
      f'--config.corpus.path={corpus}', '--config.corpus.documents_are=block',
      '--config.model.depth=1', '--config.num_steps=2',
      '--config.evaluation.num_batches=1', '--workdir=run']) == 0
  metrics = json.loads((tmp_path / 'run/results.json').read_text())[
      'runs'][0]['metrics']
  assert 0 < metrics['validation/substitution/nll'] < 2
