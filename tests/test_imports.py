"""Imports go downward only; there is no junk drawer."""

import ast
import pathlib

import pytest

import ptm_jax

PACKAGE = pathlib.Path(ptm_jax.__file__).parent
# Lowest first; a module imports from its own level or from below.
LEVELS = (
    ('errors', 'checks', 'find', 'rng', 'model_config', 'config',
     'serialize', 'hyper', 'finetune_config'),
    ('sources',),
    ('data', 'losses', 'metrics', 'progress', 'models', 'lock', 'signals',
     'processes', 'manifest'),
    ('objectives', 'tasks', 'optimizers', 'sharding'),
    ('step', 'checkpoint', 'budget', 'workdir', 'leaks'),
    ('compile', 'evaluate', 'load', 'setup_jax', 'grouping', 'search',
     'posteriors', 'generation', 'convert'),
    ('assemble', 'transfer', 'questions', 'finetune_lora', 'floors',
     'statistics', 'report', 'inherit', 'finetune_step', 'finetune_data',
     'finetune_trials', 'finetune_probe', 'finetune_writing',
     'finetune_layers'),
    ('loop',),
    ('train',),
    ('compare', 'presets', 'replay', 'resume_proof', 'measure',
     'trial_entry', 'finetune'),
    ('sweeps', 'command_line', 'slurm'),
    ('scoring',),
    ('verbs',),
    ('__main__',),
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
FILES = sorted(PACKAGE.rglob('*.py'))


def part_of(path):
  relative = path.relative_to(PACKAGE)
  return relative.parts[0].removesuffix('.py')


def imported(path):
  """Top parts of ptm_jax that a file imports, anywhere in it."""
  for node in ast.walk(ast.parse(path.read_text(encoding='utf8'))):
    if isinstance(node, ast.Import):
      for alias in node.names:
        if alias.name.startswith('ptm_jax.'):
          yield alias.name.split('.')[1]
    elif isinstance(node, ast.ImportFrom):
      module = node.module or ''
      assert not node.level, f'{path}: a relative import'
      if module == 'ptm_jax':
        yield from (alias.name for alias in node.names
                    if alias.name != '__version__')
      elif module.startswith('ptm_jax.'):
        yield module.split('.')[1]


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(
    p.relative_to(PACKAGE)))
def test_imports_go_downward(path):
  part = part_of(path)
  if part == '__init__':
    return
  assert part in LEVEL, f'{part} has no level: add it to LEVELS'
  for name in imported(path):
    assert LEVEL[name] <= LEVEL[part], f'{path.name} imports {name} from above'


def test_no_file_is_a_junk_drawer_or_two_things():
  for path in FILES:
    assert path.stem not in ('utils', 'common', 'helpers', 'misc'), path
    lines = path.read_text(encoding='utf8').count('\n')
    assert lines <= 320, f'{path} has {lines} lines: it is two things'


def test_no_function_is_two_things():
  for path in FILES:
    for node in ast.walk(ast.parse(path.read_text(encoding='utf8'))):
      if isinstance(node, ast.FunctionDef):
        docstring = len((ast.get_docstring(node) or '').splitlines())
        lines = node.end_lineno - node.lineno + 1 - docstring
        assert lines <= 60, f'{path.name}: {node.name} has {lines} lines'


def test_no_two_objectives_hold_the_same_ten_lines():
  """A new variant is a field, what two share a file of its own."""
  found = {}
  for path in (PACKAGE / 'objectives').glob('*.py'):
    lines = [line.strip() for line in path.read_text(
        encoding='utf8').splitlines() if line.strip()]
    for start in range(len(lines) - 9):
      ten = tuple(lines[start:start + 10])
      assert found.setdefault(ten, path) == path, (
          f'{path.name} and {found[ten].name}:\n' + '\n'.join(ten))


def test_no_pickle_is_ever_read():
  for path in FILES:
    text = path.read_text(encoding='utf8')
    assert 'import pickle' not in text and 'allow_pickle=True' not in text, path


def test_load_is_a_function_whatever_was_imported():
  import ptm_jax.load
  assert callable(ptm_jax.load) and callable(ptm_jax.load)


def test_light_modules_do_not_wait_for_jax():
  """--help and list start in under a second: they must not import jax."""
  import subprocess
  import sys
  code = ('import sys; from ptm_jax import __main__; '
          "code = __main__.main(['list']); "
          "assert 'jax' not in sys.modules, 'jax was imported'; "
          'sys.exit(code)')
  done = subprocess.run([sys.executable, '-c', code], capture_output=True,
                        text=True, check=False, cwd=PACKAGE.parent)
  assert done.returncode == 0, done.stderr
  assert 'masked' in done.stdout
