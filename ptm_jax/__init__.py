"""ptm_jax: a laboratory for pre-training objectives in JAX."""

__version__ = '0.1.0'
__all__ = ['load', '__version__']


def __getattr__(name):
  # Imported when first used: commands such as --help must not wait for jax.
  if name == 'load':
    import importlib
    return importlib.import_module('ptm_jax.load').load
  raise AttributeError(f'module ptm_jax has no attribute {name!r}')
