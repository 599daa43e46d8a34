"""Sweeps past one machine: a SLURM job array whose tasks claim groups.

The script starts the command that works on the sweep in the directory; a task
that is preempted or out of time gets SIGTERM two minutes before, saves and
exits 75, and whatever it leaves is taken up by another task or by the next
submission.
"""

import pathlib
import shlex
import subprocess
import sys

from ptm_jax.errors import ConfigError

_SCRIPT = '''#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --output={logs}/%A_%a.txt
#SBATCH --signal=TERM@120
#SBATCH --requeue
{options}
# Written by ptm_jax; submit it again to go on.
{environment}
exec {python} -m ptm_jax sweep --workdir={path}
'''


def write(path, tasks, options='', environment=()):
  """Writes `sweep.sbatch` into a sweep's directory.

  Args:
    path: the directory.
    tasks: of the array.
    options: of sbatch, as on its command line.
    environment: names and values that the tasks need, pairs of text.

  Returns:
    its path.

  Raises:
    ConfigError: `options` cannot be parsed.
  """
  path = pathlib.Path(path).absolute()
  try:
    words = shlex.split(options)
  except ValueError as error:
    raise ConfigError(f'--sbatch={options!r}: {error}') from error
  logs = path / 'slurm'
  logs.mkdir(parents=True, exist_ok=True)
  script = path / 'sweep.sbatch'
  script.write_text(_SCRIPT.format(
      name=f'ptm_jax-{path.name}', last=tasks - 1, logs=logs,
      options='\n'.join(f'#SBATCH {word}' for word in words),
      environment='\n'.join(f'export {name}={shlex.quote(value)}'
                            for name, value in environment),
      python=shlex.quote(sys.executable), path=shlex.quote(str(path))),
                    encoding='utf8')
  return script


def submit(script):
  """Submits a script; returns what sbatch says.

  Raises:
    ConfigError: there is no sbatch, or it refuses.
  """
  try:
    done = subprocess.run(['sbatch', str(script)], capture_output=True,
                          text=True, check=False)
  except FileNotFoundError as error:
    raise ConfigError(f'there is no sbatch on this machine; the script is '
                      f'{script}') from error
  if done.returncode:
    raise ConfigError(f'sbatch refuses {script}: '
                      f'{" ".join(done.stderr.split())}')
  return done.stdout.strip()
