"""Settings of all tests: one CPU device, strict shapes, quick compilations."""

import gc
import os
import pathlib
import subprocess
import zlib

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# A test's program runs for milliseconds and compiles for seconds: without
# LLVM's optimisations it compiles in a seventh of the time. XLA_FLAGS= in the
# environment compiles as users do; the slow tests of .ci/run are run so.
QUICK = ' '.join((
    '--xla_backend_optimization_level=0',
    '--xla_llvm_disable_expensive_passes=true',
    '--xla_cpu_use_fusion_emitters=false',
    '--xla_cpu_parallel_codegen_split_count=1'))
os.environ.setdefault('XLA_FLAGS', QUICK)

import jax  # noqa: E402  (after the platform is chosen)
import pytest  # noqa: E402

from ptm_jax import setup_jax  # noqa: E402

ROOT = pathlib.Path(__file__).parent.parent
DATA = ROOT.parent / 'shared' / 'data'

# Compiled programs and traces stay, millions of objects that each full
# collection goes through in vain.
gc.set_threshold(100_000, 20, 50)

setup_jax.configure()
jax.config.update('jax_numpy_rank_promotion', 'raise')


@pytest.fixture
def shared_data():
  """The folder of real data; a test is skipped where it is absent."""
  if not DATA.is_dir():
    pytest.skip(f'no real data at {DATA}')
  return DATA


def pytest_addoption(parser):
  parser.addoption('--rotate', action='store_true',
                   help='of the slow tests: those of changed objectives and a '
                        'third of the rest, chosen by the commit')


def pytest_collection_modifyitems(config, items):
  if not config.getoption('--rotate'):
    return
  commit = _git('rev-parse', 'HEAD').strip()
  changed = _git('diff', '--name-only', 'HEAD~1', 'HEAD').split()
  turn = int(commit[:8] or '0', 16) % 3
  names = {pathlib.Path(name).stem for name in changed
           if name.startswith('ptm_jax/objectives/')}
  kept, left = [], []
  for item in items:
    wanted = (any(name in item.nodeid for name in names)
              or 'slow' not in item.keywords
              or zlib.crc32(item.nodeid.encode()) % 3 == turn)
    (kept if wanted else left).append(item)
  config.hook.pytest_deselected(items=left)
  items[:] = kept


def _git(*arguments):
  try:
    return subprocess.run(['git', *arguments], cwd=ROOT, text=True,
                          capture_output=True, check=False).stdout
  except OSError:
    return ''
