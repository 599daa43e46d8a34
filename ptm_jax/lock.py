"""One process per work directory.

The kernel holds the lock (flock on the file `lock`) and drops it when the
process ends, however it ends. The file says who: host and process id, so the
message can name the holder. A file left by a process that was killed locks
nothing; the next one takes it over.
"""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import socket
import time

from ptm_jax.errors import CheckpointError, ConfigError

_POLL = 0.1  # seconds between two tries of one who waits
# What a file system without flock answers (some network file systems).
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Held(ConfigError):
  """Another process holds the directory."""


@contextlib.contextmanager
def hold(directory, patient=False):
  """Holds a work directory, which is made when it does not exist.

  Args:
    directory: of one run. When several processes train one run together,
      only the first of them holds it.
    patient: whether to wait for another process that holds it.

  Raises:
    Held: another process, or this one, holds it; the message names
      the holder.
    CheckpointError: the directory cannot be written.
  """
  directory = pathlib.Path(directory)
  path = directory / 'lock'
  try:
    directory.mkdir(parents=True, exist_ok=True)
    file = open(path, 'a+', encoding='utf8')
  except OSError as error:
    raise CheckpointError(f'cannot write in the work directory {directory}: '
                          f'{error.strerror}') from error
  with file:
    while True:
      try:
        _take(file, directory)
        break
      except Held:
        if not patient:
          raise
        time.sleep(_POLL)
    try:
      _write(file, {'host': socket.gethostname(), 'pid': os.getpid()})
      yield
    finally:
      # Emptied, not deleted: a deleted file could be locked by one process
      # while another makes and locks a new one.
      with contextlib.suppress(OSError):
        _write(file, None)


def _take(file, directory):
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    raise Held(_held(directory, _holder(file))) from None
  except OSError as error:
    if error.errno not in _UNSUPPORTED:
      raise CheckpointError(
          f'cannot lock {directory}: {error.strerror}') from error
    # Without flock the file's text is all there is.
    holder = _holder(file)
    if holder and (holder['host'] != socket.gethostname()
                   or _runs(holder['pid'])):
      raise Held(
          f'{_held(directory, holder)} (this file system cannot lock: if that '
          f'process is gone, delete {directory / "lock"})') from None


def _held(directory, holder):
  if not holder:
    return (f'{directory} is in use by another process: wait for it, or use '
            'another --workdir')
  host, pid = holder['host'], holder['pid']
  if host == socket.gethostname() and not _runs(pid):
    return (f'{directory} is in use by a process that pid {pid} on {host} '
            f'left behind (fuser {directory / "lock"} finds it): end it, or '
            'use another --workdir')
  return (f'{directory} is in use by pid {pid} on {host}: wait for it, stop '
          'it, or use another --workdir')


def _holder(file):
  """`{'host', 'pid'}` as the file says, or None."""
  try:
    file.seek(0)
    values = json.loads(file.read(1000))
    return {'host': str(values['host']), 'pid': int(values['pid'])}
  except (OSError, ValueError, KeyError, TypeError, OverflowError,
          RecursionError):
    return None


def _runs(pid):
  try:
    os.kill(pid, 0)
  except (ProcessLookupError, OverflowError):
    return False
  except PermissionError:
    pass
  return True


def _write(file, values):
  file.seek(0)
  file.truncate()
  if values is not None:
    file.write(json.dumps(values) + '\n')
  file.flush()
