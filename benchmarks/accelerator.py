"""Throughput, utilisation and memory on an accelerator; trials side by side.

  python benchmarks/accelerator.py [gpt2 bert t5 trials] [--tiny]

GPT-2 124M at 1,024 tokens, BERT base and T5 base at 512: bfloat16 products,
float32 parameters, no attention dropout, so that the flash kernel fits. Steps
are queued, as the training loop does, and waited for at the end. Utilisation
is of the device's published bfloat16 peak where it is known, else of a
measured one. `trials` are 16 of `roberta.py:tiny` in one program against the
same one after another. With --tiny everything is small enough for a CPU and
says nothing but that it runs.
"""

import argparse
import json
import pathlib
import time

from ptm_jax import command_line, config

# Experiment file and tokens that its first stack reads, at full size.
MODELS = {'gpt2': 1024, 'bert': 512, 't5': 512}
TRIALS = 16
# Dense bfloat16 products, FLOP/s, by the start of the device's name.
PEAKS = {'NVIDIA H100': 989e12, 'NVIDIA H200': 989e12, 'NVIDIA A100': 312e12}


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  names = [*MODELS, 'trials']
  parser.add_argument('names', nargs='*', metavar='NAME', default=names,
                      help=f'of {", ".join(names)}; all by default')
  parser.add_argument('--batch_size', type=int, default=32)
  parser.add_argument('--steps', type=int, default=20)
  parser.add_argument('--tiny', action='store_true', help='for a CPU')
  parser.add_argument('--json', metavar='FILE', help='also writes the figures')
  arguments = parser.parse_args()
  unknown = set(arguments.names) - set(names)
  if unknown:
    parser.error(f'no part {sorted(unknown)}: choose of {", ".join(names)}')
  import jax
  device = jax.devices()[0]
  print(f'{device.device_kind}, jax {jax.__version__}')
  found = {'device': device.device_kind, 'jax': jax.__version__}
  for name in arguments.names:
    found[name] = (trials(arguments.steps) if name == 'trials'
                   else train(name, device, arguments))
    print(f'{name}: ' + ', '.join(f'{key} {value:,.4g}' for key, value
                                  in found[name].items()), flush=True)
  if arguments.json:
    pathlib.Path(arguments.json).write_text(json.dumps(found, indent=1) + '\n')


def train(name, device, arguments):
  """Figures of one published model, or of its tiny form."""
  from ptm_jax import budget
  size = 'tiny' if arguments.tiny else 'base'
  made = command_line.load_config(f'experiments/{name}.py:{size}')
  made.model.dtype, made.model.attention_dropout = 'bfloat16', 0.0
  batch_size = 4 if arguments.tiny else arguments.batch_size
  made.data.batch_size = batch_size
  if name == 'gpt2' and not arguments.tiny:
    made.data.raw_length = MODELS[name]
  made.optimizer = config.Optimizer(warmup_steps=0)
  made.num_steps = 1000
  objective, program, state, windows = _ready([made])
  seconds, state = _seconds(program, state, windows, arguments.steps)
  flops = budget.training_flops(objective, batch_size)
  peak = next((value for start, value in PEAKS.items()
               if device.device_kind.startswith(start)), None)
  peak = peak or budget.matmul_peak()
  tokens = batch_size * sum(objective.lengths().values())
  memory = (device.memory_stats() or {}).get('peak_bytes_in_use', 0)
  return {'parameters': budget.num_parameters(objective)[0],
          'seconds a step': seconds, 'tokens/s': tokens / seconds,
          'TFLOP/s': flops / seconds / 1e12,
          'utilisation': flops / seconds / peak,
          'peak memory, GiB': memory / 2**30}


def trials(steps):
  """Trials an hour, side by side and one after another, and their ratio."""
  def one(seed):
    made = command_line.load_config('experiments/roberta.py:tiny')
    made.seed = seed
    return made
  _, *together = _ready([one(seed) for seed in range(TRIALS)])
  side_by_side, _ = _seconds(*together, steps)
  _, *alone = _ready([one(0)])
  single, _ = _seconds(*alone, steps)
  updates = one(0).num_steps
  return {'an hour, side by side': 3600 * TRIALS / (side_by_side * updates),
          'an hour, one after another': 3600 / (single * updates),
          'ratio': TRIALS * single / side_by_side}


def _ready(experiments):
  """The bound objective, its program, a state and a batch on the device."""
  import jax
  import sizes
  from ptm_jax.compile import compile_program
  from ptm_jax.step import make_hparams
  first = experiments[0]
  objective = sizes.bind(first)
  program = compile_program(first, objective, len(experiments), mapped=False)
  hparams = make_hparams(objective, first.optimizer)
  state = program.init([jax.random.key(one.seed) for one in experiments],
                       [hparams] * len(experiments))
  batch = sizes.windows(objective, first.data.batch_size)
  return objective, program, state, program.put([batch] * len(experiments))


def _seconds(program, state, windows, steps):
  """Seconds of a step among `steps` queued ones, and the last state."""
  import jax
  for _ in range(2):  # compiles, and settles
    state, measured = program.step(state, windows)
  jax.block_until_ready((state, measured))
  start = time.perf_counter()
  for _ in range(steps):
    state, measured = program.step(state, windows)
  jax.block_until_ready((state, measured))
  return (time.perf_counter() - start) / steps, state


if __name__ == '__main__':
  main()
