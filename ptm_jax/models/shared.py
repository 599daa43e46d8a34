"""What all layers of a stack read, and what the last one reads where only some
of its rows are asked for.

Keys and values of the last layer are of all rows; its queries, feed-forward and
norms of those that are asked for alone.
"""

import jax.numpy as jnp

from ptm_jax.models import memory
from ptm_jax.models import positions as position_kinds


def shared_inputs(model, stack, structure, bias, keys):
  """What all layers of a stack read, as `Block` says."""
  shared = {'structure': structure, 'keys': keys}
  positions = stack['positions']
  places = memory.of_keys(positions, structure)
  if model.positions in ('rotary', 'transformer_xl') or model.disentangled:
    # Of the keys of these rows, which then go into the cache.
    shared['positions'], shared['places'] = positions, places
  if model.relative_types and 'token_types' in stack:
    types = stack['token_types']
    shared['types'] = types, memory.of_keys(types, structure)
  if 'slots' in stack:  # a key's place in the cache is its position
    shared['slots'] = stack['slots']
    places = jnp.arange(structure.key_segments.shape[1])[None]
  if model.relative_bias:
    shared['bias'] = bias(positions, places)
  elif model.positions == 'alibi':
    shared['bias'] = position_kinds.alibi(positions, places, model.num_heads)
  return shared


def narrows(model, num_segments):
  """Whether the last layer of a stack is one of its own, that can be run for
  some rows alone."""
  return not (model.scan_layers or model.share_layers or model.num_experts
              or model.enhanced_decoder or num_segments > 1
              or model.convolution_width and model.depth == 1)


def at_rows(values, rows):
  """`values [batch, length, ...]` at `rows [batch, n]`."""
  extra = (1,) * (values.ndim - 2)
  return jnp.take_along_axis(values, rows.reshape(rows.shape + extra), 1)


def narrowed(shared):
  """What a layer reads whose queries are the rows `shared['asked']`."""
  rows, structure = shared['asked'], shared['structure']
  def only(values):
    return None if values is None else at_rows(values, rows)
  found = {**shared, 'rows': rows, 'structure': structure.replace(
      query_segments=only(structure.query_segments),
      visibility=only(structure.visibility),
      query_places=rows if structure.query_places is None else only(
          structure.query_places))}
  if 'positions' in shared:
    found['positions'] = only(shared['positions'])
  if 'types' in shared:
    found['types'] = only(shared['types'][0]), shared['types'][1]
  if 'bias' in shared:  # [batch or 1, heads, query, key]
    bias = jnp.swapaxes(shared['bias'], 1, 2)
    bias = jnp.broadcast_to(bias, (len(rows), *bias.shape[1:]))
    found['bias'] = jnp.swapaxes(at_rows(bias, rows), 1, 2)
  return found
