"""Tensors in a folder of safetensors: read one by one, written in a stream."""

import concurrent.futures
import json
import math
import os
import pathlib
import struct

import ml_dtypes
import numpy as np
import safetensors

from ptm_jax import serialize
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
      for name in found:
        self._places[name] = (self.folder / file,
                              start + header[name]['data_offsets'][0])
        self.shapes[name] = _shape(opened, name, self.folder / file)

  def read(self, name):
    """One tensor, a numpy array; straight into its place, which the library
    does in twice the time."""
    path, start = self._places[name]
    shape, dtype = self.shapes[name]
    array = np.empty(shape, dtype)
    with open(path, 'rb', buffering=0) as file:
      file.seek(start)
      left = memoryview(array.reshape(-1).view(np.uint8))
      while len(left):
        count = file.readinto(left)
        if not count:
          raise CheckpointError(f'{path} ended early: it was changed')
        left = left[count:]
    return array


def ahead(function, items):
  """`function` of each item, in order; the next is computed meanwhile."""
  with concurrent.futures.ThreadPoolExecutor(1) as pool:
    coming = None
    for item in items:
      following = pool.submit(function, item)
      if coming is not None:
        yield coming.result()
      coming = following
    if coming is not None:
      yield coming.result()


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
    raise CheckpointError(f'{path} is missing') from error
  except (safetensors.SafetensorError, OSError, ValueError) as error:
    raise CheckpointError(f'{path} is damaged: {str(error)[:100]}') from error


def _header(path):
  """Where a file's data begins, and its header, which the library has found
  to be sound."""
  with open(path, 'rb') as file:
    size, = struct.unpack('<Q', file.read(8))
    return 8 + size, json.loads(file.read(size))


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


def write(folder, shapes, arrays, shard_bytes=5 * 10**9):
  """Writes tensors as they come, holding one at a time.

  Args:
    folder: exists.
    shapes: `{name: (shape, numpy dtype)}`, in the order of `arrays`.
    arrays: iterable of `(name, array)`, in that order.
    shard_bytes: most bytes in a file that has more than one tensor.
  """
  folder, arrays = pathlib.Path(folder), iter(arrays)
  shards = _shards(shapes, shard_bytes)
  count, weight_map = len(shards), {}
  for number, names in enumerate(shards, 1):
    file = NAME if count == 1 else (
        f'model-{number:05}-of-{count:05}.safetensors')
    weight_map.update(dict.fromkeys(names, file))
    _write_file(folder / file, {name: shapes[name] for name in names}, arrays)
  if count > 1:
    total = sum(_bytes(*one) for one in shapes.values())
    (folder / _INDEX).write_text(json.dumps(
        {'metadata': {'total_size': total}, 'weight_map': weight_map},
        indent=1) + '\n')


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


def _write_file(path, shapes, arrays):
  """One file; the library's own writer wants a copy of all tensors."""
  header, offset = {'__metadata__': {'format': 'pt'}}, 0
  for name, (shape, dtype) in shapes.items():
    end = offset + _bytes(shape, dtype)
    header[name] = {'dtype': _CODES[dtype], 'shape': list(shape),
                    'data_offsets': [offset, end]}
    offset = end
  text = json.dumps(header, separators=(',', ':')).encode()
  text += b' ' * (-len(text) % 8)
  with open(path, 'wb') as file:
    file.write(struct.pack('<Q', len(text)) + text)
    for name, (shape, dtype) in shapes.items():
      given, array = next(arrays)
      if (given, array.shape, array.dtype) != (name, shape, dtype):
        raise AssertionError(f'{given} {array.shape} {array.dtype} came where '
                             f'{name} {shape} {dtype} was announced')
      file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    file.flush()
    os.fsync(file.fileno())
