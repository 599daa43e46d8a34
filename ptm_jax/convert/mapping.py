"""Which published tensor holds which of our leaves, read in both directions.

A leaf is named by its path in `params`: `trunk/stack/layer_0/mlp/up/kernel`.
A family's table names modules of ours and of the published model; the rest
follows from the kind of the leaf.
"""

import dataclasses
import math
import re
from typing import NamedTuple

import jax
import numpy as np
from flax.core import meta

from ptm_jax.errors import CheckpointError, ConfigError

_SUFFIXES = {'kernel': '.weight', 'embedding': '.weight', 'scale': '.weight',
             'table': '.weight', 'bias': '.bias'}
_LAYER = re.compile(r'layer_(\d+)')


@dataclasses.dataclass(frozen=True)
class Leaf:
  """A leaf of ours.

  Attributes:
    path: its name.
    shape: as it is here.
    flat: with its input axes made one, and so its output axes; `shape` for
      what is no matrix of a dense layer.
    axes: their logical names.
  """

  path: str
  shape: tuple[int, ...]
  flat: tuple[int, ...]
  axes: tuple[str, ...]


class Axes(NamedTuple):
  """A published tensor whose axes are none of a matrix: told one by one.

  Attributes:
    name: of the tensor.
    axes: logical names of our leaf's axes, in the order that they have there;
      None is an axis of length 1.
  """

  name: str
  axes: tuple[str | None, ...]

  def shape(self, leaf):
    """Of the published tensor."""
    sizes = dict(zip(leaf.axes, leaf.shape, strict=True))
    return tuple(1 if axis is None else sizes[axis] for axis in self.axes)

  def to_ours(self, array, leaf):
    """A view with the leaf's axes."""
    return np.squeeze(array, self._ones).transpose(
        [self._named.index(axis) for axis in leaf.axes])

  def to_published(self, array, leaf):
    """A view with the published axes."""
    return np.expand_dims(array.transpose(
        [leaf.axes.index(axis) for axis in self._named]), self._ones)

  @property
  def _named(self):
    return [axis for axis in self.axes if axis is not None]

  @property
  def _ones(self):
    return tuple(place for place, axis in enumerate(self.axes) if axis is None)


@dataclasses.dataclass(frozen=True)
class Entry:
  """One published tensor and the leaves that are its parts.

  Attributes:
    name: of the published tensor.
    leaves: of ours, side by side along the outputs.
    transposed: whether matrices are `[out, in]` there; ours are `[in, out]`.
    shape: of the published tensor.
    constant: float32 array of a tensor that is always this one and so has no
      leaves.
    axes: of a tensor of one leaf that keeps its axes, or None.
  """

  name: str
  leaves: tuple[Leaf, ...]
  transposed: bool
  shape: tuple[int, ...]
  constant: np.ndarray | None = dataclasses.field(default=None, compare=False)
  axes: Axes | None = None

  def to_ours(self, array):
    """The leaves' arrays, a list of views, of a published one."""
    if self.constant is not None:
      return []
    if self.axes is not None:
      return [self.axes.to_ours(array, *self.leaves)]
    parts = (np.split(array, len(self.leaves), self._axis)
             if len(self.leaves) > 1 else [array])
    return [_turned(part, self.transposed).reshape(leaf.shape)
            for part, leaf in zip(parts, self.leaves, strict=True)]

  def to_published(self, arrays, dtype):
    """The published array, a view of the leaves' if it has one."""
    if self.constant is not None:
      return self.constant.astype(dtype)
    if self.axes is not None:
      return self.axes.to_published(*arrays, *self.leaves)
    parts = [_turned(array.reshape(leaf.flat), self.transposed)
             for array, leaf in zip(arrays, self.leaves, strict=True)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, self._axis)

  @property
  def _axis(self):
    return 0 if self.transposed else len(self.shape) - 1


def _turned(array, transposed):
  """A view of a matrix's transpose."""
  return array.T if transposed and array.ndim == 2 else array


def leaves_of(networks, wanted):
  """The leaves of some networks, without computing anything.

  Args:
    networks: `{name: (module, arguments)}`, as of `BaseObjective.networks`.
    wanted: their names.

  Returns:
    A list of `Leaf`.
  """
  found = []
  for name in wanted:
    module, arguments = networks[name]
    shapes = jax.eval_shape(module.init, jax.random.key(0), *arguments)
    for path, box in jax.tree_util.tree_leaves_with_path(
        shapes.get('params', {}),
        is_leaf=lambda one: isinstance(one, meta.AxisMetadata)):
      found.append(_leaf('/'.join([name, *(part.key for part in path)]), box))
  return found


def _leaf(path, box):
  shape = tuple(box.value.shape)
  flat = shape
  if path.endswith('/kernel'):
    inputs = 2 if box.names[0] == 'heads' else 1  # of attention's output
    flat = (math.prod(shape[:inputs]), math.prod(shape[inputs:]))
  elif path.endswith('/bias'):
    flat = (math.prod(shape),)
  return Leaf(path, shape, flat, tuple(box.names))


def entries(names, leaves, transposed=True, constants=None):
  """Puts leaves and published tensors together.

  Args:
    names: `{module or leaf of ours: published name}`; of a layer, '{}' stands
      for the number in both. A pair `(name, n)` is part n of a tensor; `Axes`
      are a tensor that keeps its axes.
    leaves: list of `Leaf`.
    transposed: as of `Entry`.
    constants: `{published name: array}` of tensors that are always these.

  Returns:
    A list of `Entry`.

  Raises:
    ConfigError: a leaf has no published name.
  """
  parts, result = {}, []
  for leaf in leaves:
    name, more = _published(names, leaf.path)
    if isinstance(more, Axes):
      result.append(Entry(name, (leaf,), False, more.shape(leaf), axes=more))
      continue
    is_matrix = transposed and leaf.path.endswith('/kernel')
    parts.setdefault((name, is_matrix), {})[more] = leaf
  for (name, is_matrix), numbered in parts.items():
    ordered = tuple(numbered[number] for number in sorted(numbered))
    shapes = [leaf.flat[::-1] if is_matrix else leaf.flat for leaf in ordered]
    shape = list(shapes[0])
    shape[0 if is_matrix else -1] *= len(shapes)
    if len(ordered) == 1:
      shape = shapes[0]
    result.append(Entry(name, ordered, is_matrix, tuple(shape)))
  result += [Entry(name, (), False, array.shape, array)
             for name, array in (constants or {}).items()]
  return result


def _published(names, path):
  """The published tensor, and the part of it that a leaf is or its `Axes`."""
  layer = _LAYER.search(path)
  pattern = _LAYER.sub('layer_{}', path)
  module, _, kind = pattern.rpartition('/')
  found = names.get(pattern)
  suffix = ''
  if found is None and module in names:
    found, suffix = names[module], _SUFFIXES[kind]
  if found is None:
    raise ConfigError(f'{path} has no counterpart there')
  name, more = found if isinstance(found, tuple) else (found, 0)
  if isinstance(found, Axes):
    more = found
  return name.format(layer[1] if layer else '') + suffix, more


def compare(entries, shapes, folder):
  """Raises CheckpointError unless the published tensors are those of the
  table; `shapes` is `{name: (shape, dtype)}`."""
  expected = {entry.name: entry.shape for entry in entries}
  for name, shape in expected.items():
    if name not in shapes:
      raise CheckpointError(
          f'{folder} lacks the tensor {name} that its config.json asks for'
          f'{_others(set(expected) - set(shapes))}')
    if shapes[name][0] != shape:
      raise CheckpointError(
          f'{folder}: {name} has the shape {list(shapes[name][0])}, where '
          f'config.json asks for {list(shape)}')
  extra = sorted(set(shapes) - set(expected))
  if extra:
    raise CheckpointError(f'{folder} holds the tensor {extra[0]}, which is no '
                          f'part of what its config.json describes'
                          f'{_others(extra)}')


def _others(names):
  return f' (and {len(names) - 1} more)' if len(names) > 1 else ''


def flatten(params):
  """`{path: leaf}` of a tree of parameters; the layers of a scanned stack one
  by one."""
  found = {}
  for path, value in jax.tree_util.tree_leaves_with_path(params):
    names = [part.key for part in path]
    if 'layers' in names:
      place = names.index('layers')
      for number, one in enumerate(np.asarray(value)):
        found['/'.join([*names[:place], f'layer_{number}',
                        *names[place + 1:]])] = one
    else:
      found['/'.join(names)] = value
  return found


def unflatten(values):
  """The tree of `{path: leaf}`."""
  tree = {}
  for path, value in values.items():
    *above, name = path.split('/')
    place = tree
    for one in above:
      place = place.setdefault(one, {})
    place[name] = value
  return tree
