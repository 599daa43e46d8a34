"""Settings of jax for every command: the other processes, and where compiled
programs are kept."""


def configure():
  """Joins the other processes if there are any, and keeps compiled programs
  on disk, so that a second start is fast.

  Raises:
    ConfigError: other processes were announced and cannot be joined.
  """
  import jax

  from ptm_jax import processes
  from ptm_jax.data.documents import cache_dir
  jax.config.update('jax_compilation_cache_dir', str(cache_dir() / 'xla'))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.3)
  processes.join()
