"""What share of a step corruption takes, and what a token costs in validation.

  python benchmarks/shares.py [OBJECTIVE ...] [--rounds=9]

At the size of `throughput.py`, each objective, all by default, with its default
settings on the BERT of `sizes`. Corruption alone, step and evaluation take
turns; medians. One that fails says so in its line, and the others go on.
The work of the host is `input_pipeline.py`'s.
"""

import argparse
import json
import pathlib
import statistics
import time

import sizes

from ptm_jax import find
from ptm_jax.errors import PtmError


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('names', nargs='*', metavar='OBJECTIVE',
                      default=find.names('objectives'))
  parser.add_argument('--rounds', type=int, default=9)
  parser.add_argument('--json', metavar='FILE', help='also writes the figures')
  arguments = parser.parse_args()
  found = {}
  print(f'{"objective":22} {"step":>9} {"corruption":>20} {"validation":>12}')
  for name in arguments.names:
    try:
      found[name] = measure(name, arguments.rounds)
    except PtmError as error:
      print(f'{name:22} {error}', flush=True)
      continue
    step, corruption, validation = found[name].values()
    print(f'{name:22} {step:7.3f} s {1e3 * corruption:8.2f} ms, '
          f'{corruption / step:6.2%} 1 / {step / validation:5.2f} a token',
          flush=True)
  if arguments.json:
    pathlib.Path(arguments.json).write_text(json.dumps(found, indent=1) + '\n')


def measure(name, rounds):
  """Median seconds of a step, of its corruption alone, of an evaluation."""
  import jax
  from ptm_jax.step import scored
  # UniLM's modes have six types of tokens; the others read fewer.
  made = sizes.experiment('bert', objective=find.find('objectives', name)(),
                          num_token_types=6)
  objective, program, state = sizes.program(made)
  windows = program.put([sizes.windows(objective, made.data.batch_size)])
  corrupt = jax.jit(objective.corrupt_batch)
  key = jax.random.key(0)
  seconds = {'step': [], 'corruption': [], 'validation': []}

  def timed(kind, function, *args):
    start = time.perf_counter()
    out = jax.block_until_ready(function(*args))
    seconds[kind].append(time.perf_counter() - start)
    return out

  for _ in range(rounds + 1):  # the first turn of each compiles
    state, _ = timed('step', program.step, state, windows)
    timed('corruption', corrupt, key, windows)
    timed('validation', program.evaluate, scored(state), windows)
  return {kind: statistics.median(values[1:])
          for kind, values in seconds.items()}


if __name__ == '__main__':
  main()
