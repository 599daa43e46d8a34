"""Several processes that train one run together, through `jax.distributed`.

Nothing in the library is told how many there are. Every process runs the
same program over all devices, prepares its own rows of a batch, and takes
part in every collective; the first one alone writes files, prints and holds
the work directory. With one process everything here is immediate.
"""

import os

import jax
import numpy as np

from ptm_jax.errors import ConfigError

# Where a launcher says how many processes it started; jax finds the rest.
_COUNTS = ('SLURM_STEP_NUM_TASKS', 'OMPI_COMM_WORLD_SIZE')
_OURS = ('JAX_COORDINATOR_ADDRESS', 'JAX_NUM_PROCESSES', 'JAX_PROCESS_ID')


def join():
  """Joins the other processes, if a launcher started several.

  Found are SLURM (`srun`), Open MPI, TPU pods of several hosts, and three
  variables for any other launcher: JAX_COORDINATOR_ADDRESS (host:port of the
  first process), JAX_NUM_PROCESSES and JAX_PROCESS_ID. Must come before
  anything else asks jax for its devices.

  Raises:
    ConfigError: the variables do not fit, or the others do not answer.
  """
  if jax.distributed.is_initialized():
    return
  # Its handler of SIGTERM would take the place of ours.
  jax.config.update('jax_enable_preemption_service', False)
  given = [name for name in _OURS if os.environ.get(name)]
  try:
    if given:
      missing = [name for name in _OURS if name not in given]
      if missing:
        raise ConfigError(f'{given[0]} is set, but {missing[0]} is not: set '
                          f'{", ".join(_OURS)}')
      address, count, index = (os.environ[name] for name in _OURS)
      if int(count) > 1:
        jax.distributed.initialize(address, int(count), int(index))
    elif any(int(os.environ.get(name) or 1) > 1 for name in _COUNTS) or (
        ',' in os.environ.get('TPU_WORKER_HOSTNAMES', '')):
      jax.distributed.initialize()
  except (ValueError, RuntimeError) as error:
    raise ConfigError('cannot join the other processes: '
                      f'{str(error).splitlines()[0]}') from error


def count():
  """How many processes train together."""
  return jax.process_count()


def is_first():
  """Whether this process writes files and prints."""
  return jax.process_index() == 0


def wait(what):
  """Waits until every process has come to `what`."""
  if count() > 1:
    from jax.experimental import multihost_utils
    multihost_utils.sync_global_devices(what)


def of_first(number):
  """The first process's number (int32 or float32), in every process."""
  if count() == 1:
    return number
  from jax.experimental import multihost_utils
  return multihost_utils.broadcast_one_to_all(np.asarray(number)).item()


def all_agree(fine):
  """Whether `fine` holds in every process; each must ask."""
  if count() == 1:
    return fine
  from jax.experimental import multihost_utils
  return bool(np.all(multihost_utils.process_allgather(np.asarray(fine))))


def my_rows(batch_size):
  """The slice of a batch's rows that this process's devices hold."""
  size = batch_size // count()
  start = jax.process_index() * size
  return slice(start, start + size)


def place(tree, sharding):
  """Host arrays that every process has in whole -> arrays on all devices."""
  if count() == 1:
    return jax.device_put(tree, sharding)
  return jax.tree.map(lambda x: jax.make_array_from_callback(
      np.shape(x), sharding, lambda index: np.asarray(x)[index]), tree)


def place_rows(tree, sharding):
  """Each process's own rows of a batch -> arrays over all devices."""
  if count() == 1:
    return jax.device_put(tree, sharding)
  return jax.tree.map(lambda x: jax.make_array_from_process_local_data(
      sharding, x), tree)


def on_host(tree):
  """Arrays, however they lie over the devices, as numpy in every process."""
  if count() == 1:
    return jax.device_get(tree)
  from jax.experimental import multihost_utils
  return multihost_utils.process_allgather(tree, tiled=True)


class Vote:
  """Whether any process wishes to stop, asked beside the steps.

  A wish is cast with one step and counted with the next, so that nothing
  waits and all processes stop after the same step.
  """

  def __init__(self):
    devices = np.asarray(jax.devices())
    mesh = jax.sharding.Mesh(devices, ('all',))
    self._split = jax.sharding.NamedSharding(
        mesh, jax.sharding.PartitionSpec('all'))
    self._any = jax.jit(lambda x: x.max(), out_shardings=(
        jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())))
    self._cast = None

  def ask(self, wish):
    """Casts this process's wish; returns what the last one came to."""
    last = self._cast
    self._cast = self._any(jax.make_array_from_process_local_data(
        self._split, np.full(jax.local_device_count(), wish, np.int32)))
    return last is not None and bool(last)
