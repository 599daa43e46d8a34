"""What share of a step's time preparing its batch on the host takes.

  python benchmarks/input_pipeline.py experiments/bert.py:small

Batches and steps are timed in turn, in one run; the medians are compared. The
training loop prepares a batch in another thread while a step runs, so this is
work that two cores share, not time that is waited for.
"""

import statistics
import sys
import time

from ptm_jax import command_line, setup_jax


def main(spec, rounds=40):
  setup_jax.configure()
  import jax
  from ptm_jax.assemble import set_up
  from ptm_jax.compile import compile_program
  from ptm_jax.data.windows import batches
  experiment = command_line.load_config(spec)
  setup = set_up([experiment])
  program = compile_program(experiment, setup.objective)
  state = program.init([jax.random.key(0)], setup.hparams)
  dataset = batches(setup.windows['train'], experiment.data.batch_size, 0)
  state, _ = program.step(state, program.put([dataset[0]]))
  prepared, stepped = [], []
  for number in range(1, rounds + 1):
    jax.block_until_ready(state)
    start = time.perf_counter()
    batch = dataset[number]
    middle = time.perf_counter()
    state, _ = program.step(state, program.put([batch]))
    jax.block_until_ready(state)
    prepared.append(middle - start)
    stepped.append(time.perf_counter() - middle)
  batch, step = statistics.median(prepared), statistics.median(stepped)
  print(f'{spec}: batch {1e3 * batch:.2f} ms, step {1e3 * step:.1f} ms, '
        f'{batch / step:.2%}')


if __name__ == '__main__':
  for one in sys.argv[1:] or ['experiments/bert.py:small']:
    main(one)
