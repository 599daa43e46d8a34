"""Eight tiny trials: one sweep against eight processes, one after another.

  python benchmarks/sweep.py

Both train `roberta.py:tiny` at eight learning rates, start to finish: imports,
corpus (cached before), compilation, training, scores, reports; once with no
compiled program on disk (cold: of the processes only the first compiles) and
once with all of them (warm).
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent
RATES = [0.0005 * 2**power for power in range(8)]
SWEEP = f'''
import sys
sys.path.insert(0, {str(ROOT / 'experiments')!r})
from roberta import get_config

def get_hyper(hyper):
  return hyper.sweep('optimizer.learning_rate', {RATES!r})
'''


def seconds(arguments, cache):
  """How long a command takes; stops if it fails."""
  env = dict(os.environ, PTM_JAX_CACHE=str(cache), PYTHONPATH=str(ROOT))
  start = time.perf_counter()
  done = subprocess.run([sys.executable, '-m', 'ptm_jax', *arguments],
                        env=env, cwd=ROOT, capture_output=True, text=True,
                        check=False)
  if done.returncode:
    sys.exit(done.stderr)
  return time.perf_counter() - start


def measure(folder, cache, label):
  """Seconds of the sweep and of each process; both begin with what compiled
  programs `cache` has."""
  caches = [folder / f'{label}-{side}' for side in ('sweep', 'processes')]
  for one in caches:
    shutil.copytree(cache, one)
  (folder / 'sweep.py').write_text(SWEEP, encoding='utf8')
  sweep = seconds(['sweep', f'--config={folder / "sweep.py"}:tiny',
                   f'--workdir={folder / label}-run'], caches[0])
  single = [seconds(
      ['pretrain', f'--config={ROOT / "experiments/roberta.py"}:tiny',
       f'--config.optimizer.learning_rate={rate}',
       f'--workdir={folder / label}-{number}'], caches[1])
            for number, rate in enumerate(RATES)]
  return sweep, single, caches[0]


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('--json', help='file to write the figures to')
  options = parser.parse_args()
  with tempfile.TemporaryDirectory() as name:
    folder, found = pathlib.Path(name), {}
    cache = folder / 'cache'
    # The corpus is prepared before, and its compiled programs forgotten.
    seconds(['pretrain', f'--config={ROOT / "experiments/roberta.py"}:tiny',
             f'--workdir={folder / "first"}'], cache)
    warm = folder / 'warm-cache'
    shutil.copytree(cache, warm)
    shutil.rmtree(cache / 'xla')
    for label, start in (('cold', cache), ('warm', warm)):
      sweep, single, after = measure(folder, start, label)
      if label == 'cold':  # the sweep's own programs for the warm turn
        shutil.copytree(after / 'xla', warm / 'xla', dirs_exist_ok=True)
      found[label] = {'sweep_seconds': sweep,
                      'processes_seconds': sum(single),
                      'ratio': sum(single) / sweep}
      print(f'{label}: one sweep {sweep:.1f} s, eight processes '
            f'{sum(single):.1f} s: {sum(single) / sweep:.2f}x', flush=True)
  if options.json:
    pathlib.Path(options.json).write_text(json.dumps(found, indent=1) + '\n')


if __name__ == '__main__':
  main()
