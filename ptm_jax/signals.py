"""SIGTERM and SIGINT: save and exit 75, or leave at once.

Before training, where nothing new is to be saved, a signal ends the run at
once; in the loop it is noted and the loop saves after its step. A second
signal stops the process without waiting.
"""

import os
import signal
import threading

from ptm_jax.errors import Stopped

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Signals:
  """Context manager; outside the main thread it only waits.

  Attributes:
    received: name of the signal that asked for a stop, or ''.
  """

  def __init__(self):
    self.received = ''
    self._deferred = False
    self._before = {}

  def __enter__(self):
    if threading.current_thread() is threading.main_thread():
      for number in _SIGNALS:
        self._before[number] = signal.signal(number, self._handle)
    return self

  def __exit__(self, *_):
    for number, handler in self._before.items():
      signal.signal(number, handler)

  def defer(self):
    """From now on a signal is noted, and the loop saves before it ends."""
    self._deferred = True

  def _handle(self, number, frame):
    del frame
    if self.received:
      os._exit(Stopped.exit_code)
    self.received = signal.Signals(number).name
    if not self._deferred:
      raise Stopped(f'stopped by {self.received} before training: there is '
                    'nothing to save')
