"""Peak memory of a step with the vocabulary in chunks and with full logits.

  python benchmarks/memory.py [gpt]

The compiler's own account (arguments, results and temporary buffers), and the
resident memory of a fresh process each: its peak, and how far the first step
raised it.
"""

import argparse
import contextlib
import json
import resource
import subprocess
import sys

import sizes


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('name', nargs='?', default='gpt', choices=sizes.NAMES)
  parser.add_argument('--vocab_size', type=int, default=32_000)
  parser.add_argument('--length', type=int, default=128)
  parser.add_argument('--batch_size', type=int, default=64)
  parser.add_argument('--json', metavar='FILE', help='also writes the figures')
  parser.add_argument('--worker', choices=('chunked', 'plain'),
                      help=argparse.SUPPRESS)
  arguments = parser.parse_args()
  if arguments.worker:
    print(json.dumps(measure(arguments)))
    return
  found = {}
  for form in 'chunked', 'plain':
    out = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], '--worker', form],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    found[form] = json.loads(out.splitlines()[-1])
  print(f'{arguments.name}: vocabulary {arguments.vocab_size}, '
        f'{arguments.batch_size} x {arguments.length} tokens, in MiB')
  for kind in found['plain']:
    chunked, plain = (found[form][kind] for form in ('chunked', 'plain'))
    print(f'  {kind:18} {chunked:8,.0f} in chunks, {plain:8,.0f} with full '
          f'logits: {chunked / plain:.0%}')
  if arguments.json:
    with open(arguments.json, 'w') as file:
      json.dump(found, file, indent=1)


def measure(arguments):
  """Megabytes of one form, in this process."""
  import jax
  from ptm_jax import losses
  made = sizes.experiment(
      arguments.name, length=arguments.length, vocab_size=arguments.vocab_size,
      batch_size=arguments.batch_size)
  objective, program, state = sizes.program(made)
  windows = program.put([sizes.windows(objective, made.data.batch_size)])
  plain = arguments.worker == 'plain'
  with losses.plain() if plain else contextlib.nullcontext():
    step = program.step.lower(state, windows).compile()
  account = step.memory_analysis()
  before = _peak()
  jax.block_until_ready(step(state, windows))
  return {
      'compiled': (account.argument_size_in_bytes
                   + account.output_size_in_bytes
                   - account.alias_size_in_bytes
                   + account.temp_size_in_bytes) / 2**20,
      'process': _peak(), 'raised by a step': _peak() - before}


def _peak():
  """Largest resident memory so far, MiB."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == '__main__':
  main()
