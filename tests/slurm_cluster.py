"""A SLURM cluster of this one machine, for the time of a test.

Its daemons run from a temporary folder on ports of their own. Debian's
slurm-wlm is enough; without it, or without root, the tests are skipped.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import time

import pytest

_CONF = '''
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=30
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:8
'''
_NEEDED = ('munged', 'slurmctld', 'slurmd', 'srun', 'sbatch')


def _free_ports(count):
  with contextlib.ExitStack() as stack:
    found = [stack.enter_context(socket.socket()) for _ in range(count)]
    for one in found:
      one.bind(('127.0.0.1', 0))
    return [one.getsockname()[1] for one in found]


@contextlib.contextmanager
def cluster(folder):
  """Starts the daemons; yields the environment that finds them."""
  missing = [name for name in _NEEDED if not shutil.which(name)]
  if missing:
    pytest.skip(f'no SLURM here: {", ".join(missing)} not found')
  if os.geteuid() != 0:
    pytest.skip('a cluster of one node is started as root')
  folder = pathlib.Path(folder)
  for name in 'state', 'spool':
    (folder / name).mkdir()
  folder.chmod(0o755)
  key = folder / 'munge.key'
  key.write_bytes(os.urandom(128))
  key.chmod(0o400)
  conf = folder / 'slurm.conf'
  conf.write_text(_CONF.format(
      host=socket.gethostname().partition('.')[0], folder=folder,
      ports=_free_ports(2), cpus=os.cpu_count()))
  env = dict(os.environ, SLURM_CONF=str(conf))
  commands = (
      ['munged', '--foreground', '--force', f'--key-file={key}',
       f'--socket={folder}/munge.socket', f'--log-file={folder}/munged.log',
       f'--pid-file={folder}/munged.pid', f'--seed-file={folder}/munged.seed'],
      ['slurmctld', '-D', '-f', str(conf)], ['slurmd', '-D', '-f', str(conf)])
  started = []
  try:
    for command in commands:
      log = open(folder / f'{command[0]}.out', 'w', encoding='utf8')
      started.append(subprocess.Popen(
          command, env=env, stdout=log, stderr=subprocess.STDOUT))
      time.sleep(0.5)
    _wait_until_idle(env, started, folder)
    yield env
  finally:
    for process in reversed(started):
      process.terminate()
    for process in started:
      with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
      process.kill()


def _wait_until_idle(env, started, folder):
  for _ in range(120):
    done = subprocess.run(['sinfo', '-h', '-o', '%t'], env=env, text=True,
                          capture_output=True, check=False)
    if done.stdout.strip() in ('idle', 'mix', 'alloc'):
      return
    if any(process.poll() is not None for process in started):
      break
    time.sleep(0.25)
  said = [f'{path.name}: {path.read_text()[-300:]}'
          for path in folder.glob('*.out')]
  pytest.skip(f'the SLURM daemons do not start here: {said}')
