"""What a checkpoint says of itself: the hashes of its leaves and its files.

In `STEP/default`, orbax's files hold a flat dict, dotted leaf name -> array
(a random key as its uint32 data). `leaves-PROCESS.json` has each leaf's
shape, dtype and the SHA-256 of the pieces that this process wrote;
`files.json` has the SHA-256 of every file, and its own.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

ITEM = 'default'  # orbax's folder for what is saved without a name


class Damaged(Exception):
  """A checkpoint that does not hold what was saved; says how it shows."""


@contextlib.contextmanager
def damage(what):
  """Whatever a damaged file makes the block raise becomes `Damaged`."""
  try:
    yield
  except (Damaged, MemoryError, PermissionError):
    raise
  except Exception as error:
    if getattr(error, 'errno', None) in (errno.EMFILE, errno.ENFILE):
      raise
    raise Damaged(f'{what}: {first_line(error)}') from error


def first_line(error):
  """The reason in a few words; the system's own where there is one."""
  text = getattr(error, 'strerror', None) or str(error) or repr(error)
  code = re.search(r"os_error_code='(\d+)'", text)  # tensorstore's
  text = os.strerror(int(code[1])) if code else text
  return text.strip().splitlines()[0][:200]


@dataclasses.dataclass
class Leaf:
  """One leaf on its way to the disk.

  Attributes:
    data: what is written: a numpy copy, or the jax array itself if other
      processes hold parts of it (orbax then copies what is here).
    shape, dtype: of the leaf as the state has it.
    key: the implementation's name if it is a random key, else None.
    pieces: numpy copies of the parts this process writes, by index.
  """

  data: object
  shape: tuple[int, ...]
  dtype: str
  key: str | None
  pieces: dict[str, np.ndarray]

  def record(self):
    return {'shape': list(self.shape), 'dtype': self.dtype, 'key': self.key,
            'pieces': {index: hash_array(piece)
                       for index, piece in self.pieces.items()}}


def on_host(leaf):
  """A state's leaf as a `Leaf`: copied, so that the next step may reuse it."""
  shape, dtype, key = np.shape(leaf), str(leaf.dtype), None
  if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
    key = str(jax.random.key_impl(leaf))
    leaf = jax.random.key_data(leaf)
  elsewhere = isinstance(leaf, jax.Array) and not (
      leaf.is_fully_addressable or leaf.is_fully_replicated)
  if elsewhere:
    pieces = {_index(shard.index, leaf.shape): np.array(shard.data)
              for shard in leaf.addressable_shards if shard.replica_id == 0}
    return Leaf(leaf, shape, dtype, key, pieces)
  # A copy, because the next step may reuse the buffer.
  data = np.array(leaf)
  whole = _index((slice(None),) * data.ndim, data.shape)
  mine = {whole: data} if jax.process_index() == 0 else {}
  return Leaf(data, shape, dtype, key, mine)


def _index(slices, shape):
  """Slices as text, such as '0:4,0:8'; '' for a scalar."""
  return ','.join('{}:{}'.format(*one.indices(size)[:2])
                  for one, size in zip(slices, shape, strict=True))


def slices_of(index):
  """The slices that `Leaf.pieces` names as text."""
  return tuple(slice(*map(int, one.split(':')))
               for one in index.split(',') if one)


def hash_array(array):
  """SHA-256 of an array's dtype, shape and bytes."""
  array = np.asarray(array)
  digest = hashlib.sha256(f'{array.dtype} {array.shape} '.encode())
  digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
  return digest.hexdigest()


class Handler(ocp.PyTreeCheckpointHandler):
  """Orbax's own, and our hashes within the same commit.

  Both files are written beside the caller's work: the leaves are hashed
  while orbax writes them, the files once the last of them is there.
  """

  async def async_save(self, directory, args):
    futures = await super().async_save(directory, args=args)
    return [*futures, ocp.future.CommitFutureAwaitingContractedSignals(
        self._write_leaves(directory, args), name='leaves')]

  async def _write_leaves(self, directory, args):
    leaves = {name: leaf.record() for name, leaf in args.leaves.items()}
    _leaves_path(directory, jax.process_index()).write_text(json.dumps({
        **args.facts, 'processes': jax.process_count(), 'leaves': leaves}))

  def finalize(self, directory):
    super().finalize(directory)
    directory = pathlib.Path(directory)
    text = json.dumps({
        str(path.relative_to(directory)): hash_file(path)
        for path in sorted(directory.rglob('*')) if path.is_file()})
    (directory / 'files.json').write_text(json.dumps(
        {'sha256': hashlib.sha256(text.encode()).hexdigest(), 'files': text}))


@ocp.args.register_with_handler(Handler, for_save=True, for_restore=True)
@dataclasses.dataclass
class Save(ocp.args.PyTreeSave):
  """What to write: orbax's `item`, our leaves, and facts of the step."""

  leaves: dict = dataclasses.field(default_factory=dict)
  facts: dict = dataclasses.field(default_factory=dict)


def _leaves_path(folder, process):
  return folder / f'leaves-{process}.json'


def hash_file(path):
  """SHA-256 of a file."""
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def recorded_leaves(folder):
  """The leaves of a checkpoint all of whose files are what was written, as
  `{name: {shape, dtype, key, pieces}}`, joined over processes."""
  folder = folder / ITEM
  with damage('its list of files cannot be read'):
    seal = json.loads((folder / 'files.json').read_text())
    if hashlib.sha256(seal['files'].encode()).hexdigest() != seal['sha256']:
      raise Damaged('its list of files has changed')
    files = json.loads(seal['files'])
  for name, digest in files.items():
    with damage(f'file {name}'):
      if '..' in pathlib.PurePath(name).parts or pathlib.PurePath(
          name).is_absolute():
        raise Damaged(f'file {name} lies outside its folder')
      if hash_file(folder / name) != digest:
        raise Damaged(f'file {name} has changed')
  with damage('its list of leaves cannot be read'):
    first = json.loads(_leaves_path(folder, 0).read_text())
    leaves = first['leaves']
    for process in range(1, first['processes']):
      more = json.loads(_leaves_path(folder, process).read_text())['leaves']
      for name, leaf in more.items():
        leaves[name]['pieces'].update(leaf['pieces'])
    if first['step'] != int(folder.parent.name):
      raise Damaged(f'it was saved at step {first["step"]}')
  return leaves


def recorded_metric(folder):
  """The metric a checkpoint was saved with; None if it cannot be read."""
  with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
    return json.loads(_leaves_path(folder / ITEM, 0).read_text())['metric']
  return None
