"""Settings of jax for every command: where compiled programs are kept."""


def configure():
  """Keeps compiled programs on disk, so that a second start is fast."""
  import jax

  from ptm_jax.data.documents import cache_dir
  jax.config.update('jax_compilation_cache_dir', str(cache_dir() / 'xla'))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.3)
