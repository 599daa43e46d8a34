"""Checkpoints that are either good or known to be bad.

Orbax writes them in the background, commits each by one rename, and deletes
old ones; what it does not do is notice damaged numbers. So every checkpoint
carries the hashes of its leaves, taken from the same host copies that are
written, and of its files. A restore believes nothing that does not match;
what fails is moved aside, out of the folder, and the checkpoint before it is
used.
"""

import contextlib
import dataclasses
import functools
import logging
import math
import os
import pathlib
import re
import shutil
import sys

import jax
import numpy as np
import orbax.checkpoint as ocp

from ptm_jax import manifest, processes
from ptm_jax.errors import CheckpointError, PtmError

_TEMPORARY = '.orbax-checkpoint-tmp'


class Checkpoints:
  """The checkpoints of one run.

  Nothing is touched on disk before the first `save` or `restore`, and a
  reader never disturbs a run that is writing.

  Args:
    directory: of the checkpoints, one folder per step; made when needed.
    keep: newest checkpoints kept, besides the one with the lowest metric.
    say: takes one line for the user.
    read_only: whether damaged checkpoints are left where they are.
  """

  def __init__(self, directory, keep=2, say=print, read_only=False):
    self.directory = pathlib.Path(directory).absolute()
    self.keep, self.say, self.read_only = keep, say, read_only
    self._manager = None
    self._metrics = {}

  def steps(self):
    """Steps of the finished checkpoints, ascending, damaged or not."""
    try:
      return sorted(int(entry.name) for entry in os.scandir(self.directory)
                    if entry.name.isascii() and entry.name.isdigit()
                    and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
      return []

  def save(self, step, state, metric=None, block=False):
    """Starts writing a checkpoint; returns once `state` is copied.

    Checkpoints of this step or a later one belong to a past that was given
    up (the run went back to an older checkpoint): they are deleted first.

    Args:
      step: updates behind `state`.
      state: tree of arrays, random keys among them; may be donated after.
      metric: lower is better; None or not finite never is the best.
      block: whether to wait until it is on disk.

    Raises:
      CheckpointError: this save or, since writing goes on in the background,
        the one before it failed; finished checkpoints are as they were.
    """
    with self._one_line('save'):
      self._wait()
      self._discard_from(step)
      if self._manager is None:
        self._open()
      elif not self.directory.is_dir():
        raise FileNotFoundError('the directory was deleted')
      metric = None if metric is None else float(metric)
      self._metrics[step] = metric
      leaves = {name: manifest.on_host(leaf)
                for name, leaf in _named(state).items()}
      facts = {'step': step, 'metric': metric if _finite(metric) else None}
      saved = self._manager.save(step, force=True, args=manifest.Save(
          {name: leaf.data for name, leaf in leaves.items()},
          leaves=leaves, facts=facts))
      if not saved:
        raise OSError('orbax refused to save it')
      if block:
        self._wait()

  def restore(self, target, step=None, part=False):
    """Reads the newest good checkpoint, or the one of `step`.

    Args:
      target: tree of arrays or `jax.ShapeDtypeStruct`s: the tree, shapes and
        dtypes that are expected, and the shardings wanted.
      step: which one; None takes the newest good one.
      part: whether the checkpoint may hold more at the top of its tree.

    Returns:
      `(step, state)`, or None if there is no good one.

    Raises:
      CheckpointError: a checkpoint is whole but holds other leaves than
        `target`, or may not be read.
    """
    with self._one_line('read'):
      self._wait()
      candidates = self.steps() if step is None else [
          one for one in self.steps() if one == step]
      for one in reversed(candidates):
        try:
          return one, self._read(one, target, part)
        except manifest.Damaged as error:
          processes.wait('the damage is known')
          self._forget()
          if processes.is_first():
            self._set_aside(one, error)
          processes.wait('a damaged checkpoint is set aside')
    return None

  def wait(self):
    """Waits for the save under way; raises CheckpointError if it failed."""
    with self._one_line('save'):
      self._wait()

  def close(self):
    """Waits for the save under way and frees its threads."""
    with self._one_line('save'):
      try:
        self._wait()
      finally:
        self._forget()

  def _open(self):
    _quiet()
    self._metrics = {step: manifest.recorded_metric(self.directory / str(step))
                     for step in self.steps()}
    self._manager = ocp.CheckpointManager(
        self.directory, item_handlers=manifest.Handler(),
        options=ocp.CheckpointManagerOptions(
            cleanup_tmp_directories=True, lightweight_initialize=True,
            # Otherwise, where none can be made, orbax's threads wait for one
            # and keep the process from ending for 5 minutes.
            async_options=ocp.AsyncOptions(
                create_directories_asynchronously=False),
            preservation_policy=_NewestAndBest(self.keep, self._metrics)))

  def _wait(self):
    if self._manager is not None:
      self._manager.wait_until_finished()
      self._manager.check_for_errors()

  def _forget(self):
    manager, self._manager = self._manager, None
    if manager is not None:
      manager.close()

  def _discard_from(self, step):
    late = [one for one in self.steps() if one >= step]
    processes.wait('late checkpoints are known')
    if not late:
      return
    self._forget()
    if processes.is_first():
      for one in late:  # a rename first, so that none is ever half there
        doomed = self.directory / f'{one}.discarded'
        shutil.rmtree(doomed, ignore_errors=True)
        (self.directory / str(one)).rename(doomed)
        shutil.rmtree(doomed)
    processes.wait('late checkpoints are gone')

  def _read(self, step, target, part):
    """The state of `step`; raises Damaged, or CheckpointError if it is whole
    but another run's."""
    folder = self.directory / str(step)
    recorded = manifest.recorded_leaves(folder)
    targets = _named(target)
    _compare(folder, recorded if not part else {
        name: leaf for name, leaf in recorded.items()
        if name.partition('.')[0] in target}, targets)
    with manifest.damage('orbax cannot read it'):
      values = ocp.PyTreeCheckpointHandler().restore(
          folder / manifest.ITEM, args=ocp.args.PyTreeRestore(restore_args={
              name: ocp.RestoreArgs(restore_type=np.ndarray)
              for name in recorded}))
    restored = []
    for name, wanted in targets.items():
      value = np.asarray(values[name])
      with manifest.damage(f'leaf {name} has another shape'):
        hashes = {index: manifest.hash_array(value[manifest.slices_of(index)])
                  for index in recorded[name]['pieces']}
      if hashes != recorded[name]['pieces']:
        raise manifest.Damaged(f'leaf {name} is not what was saved')
      restored.append(_placed(value, recorded[name]['key'], wanted))
    return jax.tree.unflatten(jax.tree.structure(target), restored)

  def _set_aside(self, step, error):
    """Moves a damaged checkpoint out of the folder and says so."""
    source = self.directory / str(step)
    what = f'checkpoint {source} is damaged ({manifest.first_line(error)})'
    if self.read_only:
      self.say(f'{what}: the one before it is used')
      return
    shelf = self.directory.with_name(f'{self.directory.name}-damaged')
    number = 0
    while (shelf / f'{step}-{number}').exists():
      number += 1
    try:
      shelf.mkdir(exist_ok=True)
      source.rename(shelf / f'{step}-{number}')
    except OSError as failure:
      self.say(f'{what}, and cannot be moved ({failure.strerror}): the one '
               'before it is used')
      return
    self.say(f'{what}: moved to {shelf / f"{step}-{number}"}, the one before '
             'it is used')

  @contextlib.contextmanager
  def _one_line(self, action):
    """Turns whatever the file system or orbax raise into one line."""
    try:
      yield
    except PtmError:
      raise
    except Exception as error:
      # A failed manager stays failed: the next save starts afresh. What the
      # failed one wrote goes now, since the disk may be full of it.
      with contextlib.suppress(Exception):
        self._forget()
      for left in self.directory.glob(f'*{_TEMPORARY}*'):
        shutil.rmtree(left, ignore_errors=True)
      raise CheckpointError(
          f'cannot {action} in {self.directory}: {manifest.first_line(error)}; '
          'finished checkpoints are as they were') from error


@functools.cache
def _quiet():
  """Keeps what orbax prints of errors that it also raises off the terminal.

  A user gets one line. Orbax logs tracebacks, and when one of many writes
  fails, the others find its event loop closed and say so to no one.
  """
  logging.getLogger('absl').addFilter(
      lambda record: f'{os.sep}orbax{os.sep}' not in record.pathname)
  logging.getLogger('asyncio').addFilter(
      lambda record: not re.search('orbax|tensorstore', record.getMessage()))
  print_unraisable = sys.unraisablehook

  def hook(unraisable):
    if str(unraisable.exc_value) != 'Event loop is closed':
      print_unraisable(unraisable)

  sys.unraisablehook = hook


def _finite(metric):
  return metric is not None and math.isfinite(metric)


@dataclasses.dataclass
class _NewestAndBest:
  """Orbax's question after each save: which checkpoints stay?"""

  keep: int
  metrics: dict

  def should_preserve(self, checkpoints, *, context):
    del context
    steps = [checkpoint.step for checkpoint in checkpoints]
    stay = set(sorted(steps)[-self.keep:])
    scored = [step for step in steps if _finite(self.metrics.get(step))]
    if scored:
      stay.add(min(scored, key=lambda step: (self.metrics[step], step)))
    return [step in stay for step in steps]


def _named(tree):
  """`{dotted name: leaf}`, in the tree's order."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {jax.tree_util.keystr(path, simple=True, separator='.'): leaf
          for path, leaf in leaves}


def _compare(folder, recorded, targets):
  """Refuses a checkpoint whose leaves are not the target's."""
  for name in targets:
    if name not in recorded:
      raise CheckpointError(f'{folder} has no leaf {name}: it belongs to '
                            'another model or optimizer')
  for name in recorded:
    if name not in targets:
      raise CheckpointError(f'{folder} has a leaf {name} that this run lacks: '
                            'it belongs to another model or optimizer')
  for name, target in targets.items():
    shape, dtype = tuple(recorded[name]['shape']), recorded[name]['dtype']
    if (shape, dtype) != (np.shape(target), str(target.dtype)):
      raise CheckpointError(
          f'{folder}: leaf {name} is {dtype} {list(shape)}, expected '
          f'{target.dtype} {list(np.shape(target))}')


def _placed(value, key, target):
  """A leaf on the devices, sharded like `target`."""
  value = processes.place(value, getattr(target, 'sharding', None))
  return value if key is None else jax.random.wrap_key_data(value, impl=key)
