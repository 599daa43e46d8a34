"""Tensors in a folder of safetensors, read and written one by one.

A tensor's axes may lie in a file in another order than that in which they are
read: a transposed matrix is then written as fast as any other. The header's
`__metadata__` says so, `{"axes": {name: axes as they lie}}` as JSON; shapes in
the header are those of what lies there.
"""

import concurrent.futures
import errno
import json
import math
import os
import pathlib
import shutil
import struct
import threading

import ml_dtypes
import numpy as np
import safetensors

from ptm_jax import serialize
from ptm_jax.convert import strips
from ptm_jax.errors import CheckpointError

NAME = 'model.safetensors'
_INDEX = f'{NAME}.index.json'
_DTYPES = {'F32': np.dtype(np.float32), 'F16': np.dtype(np.float16),
           'BF16': np.dtype(ml_dtypes.bfloat16), 'I64': np.dtype(np.int64)}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


class Tensors:
  """The tensors of a folder; none is read before it is asked for.

  Args:
    folder: holds `file`, or shards of it and an index.
    file: by default as published models name it.

  Attributes:
    folder: a `pathlib.Path`.
    shapes: `{name: (shape, numpy dtype)}`.

  Raises:
    CheckpointError: there are none, a file is damaged or missing, or only a
      pickle is there.
  """

  def __init__(self, folder, file=NAME):
    self.folder = pathlib.Path(folder)
    self._places, self.shapes = {}, {}
    files = _listed(self.folder) if file == NAME else {file: None}
    for file, names in files.items():
      opened = _open(self.folder / file)
      found = set(opened.keys())
      if names is not None and found != names:
        raise CheckpointError(
            f'{self.folder / file} does not hold what {_INDEX} says: '
            f'{_some(found ^ names)} is in one of them alone')
      start, header = _header(self.folder / file)
      axes = _axes(header, self.folder / file)
      for name in found:
        lies, dtype = _shape(opened, name, self.folder / file)
        order = axes.get(name, tuple(range(len(lies))))
        if sorted(order) != list(range(len(lies))):
          raise CheckpointError(f'{self.folder / file} is damaged: {name} has '
                                f'{len(lies)} axes, not {order}')
        back = tuple(np.argsort(order, kind='stable'))
        self._places[name] = (self.folder / file,
                              start + header[name]['data_offsets'][0],
                              lies, back)
        self.shapes[name] = tuple(lies[axis] for axis in back), dtype

  def read(self, name):
    """One tensor, a read-only array on the file itself: what is not looked at
    is not read, and nothing is held."""
    path, start, lies, back = self._places[name]
    shape, dtype = self.shapes[name]
    if not math.prod(shape):
      return np.zeros(shape, dtype)
    return np.memmap(path, dtype, 'r', start, lies).view(
        np.ndarray).transpose(back)


def each(function, items):
  """`function` of each item, in order, computed by two threads."""
  pool = concurrent.futures.ThreadPoolExecutor(2)
  try:
    yield from pool.map(function, items)
  finally:
    pool.shutdown(cancel_futures=True)


def found(folder):
  """Whether a folder holds weights as safetensors."""
  folder = pathlib.Path(folder)
  return (folder / NAME).is_file() or (folder / _INDEX).is_file()


def _listed(folder):
  """`{file: names, or None where no index tells}`."""
  if (folder / NAME).is_file():
    return {NAME: None}
  if not (folder / _INDEX).is_file():
    pickles = sorted(folder.glob('*.bin')) + sorted(folder.glob('*.pt*'))
    if pickles:
      raise CheckpointError(
          f'{pickles[0]} is a pickle, which can run any code when it is read: '
          'convert it elsewhere, with transformers: AutoModel.from_pretrained'
          '(DIR).save_pretrained(NEW_DIR), and name the new folder')
    raise CheckpointError(f'{folder} holds no {NAME}: name a folder with '
                          'weights as safetensors')
  files = {}
  index = serialize.read_json(folder / _INDEX, CheckpointError)
  names = index.get('weight_map')
  if not isinstance(names, dict) or not names:
    raise CheckpointError(f'{folder / _INDEX} is damaged: no weight_map')
  for name, file in names.items():
    if not isinstance(file, str) or pathlib.PurePath(file).name != file or (
        '\\' in file or not file.endswith('.safetensors')):
      raise CheckpointError(f'{folder / _INDEX} names {file!r:.80}, which is '
                            'no safetensors file of this folder')
    files.setdefault(file, set()).add(name)
  return files


def _open(path):
  try:
    return safetensors.safe_open(path, 'np')
  except FileNotFoundError as error:
    # The library says it of a file without rights too.
    found = 'may not be read' if path.exists() else 'is missing'
    raise CheckpointError(f'{path} {found}') from error
  except (safetensors.SafetensorError, OSError, ValueError) as error:
    raise CheckpointError(f'{path} is damaged: {str(error)[:100]}') from error


def _header(path):
  """Where a file's data begins, and its header, which the library has found
  to be sound."""
  with open(path, 'rb') as file:
    size, = struct.unpack('<Q', file.read(8))
    return 8 + size, json.loads(file.read(size))


def _axes(header, path):
  """`{name: axes as they lie}` of those that are read in another order."""
  try:
    found = json.loads(header.get('__metadata__', {}).get('axes', '{}'))
    return {name: tuple(int(axis) for axis in axes)
            for name, axes in found.items()}
  except (AttributeError, TypeError, ValueError) as error:
    raise CheckpointError(f'{path} is damaged: its axes are not what this '
                          'version writes') from error


def _shape(opened, name, path):
  one = opened.get_slice(name)
  dtype = _DTYPES.get(one.get_dtype())
  if dtype is None:
    raise CheckpointError(f'{path}: {name} is of type {one.get_dtype()}, '
                          f'where {", ".join(_DTYPES)} can be read')
  return tuple(one.get_shape()), dtype


def _some(names):
  """A few of several names, for messages."""
  names = sorted(names)
  more = f' and {len(names) - 3} more' if len(names) > 3 else ''
  return ', '.join(names[:3]) + more


class Writer:
  """Files that take tensors in any order, from any thread.

  `with Writer(folder, shapes) as out:` makes the files, `out.put` fills them,
  and at the end they are on the disk. That begins with the first tensor.

  Args:
    folder: exists.
    shapes: `{name: (shape, numpy dtype)}`.
    axes: `{name: its axes in the order in which they shall lie}`, of those that
      shall not lie as they are.
    shard_bytes: most bytes in a file that has more than one tensor.

  Raises:
    OSError: there is no room for them.
  """

  def __init__(self, folder, shapes, axes=None, shard_bytes=5 * 10**9):
    folder = pathlib.Path(folder)
    self._shapes, self._missing, self._places = shapes, set(shapes), {}
    self._axes = axes or {}
    total = sum(_bytes(*one) for one in shapes.values())
    if total > (free := shutil.disk_usage(folder).free):
      raise OSError(errno.ENOSPC, f'no space left: {total / 1e9:.1f} GB are '
                    f'needed and {free / 1e9:.1f} are free', str(folder))
    shards = _shards(shapes, shard_bytes)
    count, weight_map, self._files = len(shards), {}, []
    for number, names in enumerate(shards, 1):
      file = NAME if count == 1 else (
          f'model-{number:05}-of-{count:05}.safetensors')
      weight_map.update(dict.fromkeys(names, file))
      self._files.append(open(folder / file, 'wb', buffering=0))
      self._begin(self._files[-1], names)
    if count > 1:
      (folder / _INDEX).write_text(json.dumps(
          {'metadata': {'total_size': total}, 'weight_map': weight_map},
          indent=1) + '\n')
    self._lock, self._pool = threading.Lock(), None
    self._saving = []

  def _begin(self, file, names):
    header, offset = {'__metadata__': {'format': 'pt'}}, 0
    if axes := {name: self._axes[name] for name in names if name in self._axes}:
      header['__metadata__']['axes'] = json.dumps(axes)
    for name in names:
      shape, dtype = self._shapes[name]
      end = offset + _bytes(shape, dtype)
      lies = [shape[axis] for axis in self._axes.get(name, range(len(shape)))]
      header[name] = {'dtype': _CODES[dtype], 'shape': lies,
                      'data_offsets': [offset, end]}
      offset = end
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    file.write(struct.pack('<Q', len(text)) + text)
    for name in names:
      self._places[name] = (file.fileno(), 8 + len(text)
                            + header[name]['data_offsets'][0])

  def put(self, name, array):
    """Writes one tensor, in whatever order its numbers lie."""
    if (array.shape, array.dtype) != self._shapes[name]:
      raise AssertionError(f'{name} {array.shape} {array.dtype} came where '
                           f'{self._shapes[name]} was announced')
    file, place = self._places[name]
    for piece in strips.pieces(array.transpose(
        self._axes.get(name, range(array.ndim)))):
      left = memoryview(piece).cast('B')
      while len(left):
        count = os.pwrite(file, left, place)
        left, place = left[count:], place + count
    with self._lock:
      self._missing.remove(name)
      if all(one.done() for one in self._saving):
        self._save(file)

  def _save(self, file):
    """Brings a file to the disk, in a thread; raises what this raised last."""
    saved, self._saving = self._saving, []
    for one in saved:
      one.result()
    self._saving = [self._pool.submit(os.fdatasync, file)]

  def __enter__(self):
    self._pool = concurrent.futures.ThreadPoolExecutor(1)
    return self

  def __exit__(self, kind, *_):
    try:
      self._pool.shutdown()
      if kind is None:
        if self._missing:
          raise AssertionError(f'never written: {_some(self._missing)}')
        for one in self._saving:
          one.result()
        for file in self._files:
          os.fsync(file.fileno())
    finally:
      for file in self._files:
        file.close()


def _bytes(shape, dtype):
  return math.prod(shape) * dtype.itemsize


def _shards(shapes, most):
  shards, size = [[]], 0
  for name, one in shapes.items():
    if shards[-1] and size + _bytes(*one) > most:
      shards.append([])
      size = 0
    shards[-1].append(name)
    size += _bytes(*one)
  return shards
