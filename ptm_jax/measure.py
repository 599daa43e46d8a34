"""Which way of running trials in one program is the faster one here."""

import time

import jax

from ptm_jax import budget
from ptm_jax.compile import compile_program

# Training that takes fewer seconds is over before the other way is compiled.
_WORTH = 60.0


def faster_program(setup, say=print):
  """Measures updates of a group both ways, where that can pay.

  Args:
    setup: `assemble.Setup` of the group.
    say: takes one line for the user.

  Returns:
    The faster `compile.Program`, and whether it runs the trials one after the
    other.
  """
  count, first = len(setup.experiments), setup.experiments[0]
  usual = jax.devices()[0].platform == 'cpu'
  programs, seconds = {}, {}
  for mapped in (usual, not usual):
    programs[mapped] = compile_program(first, setup.objective, count,
                                       mapped=mapped)
    seconds[mapped] = _seconds(programs[mapped], setup)
    left = seconds[mapped] * first.num_steps
    if mapped == usual and left < _WORTH:
      say(f'{count} trials in one program, {_way(usual)}: {left:.0f} s of '
          'training, too few to measure the other way')
      return programs[usual], usual
  mapped = min(seconds, key=seconds.get)
  say(f'{count} trials in one program: an update of all takes '
      f'{1e3 * seconds[True]:.1f} ms {_way(True)} and '
      f'{1e3 * seconds[False]:.1f} ms {_way(False)}: {_way(mapped)}')
  return programs[mapped], mapped


def _way(mapped):
  return 'one after the other' if mapped else 'as one batch'


def _seconds(program, setup, repeats=3):
  """Of an update of all trials, compilation excluded; the fastest counts."""
  count = len(setup.experiments)
  batch = budget.full_windows(setup.objective,
                              setup.experiments[0].data.batch_size)
  state = program.init([jax.random.key(0)] * count, setup.hparams)
  windows = program.put([batch] * count)
  best = float('inf')
  for number in range(repeats + 1):
    start = time.perf_counter()
    state, _ = jax.block_until_ready(program.step(state, windows))
    if number:  # the first compiles
      best = min(best, time.perf_counter() - start)
  return best
