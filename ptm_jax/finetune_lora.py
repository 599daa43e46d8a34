"""LoRA: two thin matrices beside each kernel of a trunk's layers.

Reference: Hu et al. 2021, arXiv:2106.09685, section 4.1. The trunk is not
touched: what they add is added to its kernels before it is run.
"""

import math

import jax
import jax.numpy as jnp
import optax

from ptm_jax import optimizers
from ptm_jax.rng import stream

_SCALE = 2.0  # alpha / rank


def make(key, trunk, rank):
  """The two matrices for each kernel, by its dotted name; the second starts
  at 0, so that nothing is added at first."""
  return {name: {
      'a': jax.random.normal(stream(key, name), (*lead, inputs, rank))
           / math.sqrt(inputs),
      'b': jnp.zeros((*lead, rank, outs))}
          for name, (lead, inputs, outs) in _kernels(trunk).items()}


def adapted(trunk, thin):
  """The trunk with what the matrices of `make` add."""

  def rule(path, leaf):
    if _name(path) not in thin:
      return leaf
    one = thin[_name(path)]
    return leaf + _SCALE * (one['a'] @ one['b']).reshape(leaf.shape)

  return jax.tree_util.tree_map_with_path(rule, trunk)


def _kernels(trunk):
  """`{dotted name: (leading axes, inputs, outputs)}` of the layers' kernels.
  """
  leaves = jax.tree_util.tree_leaves_with_path(trunk)
  axes = jax.tree_util.tree_leaves(
      optimizers.matrices(trunk), is_leaf=lambda x: x is None
      or isinstance(x, optax.contrib.MuonDimensionNumbers))
  found = {}
  for (path, leaf), one in zip(leaves, axes, strict=True):
    if one is None:
      continue
    inputs, outs = (
        [leaf.shape[axis] for axis in group]
        for group in (one.reduction_axis, one.output_axis))
    lead = leaf.shape[:leaf.ndim - len(inputs) - len(outs)]
    found[_name(path)] = lead, math.prod(inputs), math.prod(outs)
  return found


def _name(path):
  return jax.tree_util.keystr(path, simple=True, separator='.')
