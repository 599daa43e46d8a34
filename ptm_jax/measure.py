"""Which way of running trials in one program is the faster one here."""

import time

import jax

from ptm_jax import budget
from ptm_jax.assemble import set_up
from ptm_jax.compile import compile_program


def faster_mapped(experiments, say=print, repeats=3):
  """Measures updates of a group both ways.

  Args:
    experiments: of the group.
    say: takes one line for the user.
    repeats: updates timed of each way; the fastest counts.

  Returns:
    True if one after the other is faster, False if as one batch.
  """
  setup = set_up(experiments)
  data = setup.experiments[0].data
  batch = budget.full_windows(setup.objective, data.batch_size)
  seconds = {}
  for mapped in (True, False):
    program = compile_program(setup.experiments[0], setup.objective,
                              len(experiments), mapped=mapped)
    state = program.init([jax.random.key(0)] * len(experiments),
                         setup.hparams)
    windows = program.put([batch] * len(experiments))
    seconds[mapped] = float('inf')
    for number in range(repeats + 1):
      start = time.perf_counter()
      state, _ = jax.block_until_ready(program.step(state, windows))
      if number:  # the first compiles
        seconds[mapped] = min(seconds[mapped], time.perf_counter() - start)
  mapped = seconds[True] <= seconds[False]
  say(f'{len(experiments)} trials in one program: an update of all takes '
      f'{1e3 * seconds[True]:.1f} ms one after the other and '
      f'{1e3 * seconds[False]:.1f} ms as one batch: '
      + ('one after the other' if mapped else 'as one batch'))
  return mapped
