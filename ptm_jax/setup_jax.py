"""Settings of the process and of jax for every command: freed memory, the other
processes, and where compiled programs are kept."""

import ctypes

# Numbers of glibc's `mallopt`.
_ARENA_MAX, _MMAP_MAX, _TRIM_THRESHOLD = -8, -4, -1


def configure():
  """Keeps freed memory, joins the other processes if there are any, and keeps
  compiled programs on disk, so that a second start is fast.

  Raises:
    ConfigError: other processes were announced and cannot be joined.
  """
  _keep_freed_memory()  # before jax has threads, each with its own heap
  import jax

  from ptm_jax import processes
  from ptm_jax.data.documents import cache_dir
  jax.config.update('jax_compilation_cache_dir', str(cache_dir() / 'xla'))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.3)
  processes.join()


def _keep_freed_memory():
  """Lets the C library reuse large buffers instead of giving them back.

  A step on a CPU allocates hundreds of MiB, and glibc by default takes them
  from the system anew in every step, which clears each page of them: a tenth
  to a fifth of a step's time. Where there is no glibc, nothing changes.
  """
  mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
  if mallopt:
    for parameter, value in ((_ARENA_MAX, 1), (_MMAP_MAX, 0),
                             (_TRIM_THRESHOLD, -1)):
      mallopt(parameter, value)
