"""jit on one device = data parallel = fsdp = pmap = micro-batches = a trial,
and a run that went through a checkpoint ends in the same bits.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from ptm_jax.find import names
from tests.conftest import QUICK

ROOT = pathlib.Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.parametrize('objective', names('objectives'))
def test_modes_agree(objective):
  """To 1e-5 relative over 5 steps with dropout; a resumed run is bit-equal."""
  env = dict(os.environ, JAX_PLATFORMS='cpu', PYTHONPATH=str(ROOT),
             XLA_FLAGS=f'{QUICK} --xla_force_host_platform_device_count=8')
  done = subprocess.run(
      [sys.executable, '-m', 'tests.modes_worker', objective], cwd=ROOT,
      env=env, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr[-2000:]
  found = json.loads(done.stdout.splitlines()[-1])
  assert found.pop('objective') == objective and found.pop('devices') == 8
  assert found.pop('resumed') == 0
  assert set(found) >= {'data', 'fsdp', 'pmap', 'micro_batches', 'trials'}
  for mode, difference in found.items():
    assert difference < 1e-5, f'{mode}: {difference}'
