"""Which mesh axis each logical axis of a parameter is split over.

Models name the axes of their parameters by meaning; this table maps the
names to the mesh. A dimension that its mesh axis does not divide is copied
to every device instead.
"""

import jax
import numpy as np
from flax.core import meta
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

MESH_AXES = ('data', 'fsdp')
BATCH = PartitionSpec(MESH_AXES)

# Logical axis -> mesh axis. Later parallelism adds a mesh axis and rows here.
RULES = {
    'vocab': 'fsdp',
    'mlp': 'fsdp',
    'heads': 'fsdp',
    'kv': 'fsdp',
}


def make_mesh(devices, fsdp=1):
  """A mesh of all `devices`: groups of `fsdp` hold a parameter's parts."""
  shape = (len(devices) // fsdp, fsdp)
  return Mesh(np.asarray(devices).reshape(shape), MESH_AXES,
              axis_types=(AxisType.Auto,) * 2)


def parameter_specs(boxed, mesh):
  """PartitionSpecs of parameters, from their logical names.

  Args:
    boxed: shapes of the parameters, boxed as `objective.init` returns them.
    mesh: from `make_mesh`.

  Returns:
    A tree like the unboxed parameters.
  """
  def spec(leaf):
    if not isinstance(leaf, meta.Partitioned):
      return PartitionSpec()
    used, axes = set(), []
    for name, size in zip(leaf.names, leaf.value.shape, strict=True):
      axis = RULES.get(name)
      fits = axis and axis not in used and size % mesh.shape[axis] == 0
      axes.append(axis if fits else None)
      used.add(axes[-1])
    return PartitionSpec(*axes)

  return jax.tree.map(spec, boxed,
                      is_leaf=lambda x: isinstance(x, meta.Partitioned))


def state_shardings(state, specs, mesh):
  """Shardings of a whole state: a leaf that mirrors a parameter (a moment of
  the optimizer) is split like it, everything else is copied.

  Args:
    state: the state's shapes.
    specs: from `parameter_specs`.
    mesh: from `make_mesh`.
  """
  def names(path):
    return tuple(str(getattr(part, 'key', getattr(part, 'name', None)))
                 for part in path)

  shapes = {names(path): leaf.shape for path, leaf
            in jax.tree_util.tree_leaves_with_path(state['params'])}
  by_name = {names(path): spec for path, spec
             in jax.tree_util.tree_leaves_with_path(
                 specs, is_leaf=lambda x: isinstance(x, PartitionSpec))}

  def sharding(path, leaf):
    parts = names(path)
    for start in range(len(parts)):
      if shapes.get(parts[start:]) == leaf.shape:
        return NamedSharding(mesh, by_name[parts[start:]])
    return NamedSharding(mesh, PartitionSpec())

  return jax.tree_util.tree_map_with_path(sharding, state)
