"""What the user sees while waiting: a live line on a terminal, plain lines in
a file. It goes to stderr; nothing parses it.
"""

import contextlib
import sys
import time

_EVERY = 10.0  # seconds between two plain lines


class Progress:
  """The progress of a training run.

  Args:
    total_steps: updates in the run.
    label: what is trained.
    stream: stderr by default.
    start: the step that the run goes on from.
    clock: seconds, for tests.
    silent: whether nothing is shown.
  """

  def __init__(self, total_steps, label='', stream=None, start=0,
               clock=time.monotonic, silent=False):
    self._total, self._label = total_steps, label
    self._stream, self._clock = stream or sys.stderr, clock
    self._live, self._silent = None, silent
    self._last = self._printed = clock()
    self._step, self._pace = start, None
    if self._stream.isatty() and not silent:
      from rich.console import Console
      from rich.live import Live
      from rich.text import Text
      self._text = Text  # not markup: a label may hold brackets
      self._live = Live(console=Console(file=self._stream), transient=False,
                        refresh_per_second=4)
      self._live.start()

  def begin(self):
    """The first step starts now: what came before, such as compilation, is
    no part of the pace."""
    self._last = self._clock()

  def update(self, step, loss, tokens_per_second, peak_share):
    """Shows a step.

    Args:
      step: updates done.
      loss: of this step, nats.
      tokens_per_second: over all trials.
      peak_share: model FLOPs as a fraction of the machine's matmul peak.
    """
    now = self._clock()
    if step > self._step:
      pace = (now - self._last) / (step - self._step)
      self._pace = pace if self._pace is None else (
          0.9 * self._pace + 0.1 * pace)
    self._step, self._last = step, now
    line = (f'{self._label} step {step}/{self._total}  loss {loss:.3f}  '
            f'{tokens_per_second:,.0f} tokens/s  {peak_share:.0%} of peak  '
            f'{duration((self._total - step) * (self._pace or 0))} left')
    if self._live:
      self._live.update(self._text(line.strip()))
    elif not self._silent and (now - self._printed >= _EVERY
                               or step == self._total):
      self._printed = now
      print(line.strip(), file=self._stream, flush=True)

  def message(self, text):
    """Prints one line, the label before it, above the live one."""
    text = f'{self._label} {text}'.strip()
    if self._silent:
      return
    if self._live:
      self._live.console.print(text, markup=False, highlight=False)
    else:
      print(text, file=self._stream, flush=True)

  def close(self):
    """Leaves the last state on the screen."""
    if self._live:
      self._live.stop()


def duration(seconds):
  """Seconds as people read them: 42s, 3m05s, 2h07m."""
  seconds = int(seconds)
  if seconds < 60:
    return f'{seconds}s'
  if seconds < 3600:
    return f'{seconds // 60}m{seconds % 60:02}s'
  return f'{seconds // 3600}h{seconds % 3600 // 60:02}m'


@contextlib.contextmanager
def bar(label, unit='', stream=None):
  """Counts something whose total is unknown: `with bar('encoding') as add:`.

  Yields:
    a function that takes how much was done since its last call.
  """
  stream = stream or sys.stderr
  done, start, printed = 0.0, time.monotonic(), time.monotonic()

  def show(end):
    seconds = max(time.monotonic() - start, 1e-9)
    text = f'{label}: {done:,.1f} {unit}, {done / seconds:,.1f} {unit}/s'
    print(('\r' if stream.isatty() else '') + text, end=end, file=stream,
          flush=True)

  def add(amount):
    nonlocal done, printed
    done += amount
    every = 0.2 if stream.isatty() else _EVERY
    if time.monotonic() - printed >= every:
      printed = time.monotonic()
      show('' if stream.isatty() else '\n')

  yield add
  show('\n')
