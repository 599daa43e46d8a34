"""A published model as a folder of ours."""

import jax.numpy as jnp

from ptm_jax import progress, workdir
from ptm_jax.convert import folder as folders
from ptm_jax.convert import strips, tensors
from ptm_jax.errors import CheckpointError


def write(one, target, say=print):
  """Writes a published model as a folder of ours, and compares every tensor.

  Args:
    one: `Published`.
    target: a folder that is not there yet.
    say: takes one line for the user.
  """
  dtype = jnp.dtype(one.settings.model.param_dtype)
  if one.left:
    say(f'left behind, as {one.architecture} has no use for them: '
        f'{", ".join(sorted(one.left))}')
  shapes = {leaf.path: (leaf.shape, dtype)
            for entry in one.entries for leaf in entry.leaves}
  with folders.new(target) as folder:
    with tensors.Writer(folder, shapes, _axes(one)) as out:
      _convert(one, out)
      _verify(one, tensors.Tensors(folder))
    workdir.write_json(folder / 'config.json', workdir.record(
        one.settings, **{'finetune': one.finetune} if one.finetune else {},
        published=one.noted()))
    if one.tokenizer is not None:
      one.tokenizer.save(folder / 'tokenizer')
  say(f'{target}: {len(shapes)} tensors, each read back and turned again into '
      'what was published, bit for bit')


def _axes(one):
  """`{path: axes}` of what lies in another order as it was published."""
  found = {}
  for entry in one.entries:
    parts = entry.to_ours(one.tensors.read(one.names[entry.name]))
    for leaf, part in zip(entry.leaves, parts, strict=True):
      found[leaf.path] = strips.axes(part)
  return {path: axes for path, axes in found.items()
          if axes != tuple(range(len(axes)))}


def _convert(one, out):
  def act(entry):
    parts = entry.to_ours(one.read(entry))
    for leaf, part in zip(entry.leaves, parts, strict=True):
      out.put(leaf.path, part)
    return sum(part.nbytes for part in parts) / 1e6

  with progress.bar('converting', 'MB') as add:
    for amount in tensors.each(act, one.entries):
      add(amount)


def _verify(one, written):
  """What was written must turn again into what was read."""
  def act(entry):
    array = one.read(entry)
    back = entry.to_published(
        [written.read(leaf.path) for leaf in entry.leaves], array.dtype)
    if not strips.same(back, array):
      raise CheckpointError(
          f'{entry.name} does not come back as it was: '
          f'{written.folder} could not be written, or the table is wrong')
    return array.nbytes / 1e6

  with progress.bar('verifying', 'MB') as add:
    for amount in tensors.each(act, [
        entry for entry in one.entries if entry.constant is None]):
      add(amount)
