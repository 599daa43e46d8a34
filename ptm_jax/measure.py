"""Which way of running trials in one program is the faster one here."""

import time

import jax

from ptm_jax import budget
from ptm_jax.compile import compile_program


def faster_program(setup, say=print, repeats=3):
  """Measures updates of a group both ways.

  Args:
    setup: `assemble.Setup` of the group.
    say: takes one line for the user.
    repeats: updates timed of each way; the fastest counts.

  Returns:
    The faster `compile.Program`, and whether it runs the trials one after the
    other.
  """
  count = len(setup.experiments)
  data = setup.experiments[0].data
  batch = budget.full_windows(setup.objective, data.batch_size)
  programs, seconds = {}, {}
  for mapped in (True, False):
    program = programs[mapped] = compile_program(
        setup.experiments[0], setup.objective, count, mapped=mapped)
    state = program.init([jax.random.key(0)] * count, setup.hparams)
    windows = program.put([batch] * count)
    seconds[mapped] = float('inf')
    for number in range(repeats + 1):
      start = time.perf_counter()
      state, _ = jax.block_until_ready(program.step(state, windows))
      if number:  # the first compiles
        seconds[mapped] = min(seconds[mapped], time.perf_counter() - start)
  mapped = seconds[True] <= seconds[False]
  say(f'{count} trials in one program: an update of all takes '
      f'{1e3 * seconds[True]:.1f} ms one after the other and '
      f'{1e3 * seconds[False]:.1f} ms as one batch: '
      + ('one after the other' if mapped else 'as one batch'))
  return programs[mapped], mapped
