"""Timing several programs in one interleaved run.

Each is a process of its own, which waits on its input between turns, so that
thread pools do not meet and whatever else the machine does falls on all.
"""

import os
import statistics
import subprocess
import sys
import time


class Worker:
  """A process that runs one step whenever it is told to."""

  def __init__(self, *command, **environment):
    self._process = subprocess.Popen(
        [sys.executable, *map(str, command)], text=True,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    self.seconds = []
    self._read()

  def turn(self):
    """Runs a step; its seconds are added to `seconds`."""
    self._process.stdin.write('\n')
    self._process.stdin.flush()
    self.seconds.append(self._read())

  def close(self):
    self._process.stdin.close()
    self._process.wait()

  def _read(self):
    for line in self._process.stdout:
      if line.startswith('seconds '):
        return float(line.split()[1])
    raise SystemExit('a worker ended early; its own message is above')


def serve(step, warm_up=2):
  """The worker's side: runs `step()`, which must wait for its result."""
  for _ in range(warm_up):
    step()
  print('seconds 0', flush=True)
  for _ in sys.stdin:
    start = time.perf_counter()
    step()
    print('seconds', time.perf_counter() - start, flush=True)


def interleave(workers, rounds):
  """Takes turns; the first round of each is not counted.

  Args:
    workers: `{name: Worker}`.
    rounds: turns of each.

  Returns:
    `{name: median seconds}`; and the same of as many turns in a row at the
    start, which shows what interleaving itself costs.
  """
  alone = {}
  for name, worker in workers.items():
    for _ in range(min(rounds, 4)):
      worker.turn()
    alone[name] = statistics.median(worker.seconds[1:] or worker.seconds)
    worker.seconds.clear()
  for _ in range(rounds):
    for worker in workers.values():
      worker.turn()
  return {name: statistics.median(worker.seconds)
          for name, worker in workers.items()}, alone
