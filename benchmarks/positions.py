"""What kinds of positions cost, and what memory between segments costs.

  python benchmarks/positions.py [--rounds=7]

GPT at the size of `throughput.py` with each kind of positions; with memory, the
same tokens in 4 segments of 32, each of which sees 64 keys. Steps take turns;
medians, and ratios to learned positions.
"""

import argparse
import statistics
import time

import sizes

CASES = {'learned': ('learned', 1), 'rotary': ('rotary', 1), 't5': ('t5', 1),
         'transformer_xl': ('transformer_xl', 1),
         'transformer_xl, 4 segments': ('transformer_xl', 4)}


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('--rounds', type=int, default=7)
  arguments = parser.parse_args()
  import jax
  from ptm_jax.objectives import autoregressive
  running, seconds = {}, {}
  for name, (positions, num_segments) in CASES.items():
    made = sizes.experiment('gpt', positions=positions)
    made.objective = autoregressive.Objective(num_segments)
    objective, program, state = sizes.program(made)
    windows = program.put([sizes.windows(objective, made.data.batch_size)])
    running[name] = [program, state, windows]
    seconds[name] = []
  for _ in range(arguments.rounds + 2):  # the first turns compile and settle
    for name, (program, state, windows) in running.items():
      start = time.perf_counter()
      running[name][1], _ = jax.block_until_ready(
          program.step(state, windows))
      seconds[name].append(time.perf_counter() - start)
  for name, values in seconds.items():
    ratio = statistics.median(
        one / other for one, other in zip(
            values[2:], seconds['learned'][2:], strict=True))
    print(f'{name:28} {statistics.median(values[2:]):7.3f} s {ratio:6.2f}')


if __name__ == '__main__':
  main()
