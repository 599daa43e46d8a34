"""What a checkpoint a minute costs a run.

  python benchmarks/checkpoints.py [gpt] [--rounds=5]

Rounds of a few steps with a checkpoint begun before the first and written in
the background take turns with rounds without one; what a round with one takes
longer, of a minute, is the cost. The state of the models of `throughput.py`.
"""

import argparse
import statistics
import tempfile
import time

import sizes

STEPS = 8  # long enough for the write behind them to end


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('name', nargs='?', default='gpt', choices=sizes.NAMES)
  parser.add_argument('--rounds', type=int, default=5)
  arguments = parser.parse_args()
  import jax
  from ptm_jax import checkpoint
  made = sizes.experiment(arguments.name)
  objective, program, state = sizes.program(made)
  windows = program.put([sizes.windows(objective, made.data.batch_size)])
  size = sum(leaf.nbytes for leaf in jax.tree.leaves(state)
             if hasattr(leaf, 'nbytes'))
  seconds, begun, step = {True: [], False: []}, [], 0
  with tempfile.TemporaryDirectory() as folder:
    keeper = checkpoint.Checkpoints(folder)
    for number in range(2 * arguments.rounds + 2):
      saves = number % 2 == 1
      start = time.perf_counter()
      if saves:
        keeper.save(step, state)
        begun.append(time.perf_counter() - start)
      for _ in range(STEPS):
        state, measured = program.step(state, windows)
        jax.block_until_ready((state, measured))
        step += 1
      keeper.wait()
      if number > 1:  # the first of each compiles and makes folders
        seconds[saves].append(time.perf_counter() - start)
    keeper.close()
  with_one, without = (statistics.median(seconds[saves])
                       for saves in (True, False))
  print(f'{arguments.name}: a state of {size / 2**20:.0f} MiB; {STEPS} steps '
        f'{without:.2f} s, with a checkpoint {with_one:.2f} s, of which '
        f'{statistics.median(begun[1:]):.2f} s before the first step: '
        f'{(with_one - without) / 60:.2%} of a minute')


if __name__ == '__main__':
  main()
