"""Cost against size: what a token costs as one size grows at a time.

  python benchmarks/scaling.py [length width depth vocabulary] [--model=gpt]

From 4 layers of width 256, 128 tokens and 8192 ids, 4,096 tokens a step. For
each size: seconds of a step, its FLOPs, tokens per second; and the exponent
of both, fitted over the points: the seconds' stays at or below that of the
arithmetic where nothing grows faster than it should. Median of a few steps.
"""

import argparse
import json
import pathlib
import statistics
import time

import numpy as np
import sizes

POINTS = {
    'length': (64, 128, 256, 512, 1024, 2048),
    'width': (64, 128, 256, 512),
    'depth': (2, 4, 8, 12),
    'vocabulary': (1024, 4096, 16_384, 65_536)}
FIELDS = {'vocabulary': 'vocab_size'}
TOKENS = 4096


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('axes', nargs='*', metavar='SIZE', default=[*POINTS],
                      help=f'of {", ".join(POINTS)}; all by default')
  parser.add_argument('--model', default='gpt', choices=sizes.NAMES)
  parser.add_argument('--steps', type=int, default=3)
  parser.add_argument('--json', metavar='FILE', help='also writes the figures')
  arguments = parser.parse_args()
  unknown = set(arguments.axes) - set(POINTS)
  if unknown:
    parser.error(f'no size {sorted(unknown)}: choose of {", ".join(POINTS)}')
  found = {}
  for axis in arguments.axes:
    rows = []
    for point in POINTS[axis]:
      seconds, flops = measure(arguments.model, axis, point, arguments.steps)
      rows.append({axis: point, 'seconds': seconds, 'flops': flops})
      print(f'{axis:10} {point:6} {seconds:7.3f} s {flops / 1e9:8.1f} GFLOP '
            f'{TOKENS / seconds:8,.0f} tokens/s '
            f'{flops / seconds / 1e9:6.0f} GFLOP/s', flush=True)
    found[axis] = {'rows': rows, **{
        kind: _exponent(rows, axis, kind) for kind in ('seconds', 'flops')}}
    print(f'{axis:10} exponent {found[axis]["seconds"]:.2f} of the time, '
          f'{found[axis]["flops"]:.2f} of the arithmetic', flush=True)
  if arguments.json:
    pathlib.Path(arguments.json).write_text(json.dumps(found, indent=1) + '\n')


def measure(name, axis, point, steps):
  """Median seconds of a step, and its training FLOPs."""
  import jax
  from ptm_jax import budget
  fields = {FIELDS.get(axis, axis): point}
  batch_size = TOKENS // fields.get('length', 128)
  made = sizes.experiment(name, batch_size=batch_size, **fields)
  objective, program, state = sizes.program(made)
  windows = program.put([sizes.windows(objective, batch_size)])
  seconds = []
  for _ in range(steps + 2):
    start = time.perf_counter()
    state, measured = program.step(state, windows)
    jax.block_until_ready((state, measured))
    seconds.append(time.perf_counter() - start)
  return (statistics.median(seconds[2:]),
          budget.training_flops(objective, batch_size))


def _exponent(rows, axis, kind):
  """Slope of the logarithms of a figure against those of a size."""
  return float(np.polyfit(*(np.log([row[key] for row in rows])
                            for key in (axis, kind)), 1)[0])


if __name__ == '__main__':
  main()
