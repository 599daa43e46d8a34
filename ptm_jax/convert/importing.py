"""A published model as a folder of ours."""

import jax.numpy as jnp
import numpy as np

from ptm_jax import progress, workdir
from ptm_jax.convert import folder as folders
from ptm_jax.convert import tensors
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
  with folders.new(target) as folder:
    shapes = {leaf.path: (leaf.shape, dtype)
              for entry in one.entries for leaf in entry.leaves}
    with progress.bar('converting', 'MB') as add:
      def turned(entry):
        return entry, entry.to_ours(one.read(entry))

      def arrays():
        for entry, parts in tensors.ahead(turned, one.entries):
          add(sum(part.nbytes for part in parts) / 1e6)
          yield from zip((leaf.path for leaf in entry.leaves), parts,
                         strict=True)
      tensors.write(folder, shapes, arrays())
    _verify(one, tensors.Tensors(folder))
    workdir.write_json(folder / 'config.json', workdir.record(
        one.settings, **{'finetune': one.finetune} if one.finetune else {},
        published={
            'model_type': one.values['model_type'],
            'architecture': one.architecture, 'config': one.values}))
    if one.tokenizer is not None:
      one.tokenizer.save(folder / 'tokenizer')
  say(f'{target}: {len(shapes)} tensors, each read back and turned again into '
      'what was published, bit for bit')


def _verify(one, written):
  """What was written must turn again into what was read."""
  def both(entry):
    array = one.read(entry)
    return entry, array, entry.to_published(
        [written.read(leaf.path) for leaf in entry.leaves], array.dtype)

  with progress.bar('verifying', 'MB') as add:
    for entry, array, back in tensors.ahead(both, [
        entry for entry in one.entries if entry.constant is None]):
      if not folders.same(np.asarray(back), array):
        raise CheckpointError(
            f'{entry.name} does not come back as it was: '
            f'{written.folder} could not be written, or the table is wrong')
      add(array.nbytes / 1e6)
