"""The proof that an experiment survives being killed (`verify --resume`).

A short copy of it runs undisturbed. Others are killed with SIGKILL at random
moments and started again by the same command until they end. All must end
with the same bits: every leaf of the last checkpoint, the record without its
wall-clock fields, and the scores.
"""

import collections
import copy
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

from ptm_jax import manifest, metrics, workdir
from ptm_jax.errors import PtmError

_POLL = 0.005  # seconds between two looks at a run


@dataclasses.dataclass
class Proof:
  """What the proof found.

  Attributes:
    kills: how many there were by what the run was doing.
    endings: runs that came to their end after kills.
    differences: what differed from the undisturbed run; empty if it holds.
  """

  kills: collections.Counter
  endings: int = 0
  differences: list = dataclasses.field(default_factory=list)


def prove(experiment, path, kills=10, num_steps=12, seed=0, say=print):
  """Kills and resumes short copies of an experiment.

  Args:
    experiment: `config.Experiment`; downstream tasks are left out, and a
      budget in another clock than steps is replaced.
    path: folder for the runs; it must be empty or new.
    kills: how often a run is killed.
    num_steps: updates of the short copy, which saves every quarter and
      scores every third of them.
    seed: of the moments.
    say: takes one line for the user.

  Returns:
    `Proof`.

  Raises:
    PtmError: a run ended with an error of its own.
  """
  path = pathlib.Path(path)
  path.mkdir(parents=True, exist_ok=True)
  short = _short(experiment, num_steps)
  workdir.write_json(path / 'settings.json', workdir.record(short))
  draw = random.Random(seed)
  say(f'an undisturbed run of {num_steps} updates')
  run = _Run(path, 'undisturbed')
  run.go_on(lambda: False)
  # Once more, with everything cached, for the time it takes.
  again = _Run(path, 'again')
  again.go_on(lambda: False)
  proof = Proof(collections.Counter())
  proof.differences += _differences(run.folder, again.folder, num_steps)
  number = 0
  while sum(proof.kills.values()) < kills:
    killed = _Run(path, f'killed-{number}')
    number += 1
    ended = False
    while not ended:
      left = kills - sum(proof.kills.values())
      moment = _moment(draw, killed, again) if left else lambda: False
      ended = killed.go_on(moment)
      if not ended:
        proof.kills[killed.doing] += 1
    proof.endings += 1
    found = _differences(run.folder, killed.folder, num_steps)
    proof.differences += [f'{killed.folder.name}: {one}' for one in found]
    say(f'{sum(proof.kills.values())} of {kills} kills; {proof.endings} runs '
        'ended, ' + (f'{len(proof.differences)} differences'
                     if proof.differences else 'all with the same bits'))
    if not found:
      shutil.rmtree(killed.folder)
  return proof


def _short(experiment, num_steps):
  short = copy.deepcopy(experiment)
  short.num_steps, short.log_every_steps = num_steps, 1
  short.budget.clock = 'steps'
  short.checkpoints.every_steps = max(1, num_steps // 4)
  short.evaluation.every_steps = max(1, num_steps // 3)
  short.evaluation.num_batches = min(2, short.evaluation.num_batches)
  short.evaluation.tasks = ()
  return short


class _Run:
  """One run, started as often as it is killed."""

  def __init__(self, path, name):
    self.folder = path / name
    self.command = [sys.executable, '-m', 'ptm_jax', 'pretrain',
                    f'--config={path / "settings.json"}',
                    f'--workdir={self.folder}']
    self.output = path / f'{name}.txt'
    self.seconds = self.opened = 0.0  # of the last start that ended
    self.doing = ''

  def go_on(self, moment):
    """Starts the run; kills it when `moment()` says so.

    Returns:
      whether it ended by itself.
    """
    begun, opened = time.time(), 0.0
    self.lines = self._num_lines()
    self.begun = begun
    with open(self.output, 'w', encoding='utf8') as output:
      process = subprocess.Popen(self.command, stdout=output, stderr=output,
                                 env=_environment())
      try:
        while process.poll() is None:
          opened = opened or (self._recording() and time.time() - begun)
          if moment():
            self.doing = self._phase()
            process.send_signal(signal.SIGKILL)
            process.wait()
            return False
          time.sleep(_POLL)
      finally:
        process.kill()
    if process.returncode:
      last = self.output.read_text(encoding='utf8').splitlines()[-1:]
      raise PtmError(f'{self.folder.name} ended with code '
                     f'{process.returncode}: {" ".join(last)}')
    self.seconds, self.opened = time.time() - begun, opened
    return True

  def _recording(self):
    """Whether this start has opened its record, so training is near."""
    try:
      return (self.folder / metrics.FILE).stat().st_mtime >= self.begun
    except FileNotFoundError:
      return False

  def saving(self):
    """The folder that a save under way writes, or None."""
    return next((self.folder / 'checkpoints').glob('*orbax-checkpoint-tmp*'),
                None)

  def _num_lines(self):
    try:
      return (self.folder / metrics.FILE).read_bytes().count(b'\n')
    except FileNotFoundError:
      return 0

  def _phase(self):
    """What the run is doing, as far as its folder shows."""
    if not self._recording():
      return 'start' if time.time() - self.begun < 2 else 'set-up'
    if self.saving():
      return 'save'
    if (self.folder / 'results.json').exists():
      return 'end'
    return 'compile' if self._num_lines() <= self.lines else 'train'


def _environment():
  # The very package that is running, from wherever it was imported.
  root = str(pathlib.Path(__file__).parent.parent)
  paths = [root, os.environ.get('PYTHONPATH', '')]
  return dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)))


def _moment(draw, run, timed):
  """A random moment: at any time, after the record is opened, or in a save."""
  kind = draw.choice(('any', 'training', 'save'))
  if kind == 'any':
    end = time.time() + draw.uniform(0, timed.seconds)
    return lambda: time.time() > end
  if kind == 'training':
    wait = draw.uniform(0, timed.seconds - timed.opened)
    end = []
    def due():
      if not end and run._recording():
        end.append(time.time() + wait)
      return bool(end) and time.time() > end[0]
    return due
  seen, nth = set(), draw.randint(1, 3)
  def saving():
    folder = run.saving()
    if folder:
      seen.add(folder)
    return bool(folder) and len(seen) == nth
  return saving


def _differences(one, other, num_steps):
  """What differs in the bits of two runs' ends, as a list of names."""
  found = []
  leaves = [manifest.recorded_leaves(path / 'checkpoints' / str(num_steps))
            for path in (one, other)]
  for name in sorted(leaves[0].keys() | leaves[1].keys()):
    if leaves[0].get(name) != leaves[1].get(name):
      found.append(f'leaf {name}')
  logs = [[{name: value for name, value in line.items()
            if name not in metrics.CLOCKS} for line in metrics.read(path)]
          for path in (one, other)]
  if logs[0] != logs[1]:
    at = next((i for i, pair in enumerate(zip(*logs))
               if pair[0] != pair[1]), min(map(len, logs)))
    found.append(f'{metrics.FILE} line {at + 1}')
  scores = [json.loads((path / 'results.json').read_text(encoding='utf8'))
            ['runs'][0]['metrics'] for path in (one, other)]
  if scores[0] != scores[1]:
    found.append('results.json')
  return found
