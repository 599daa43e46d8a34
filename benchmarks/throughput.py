"""Training throughput against Hugging Face transformers on PyTorch.

  python benchmarks/throughput.py [gpt bert t5 electra] [--rounds=9]

float32 on the CPU: 4 layers, width 256, 4 heads, 32 x 128 tokens, a
vocabulary of 8192, the same data, AdamW, clipping and dropout. Every program
is a process of its own and they take turns, so that the ratios come from one
interleaved run. The peers are eager and `torch.compile`, and for the masked
LM and ELECTRA's generator each with and without the gather of predicted
positions, which transformers itself does not have; a ratio is to the faster
of eager and compiled. Ours runs as by default, and with one device per core
(JAX_NUM_CPU_DEVICES). It needs the extra `peers`.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import sizes
import turns

HERE = pathlib.Path(__file__).parent
PEERS = {'gpt': ('gpt',), 'bert': ('bert', 'bert-gather'), 't5': ('t5',),
         'electra': ('electra', 'electra-gather')}
OURS, SPLIT = 'ptm_jax', 'ptm_jax, 2 devices'


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('names', nargs='*', metavar='NAME',
                      help=f'of {", ".join(PEERS)}; all by default')
  parser.add_argument('--rounds', type=int, default=9,
                      help='steps of each program')
  parser.add_argument('--json', metavar='FILE', help='also writes the figures')
  parser.add_argument('--worker', metavar='NAME', help=argparse.SUPPRESS)
  arguments = parser.parse_args()
  unknown = set(arguments.names) - set(PEERS)
  if unknown:
    parser.error(f'no model {sorted(unknown)}: choose of {", ".join(PEERS)}')
  if arguments.worker:
    return train(arguments.worker)
  found = {name: compare(name, arguments.rounds)
           for name in arguments.names or PEERS}
  if arguments.json:
    pathlib.Path(arguments.json).write_text(json.dumps(found, indent=1) + '\n')


def train(name):
  """The worker's side of ours: the training loop's own program."""
  import jax
  made = sizes.experiment(name)
  objective, program, state = sizes.program(made)
  batch = sizes.windows(objective, made.data.batch_size)

  def step():
    nonlocal state
    state, measured = program.step(state, program.put([batch]))
    jax.block_until_ready((state, measured))

  turns.serve(step)


def compare(name, rounds):
  """Prints and returns the figures of one model."""
  from ptm_jax import budget
  made = sizes.experiment(name)
  objective = sizes.bind(made)
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'batch.npz'
    logits = _save_batch(objective, made.data.batch_size, path)
    workers = {
        OURS: turns.Worker(__file__, '--worker', name),
        SPLIT: turns.Worker(__file__, '--worker', name,
                            JAX_NUM_CPU_DEVICES='2')}
    for peer in PEERS[name]:
      for mode in 'eager', 'compile':
        workers[f'{peer} {mode}'] = turns.Worker(
            HERE / 'hugging_face.py', peer, path,
            *(['--compile'] if mode == 'compile' else []))
    seconds, alone = turns.interleave(workers, rounds)
    for worker in workers.values():
      worker.close()
  peak = budget.matmul_peak()
  flops = budget.training_flops(objective, made.data.batch_size)
  ratios = {ours: {
      peer: min(seconds[f'{peer} eager'], seconds[f'{peer} compile'])
            / seconds[ours] for peer in PEERS[name]}
            for ours in (OURS, SPLIT)}
  positions = made.data.batch_size * sum(objective.lengths().values())
  print(f'{name}: {flops / 1e9:.1f} GFLOP a step, of a matmul peak of '
        f'{peak / 1e9:.0f} GFLOP/s; {logits} rows of logits computed'
        f' (without the gather {positions}); {rounds} rounds')
  for key, value in seconds.items():
    print(f'  {key:20} {value:6.3f} s (alone {alone[key]:6.3f} s), '
          f'{flops / value / peak:4.0%} of peak, '
          f'ours is {value / seconds[OURS]:.2f}x as fast')
  for ours, found in ratios.items():
    for peer, ratio in found.items():
      print(f'  {ours}: {ratio:.2f}x as fast as the faster {peer}',
            flush=True)
  return {'seconds': seconds, 'alone': alone, 'flops': flops, 'peak': peak,
          'logit_rows': logits, 'ratios': ratios}


def _save_batch(objective, batch_size, path):
  """Writes a corrupted batch; returns how many rows of logits it needs."""
  import jax
  import numpy as np
  batch = jax.jit(objective.corrupt_batch)(
      jax.random.key(0), sizes.windows(objective, batch_size))
  integers = {field: np.asarray(value) for field, value in batch.items()
              if field != 'key' and value.dtype == np.int32}
  if 'predicted' in integers and integers['targets'].shape != (
      integers['predicted'].shape):
    integers['targets'] = np.take_along_axis(
        integers['targets'], integers['predicted'], 1)
  np.savez(path, vocab_size=objective.vocabulary.size, **integers)
  return integers['targets'].size


if __name__ == '__main__':
  sys.exit(main())
