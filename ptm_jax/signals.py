"""SIGTERM and SIGINT: save and exit 75, or leave at once.

While the training loop runs, a signal is noted and the loop saves after its
step. Everywhere else nothing new is to be saved, and a watcher thread ends
the process at once, whatever the main thread is doing: it may be deep in a
compilation, and an exception thrown into an import or a library's callback
leaves worse than nothing. A second signal ends it without waiting.

Always the exit code is 75: the same command goes on.
"""

import contextlib
import os
import signal
import sys
import threading
import time

from ptm_jax.errors import Stopped

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Seconds in which more signals count as the same: `timeout` and some batch
# systems signal a process and then its group, and so the process twice.
_SAME = 0.1
_active = None


@contextlib.contextmanager
def watch(ends_process=False):
  """Watches for both signals; inside another `watch` it gives that one.

  Outside the main thread, which alone can, it watches nothing.

  Args:
    ends_process: whether the process is ours to end, as a command's is; else,
      as in a notebook, the main thread gets `Stopped` when it next listens.

  Yields:
    `Signals`.
  """
  global _active
  if _active or threading.current_thread() is not threading.main_thread():
    yield _active or Signals(False)
    return
  _active = Signals(ends_process)
  try:
    with _active.installed():
      yield _active
  finally:
    _active = None


class Signals:
  """What came, and what it should do.

  Args:
    ends_process: as for `watch`.

  Attributes:
    received: name of the signal that asked for a stop, or ''.
  """

  def __init__(self, ends_process):
    self.received = ''
    self._ends_process = ends_process
    self._deferred = False

  @contextlib.contextmanager
  def deferred(self):
    """Inside, a signal is only noted: the caller saves and then stops.

    Raises:
      Stopped: a signal came before, or too late for the caller to see it.
    """
    self._deferred = True
    try:
      self._check()
      yield
      self._check()
    finally:
      self._deferred = False

  @contextlib.contextmanager
  def installed(self):
    """Handles the signals inside; the handlers of before come back."""
    # The interpreter's own handler writes a signal's number to this pipe at
    # once, whatever the main thread is doing.
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    before = {number: signal.signal(number, self._handle)
              for number in _SIGNALS}
    wakeup = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    watcher = threading.Thread(target=self._watch, args=(receiver,),
                               name='signals', daemon=True)
    watcher.start()
    try:
      yield
    finally:
      signal.set_wakeup_fd(wakeup)
      for number, handler in before.items():
        signal.signal(number, handler)
      os.close(sender)  # ends the watcher
      watcher.join()

  def _handle(self, number, frame):
    """In the main thread, once it listens."""
    del frame
    self.received = self.received or signal.Signals(number).name
    if not self._deferred and not self._ends_process:
      self._check()

  def _watch(self, receiver):
    """In a thread of its own, at once."""
    first = None
    with open(receiver, 'rb', buffering=0) as pipe:
      while data := pipe.read(1):
        if data[0] not in _SIGNALS:
          continue
        self.received = self.received or signal.Signals(data[0]).name
        if not self._deferred and self._ends_process:
          _end(self._stopped())
        first = first or time.monotonic()
        if time.monotonic() - first > _SAME:
          _end('a second signal: stopped without saving')

  def _check(self):
    if self.received:
      raise self._stopped()

  def _stopped(self):
    return Stopped(f'stopped by {self.received}: there was nothing new to '
                   'save; run the same command to go on')


def _end(message):
  """Ends the process from any thread."""
  if sys.stderr.isatty():
    sys.stderr.write('\r\x1b[?25h')  # a live line had hidden the cursor
  print(f'ptm_jax: {message}', file=sys.stderr, flush=True)
  os._exit(Stopped.exit_code)
