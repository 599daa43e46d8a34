"""Which axis of a parameter goes to which axis of the mesh."""

import types

import jax
import numpy as np
import pytest
from flax.core import meta
from jax.sharding import PartitionSpec

from ptm_jax import config, sharding
from ptm_jax.models.transformer import Trunk


def mesh_of(data, fsdp):
  """A mesh's shape alone, of more devices than there are."""
  return types.SimpleNamespace(shape={'data': data, 'fsdp': fsdp})


def box(names, shape):
  return meta.Partitioned(jax.ShapeDtypeStruct(shape, np.float32), names)


@pytest.mark.parametrize('names,shape,fsdp,expected', [
    (('vocab', 'embed'), (12, 8), 4, ('fsdp', None)),
    (('embed', 'mlp'), (8, 12), 4, (None, 'fsdp')),
    (('embed', 'heads', 'head_dim'), (8, 4, 2), 2, (None, 'fsdp', None)),
    (('embed', 'kv', 'head_dim'), (8, 2, 2), 2, (None, 'fsdp', None)),
    # What the axis does not divide is copied.
    (('vocab', 'embed'), (13, 8), 4, (None, None)),
    (('embed', 'kv', 'head_dim'), (8, 2, 2), 4, (None, None, None)),
    # A mesh axis splits one dimension, the first that fits.
    (('vocab', 'mlp'), (12, 12), 4, ('fsdp', None)),
    (('vocab', 'mlp'), (13, 12), 4, (None, 'fsdp')),
    (('norm',), (8,), 4, (None,)),
    (('layers', 'embed', 'mlp'), (2, 8, 12), 2, (None, None, 'fsdp')),
    (('vocab', 'embed'), (13, 8), 1, ('fsdp', None))])
def test_logical_axes_become_mesh_axes(names, shape, fsdp, expected):
  found = sharding.parameter_specs({'x': box(names, shape)}, mesh_of(2, fsdp))
  assert found == {'x': PartitionSpec(*expected)}


def test_what_has_no_names_is_copied():
  leaf = jax.ShapeDtypeStruct((8,), np.float32)
  assert sharding.parameter_specs(
      {'x': leaf}, mesh_of(1, 2)) == {'x': PartitionSpec()}


@pytest.mark.parametrize('scan', [False, True])
def test_every_matrix_of_a_model_is_split(scan):
  ids = jax.ShapeDtypeStruct((2, 8), np.int32)
  module = Trunk(config.Model(
      width=8, num_heads=2, max_length=8, scan_layers=scan), 'encoder', 12)
  boxed = jax.eval_shape(module.init, jax.random.key(0), {
      'inputs': ids, 'positions': ids, 'segment_ids': ids})['params']
  specs = sharding.parameter_specs(boxed, mesh_of(2, 2))
  split, copied = set(), set()
  for path, spec in jax.tree_util.tree_leaves_with_path(
      specs, is_leaf=lambda x: isinstance(x, PartitionSpec)):
    names = tuple(part.key for part in path)
    (split if 'fsdp' in spec else copied).add(names[-2:])
  assert split == {
      ('token_embedding', 'embedding'), ('up', 'kernel'), ('up', 'bias'),
      ('down', 'kernel'), ('output', 'kernel'),
      *((name, kind) for name in ('query', 'key', 'value')
        for kind in ('kernel', 'bias'))}
  assert ('position_embedding', 'embedding') in copied
  assert ('attention_norm', 'scale') in copied


def test_moments_are_split_like_their_parameters():
  mesh = sharding.make_mesh(jax.devices()[:1])
  shape = jax.ShapeDtypeStruct
  state = {
      'params': {'a': {'kernel': shape((4, 6), 'f4')},
                 'b': {'kernel': shape((4, 6), 'f4')}},
      'opt_state': ({'mu': {'a': {'kernel': shape((4, 6), 'f4')},
                            'b': {'kernel': shape((4, 6), 'f4')}}},
                    # A factored moment has the name but not the shape.
                    {'row': {'a': {'kernel': shape((4,), 'f4')}}}),
      'step': shape((), 'i4')}
  specs = {'a': {'kernel': PartitionSpec('fsdp', None)},
           'b': {'kernel': PartitionSpec(None, 'fsdp')}}
  found = sharding.state_shardings(state, specs, mesh)
  assert jax.tree.map(lambda s: s.spec, found) == {
      'params': specs,
      'opt_state': ({'mu': specs}, {'row': {'a': {'kernel': PartitionSpec()}}}),
      'step': PartitionSpec()}


def test_a_mesh_of_one_device_has_both_axes():
  mesh = sharding.make_mesh(jax.devices()[:1], 1)
  assert mesh.axis_names == ('data', 'fsdp')
  assert dict(mesh.shape) == {'data': 1, 'fsdp': 1}
  assert sharding.BATCH == PartitionSpec(('data', 'fsdp'))
