"""ptm_jax: a laboratory for pre-training objectives in JAX."""

import importlib
import sys
import types

__version__ = '0.1.0'
__all__ = ['load', '__version__']


class _Package(types.ModuleType):
  """The package, with `load` imported when it is first used: commands such as
  --help must not wait for jax.

  A property, because importing the module `ptm_jax.load` from anywhere would
  otherwise put that module in the function's place.
  """

  @property
  def load(self):
    return importlib.import_module('ptm_jax.load').load

  @load.setter
  def load(self, module):
    del module  # What the import system sets; it stays in sys.modules.


sys.modules[__name__].__class__ = _Package
