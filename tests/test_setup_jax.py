"""Settings of the process: freed memory is reused."""

import ctypes
import subprocess
import sys

import pytest

# Touches 64 MiB, frees them and touches as many again.
_TWICE = '''
import resource
import numpy as np
from ptm_jax import setup_jax
setup_jax.configure()
def faults():
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  np.ones(2**23)
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
'''


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), 'mallopt'),
                    reason='the C library is not glibc')
def test_large_buffers_are_reused():
  # 16,384 pages of 4 KiB; none of them comes anew from the system.
  out = subprocess.run([sys.executable, '-c', _TWICE], check=True,
                       capture_output=True, text=True).stdout
  assert int(out) < 100
