"""Checkpoints that are either good or known to be bad.

Orbax writes them in the background, commits each by one rename, and deletes
old ones; what it does not do is notice damaged numbers. So every checkpoint
carries the hashes of its leaves, taken from the same host copies that are
written, and of its files. A restore believes nothing that does not match;
what fails is moved aside, out of the folder, and the checkpoint before it is
used.

In `STEP/default`, orbax's files hold a flat dict, dotted leaf name -> array
(a random key as its uint32 data). `leaves-PROCESS.json` has each leaf's
shape, dtype and the SHA-256 of the pieces that this process wrote;
`files.json` has the SHA-256 of every file, and its own.
"""

import contextlib
import dataclasses
import errno
import functools
import hashlib
import json
import logging
import math
import os
import pathlib
import re
import shutil
import sys

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from ptm_jax.errors import CheckpointError, PtmError

_ITEM = 'default'  # orbax's folder for what is saved without a name
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
      leaves = {name: _on_host(leaf) for name, leaf in _named(state).items()}
      facts = {'step': step, 'metric': metric if _finite(metric) else None}
      saved = self._manager.save(step, force=True, args=_Save(
          {name: leaf.data for name, leaf in leaves.items()},
          leaves=leaves, facts=facts))
      if not saved:
        raise OSError('orbax refused to save it')
      if block:
        self._wait()

  def restore(self, target, step=None):
    """Reads the newest good checkpoint, or the one of `step`.

    Args:
      target: tree of arrays or `jax.ShapeDtypeStruct`s: the tree, shapes and
        dtypes that are expected, and the shardings wanted.
      step: which one; None takes the newest good one.

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
          return one, self._read(one, target)
        except _Damaged as error:
          self._set_aside(one, error)
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
    self._metrics = {step: _metric(self.directory / str(step))
                     for step in self.steps()}
    self._manager = ocp.CheckpointManager(
        self.directory, item_handlers=_Handler(),
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
    if late:
      self._forget()
    for one in late:  # a rename first, so that none is ever half there
      doomed = self.directory / f'{one}.discarded'
      shutil.rmtree(doomed, ignore_errors=True)
      (self.directory / str(one)).rename(doomed)
      shutil.rmtree(doomed)

  def _read(self, step, target):
    """The state of `step`; raises _Damaged, or CheckpointError if it is
    whole but another run's."""
    folder = self.directory / str(step)
    recorded = _recorded(folder)
    targets = _named(target)
    _compare(folder, recorded, targets)
    with _damage('orbax cannot read it'):
      values = ocp.PyTreeCheckpointHandler().restore(
          folder / _ITEM, args=ocp.args.PyTreeRestore(restore_args={
              name: ocp.RestoreArgs(restore_type=np.ndarray)
              for name in recorded}))
    restored = []
    for name, wanted in targets.items():
      value = np.asarray(values[name])
      with _damage(f'leaf {name} has another shape'):
        hashes = {index: _hash(value[_slices(index)])
                  for index in recorded[name]['pieces']}
      if hashes != recorded[name]['pieces']:
        raise _Damaged(f'leaf {name} is not what was saved')
      restored.append(_placed(value, recorded[name]['key'], wanted))
    return jax.tree.unflatten(jax.tree.structure(target), restored)

  def _set_aside(self, step, error):
    """Moves a damaged checkpoint out of the folder and says so."""
    source = self.directory / str(step)
    what = f'checkpoint {source} is damaged ({_first_line(error)})'
    if self.read_only:
      self.say(f'{what}: the one before it is used')
      return
    self._forget()
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
          f'cannot {action} in {self.directory}: {_first_line(error)}; '
          'finished checkpoints are as they were') from error


class _Damaged(Exception):
  """A checkpoint that does not hold what was saved; says how it shows."""


@contextlib.contextmanager
def _damage(what):
  """Whatever a damaged file makes the block raise becomes `_Damaged`."""
  try:
    yield
  except (_Damaged, MemoryError, PermissionError):
    raise
  except Exception as error:
    if getattr(error, 'errno', None) in (errno.EMFILE, errno.ENFILE):
      raise
    raise _Damaged(f'{what}: {_first_line(error)}') from error


def _first_line(error):
  """The reason in a few words; the system's own where there is one."""
  text = getattr(error, 'strerror', None) or str(error) or repr(error)
  code = re.search(r"os_error_code='(\d+)'", text)  # tensorstore's
  text = os.strerror(int(code[1])) if code else text
  return text.strip().splitlines()[0][:200]


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


@dataclasses.dataclass
class _Leaf:
  """One leaf on its way to the disk.

  Attributes:
    data: what is written: a numpy copy, or the jax array itself if other
      processes hold parts of it (orbax then copies what is here).
    shape, dtype: of the leaf as the state has it.
    key: the implementation's name if it is a random key, else None.
    pieces: numpy copies of the parts this process writes, by index.
  """

  data: object
  shape: tuple[int, ...]
  dtype: str
  key: str | None
  pieces: dict[str, np.ndarray]

  def record(self):
    return {'shape': list(self.shape), 'dtype': self.dtype, 'key': self.key,
            'pieces': {index: _hash(piece)
                       for index, piece in self.pieces.items()}}


def _named(tree):
  """`{dotted name: leaf}`, in the tree's order."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {jax.tree_util.keystr(path, simple=True, separator='.'): leaf
          for path, leaf in leaves}


def _on_host(leaf):
  shape, dtype, key = np.shape(leaf), str(leaf.dtype), None
  if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
    key = str(jax.random.key_impl(leaf))
    leaf = jax.random.key_data(leaf)
  elsewhere = isinstance(leaf, jax.Array) and not (
      leaf.is_fully_addressable or leaf.is_fully_replicated)
  if elsewhere:
    pieces = {_index(shard.index, leaf.shape): np.array(shard.data)
              for shard in leaf.addressable_shards if shard.replica_id == 0}
    return _Leaf(leaf, shape, dtype, key, pieces)
  # A copy, because the next step may reuse the buffer.
  data = np.array(leaf)
  whole = _index((slice(None),) * data.ndim, data.shape)
  mine = {whole: data} if jax.process_index() == 0 else {}
  return _Leaf(data, shape, dtype, key, mine)


def _index(slices, shape):
  """Slices as text, such as '0:4,0:8'; '' for a scalar."""
  return ','.join('{}:{}'.format(*one.indices(size)[:2])
                  for one, size in zip(slices, shape, strict=True))


def _slices(index):
  return tuple(slice(*map(int, one.split(':')))
               for one in index.split(',') if one)


def _hash(array):
  """SHA-256 of an array's dtype, shape and bytes."""
  array = np.asarray(array)
  digest = hashlib.sha256(f'{array.dtype} {array.shape} '.encode())
  digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
  return digest.hexdigest()


class _Handler(ocp.PyTreeCheckpointHandler):
  """Orbax's own, and our hashes within the same commit.

  Both files are written beside the caller's work: the leaves are hashed
  while orbax writes them, the files once the last of them is there.
  """

  async def async_save(self, directory, args):
    futures = await super().async_save(directory, args=args)
    return [*futures, ocp.future.CommitFutureAwaitingContractedSignals(
        self._write_leaves(directory, args), name='leaves')]

  async def _write_leaves(self, directory, args):
    leaves = {name: leaf.record() for name, leaf in args.leaves.items()}
    _leaves_path(directory, jax.process_index()).write_text(json.dumps({
        **args.facts, 'processes': jax.process_count(), 'leaves': leaves}))

  def finalize(self, directory):
    super().finalize(directory)
    directory = pathlib.Path(directory)
    text = json.dumps({
        str(path.relative_to(directory)): _hash_file(path)
        for path in sorted(directory.rglob('*')) if path.is_file()})
    (directory / 'files.json').write_text(json.dumps(
        {'sha256': hashlib.sha256(text.encode()).hexdigest(), 'files': text}))


@ocp.args.register_with_handler(_Handler, for_save=True, for_restore=True)
@dataclasses.dataclass
class _Save(ocp.args.PyTreeSave):
  """What to write: orbax's `item`, our leaves, and facts of the step."""

  leaves: dict = dataclasses.field(default_factory=dict)
  facts: dict = dataclasses.field(default_factory=dict)


def _leaves_path(folder, process):
  return folder / f'leaves-{process}.json'


def _hash_file(path):
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def _recorded(folder):
  """The leaves of a checkpoint all of whose files are what was written, as
  `{name: {shape, dtype, key, pieces}}`, joined over processes."""
  folder = folder / _ITEM
  with _damage('its list of files cannot be read'):
    seal = json.loads((folder / 'files.json').read_text())
    if hashlib.sha256(seal['files'].encode()).hexdigest() != seal['sha256']:
      raise _Damaged('its list of files has changed')
    files = json.loads(seal['files'])
  for name, digest in files.items():
    with _damage(f'file {name}'):
      if _hash_file(folder / name) != digest:
        raise _Damaged(f'file {name} has changed')
  with _damage('its list of leaves cannot be read'):
    first = json.loads(_leaves_path(folder, 0).read_text())
    leaves = first['leaves']
    for process in range(1, first['processes']):
      more = json.loads(_leaves_path(folder, process).read_text())['leaves']
      for name, leaf in more.items():
        leaves[name]['pieces'].update(leaf['pieces'])
    if first['step'] != int(folder.parent.name):
      raise _Damaged(f'it was saved at step {first["step"]}')
  return leaves


def _metric(folder):
  """The metric a checkpoint was saved with; None if it cannot be read."""
  with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
    return json.loads(_leaves_path(folder / _ITEM, 0).read_text())['metric']
  return None


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
  if key is not None:
    value = jax.random.wrap_key_data(jnp.asarray(value), impl=key)
  return jax.device_put(value, getattr(target, 'sharding', None))
