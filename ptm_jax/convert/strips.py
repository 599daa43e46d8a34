"""Arrays in strips that stay in a processor's cache.

A transposed tensor is a view here, until it is written, compared or kept: then
its numbers are put into order strip by strip, which costs no second array and
about a third of what a copy of the transpose does.
"""

import math

import numpy as np

_SIDE = 256  # rows of a strip, and columns of a square of it
_BYTES = 2**20  # of a piece of what is in order already


def pieces(array):
  """The numbers of an array in C order.

  Args:
    array: of any strides.

  Yields:
    Flat arrays of unsigned integers with its bits; each holds until the next
    is asked for.
  """
  # The plain types are copied much faster than bfloat16.
  array = array.view(f'u{array.dtype.itemsize}')
  if array.flags.c_contiguous:
    flat, step = array.reshape(-1), _BYTES // array.itemsize
    for start in range(0, flat.size, step):
      yield flat[start:start + step]
    return
  matrix = _folded(array)
  strip = np.empty((_SIDE, matrix.shape[1]), matrix.dtype)
  # Rows of a power of two bytes would all fall to the same lines of a cache.
  square = np.empty((_SIDE, _SIDE + 32), matrix.dtype)
  for start in range(0, len(matrix), _SIDE):
    part = matrix[start:start + _SIDE]
    for left in range(0, part.shape[1], _SIDE):
      block = part[:, left:left + _SIDE].T
      turned = square[:block.shape[0], :block.shape[1]]
      turned[...] = block
      strip[:len(part), left:left + _SIDE] = turned.T
    yield strip[:len(part)].reshape(-1)


def axes(array):
  """An array's axes as its numbers lie, the slowest first: transposed by
  these it is in C order, unless it has holes."""
  return tuple(sorted(range(array.ndim),
                      key=lambda axis: -array.strides[axis]))


def ordered(array):
  """The same array in C order, itself if it is."""
  if array.flags.c_contiguous:
    return array
  result = np.empty(array.shape, array.dtype)
  bits, start = result.reshape(-1).view(f'u{array.dtype.itemsize}'), 0
  for piece in pieces(array):
    bits[start:start + piece.size] = piece
    start += piece.size
  return result


def same(one, other):
  """Whether two arrays have the same shape, type and bits."""
  if one.shape != other.shape or one.dtype != other.dtype:
    return False
  if one.flags.c_contiguous:
    one, other = other, one
  flat, start = ordered(other).reshape(-1), 0
  flat = flat.view(f'u{flat.dtype.itemsize}')
  for piece in pieces(one):
    if not np.array_equal(_wide(piece), _wide(flat[start:start + piece.size])):
      return False
    start += piece.size
  return True


def _wide(bits):
  """As few numbers as can be: a comparison makes a byte of each."""
  return bits.view(np.uint64 if bits.nbytes % 8 == 0 else np.uint8)


def _folded(array):
  """A view of two axes that has the same numbers in the same order."""
  array = array.squeeze()
  apart = [axis for axis in range(1, array.ndim) if array.strides[axis - 1] !=
           array.strides[axis] * array.shape[axis]]
  if len(apart) > 1:
    array, apart = np.ascontiguousarray(array), []
  cut = apart[0] if apart else 0
  return array.reshape(math.prod(array.shape[:cut]), -1)
