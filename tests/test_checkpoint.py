"""Checkpoints: equal bits, or known to be bad and set aside."""

import json
import os
import pathlib
import random
import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax import manifest
from ptm_jax.checkpoint import Checkpoints
from ptm_jax.errors import CheckpointError


def state(seed=0):
  """Every kind of leaf that a run's state has."""
  rng = np.random.default_rng(seed)
  return {
      'params': {'trunk': {'kernel': rng.normal(size=(3, 4)).astype('float32'),
                           'half': rng.normal(size=(5,)).astype(jnp.bfloat16)}},
      'opt_state': ({'mu': np.zeros((1, 3), np.float32)}, (),
                    [rng.integers(-9, 9, 7).astype(np.int32)]),
      'key': jax.random.key(seed),
      'keys': jax.random.split(jax.random.key(seed, impl='rbg'), 2),
      'step': jnp.int32(seed),
      'counts': np.array([2**32 - 1, seed], np.uint32),
      'finite': np.array(True),
      'special': np.array([np.nan, np.inf, -0.0, 1e-45], np.float32)}


def bits(tree):
  """Names, dtypes, shapes and bytes of the leaves."""
  found = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    dtype = str(leaf.dtype)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
      leaf = jax.random.key_data(leaf)
    leaf = np.asarray(leaf)
    found[jax.tree_util.keystr(path)] = (dtype, leaf.shape, leaf.tobytes())
  return found


def assert_same(found, expected):
  assert jax.tree.structure(found) == jax.tree.structure(expected)
  assert bits(found) == bits(expected)


def save(directory, steps=(1, 2), **options):
  keeper = Checkpoints(directory, **options)
  for step in steps:
    keeper.save(step, state(step))
  keeper.close()


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """A folder with checkpoints 1 and 2; to be copied, not changed."""
  directory = tmp_path_factory.mktemp('saved') / 'checkpoints'
  save(directory)
  return directory


@pytest.fixture
def copy(saved, tmp_path):
  return pathlib.Path(shutil.copytree(saved, tmp_path / 'checkpoints'))


def reader(directory, **options):
  said = []
  return Checkpoints(directory, say=said.append, **options), said


def files(directory):
  return sorted(path for path in pathlib.Path(directory).rglob('*')
                if path.is_file())


def test_what_is_saved_is_restored_bit_by_bit(saved):
  keeper, said = reader(saved)
  step, found = keeper.restore(state(0))
  assert step == 2 and not said
  assert_same(found, state(2))
  # A key restored goes on where it was.
  assert np.array_equal(jax.random.bits(found['key'], (3,)),
                        jax.random.bits(state(2)['key'], (3,)))
  assert jax.random.key_impl(found['keys']) == jax.random.key_impl(
      state(2)['keys'])


def test_a_target_of_shapes_is_enough_and_a_step_can_be_named(saved):
  keeper, _ = reader(saved)
  target = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, state(0)))
  step, found = keeper.restore(target, step=1)
  assert step == 1
  assert_same(found, state(1))
  assert keeper.restore(target, step=7) is None


def test_a_restored_leaf_is_where_the_target_wants_it(saved):
  device = jax.devices()[0]
  sharding = jax.sharding.NamedSharding(
      jax.sharding.Mesh(np.array([device]), 'x'),
      jax.sharding.PartitionSpec('x'))
  target = state(0)
  target['counts'] = jax.ShapeDtypeStruct((2,), np.uint32, sharding=sharding)
  _, found = reader(saved)[0].restore(target)
  assert found['counts'].sharding == sharding


def test_no_checkpoint_is_none_and_reading_makes_nothing(tmp_path):
  keeper, said = reader(tmp_path / 'none')
  assert keeper.steps() == [] and keeper.restore(state()) is None
  keeper.close()
  assert not said and not list(tmp_path.iterdir())


def test_the_newest_and_the_best_are_kept(tmp_path):
  keeper = Checkpoints(tmp_path, keep=2)
  metrics = {1: 3.0, 2: 1.0, 3: float('nan'), 4: 2.0, 5: None, 6: 5.0}
  for step, metric in metrics.items():
    keeper.save(step, {'x': np.float32(step)}, metric, block=True)
  assert keeper.steps() == [2, 5, 6]
  keeper.close()
  # Another process knows what the best one scored, and a better one wins.
  keeper = Checkpoints(tmp_path, keep=1)
  keeper.save(7, {'x': np.float32(7)}, 0.5)
  keeper.save(8, {'x': np.float32(8)}, 0.7)
  keeper.close()
  assert keeper.steps() == [7, 8]


def test_the_state_may_change_as_soon_as_save_returns(tmp_path, monkeypatch):
  one = {'x': np.arange(1000, dtype=np.float32)}
  expected = bits(one)
  changed, real = threading.Event(), manifest.hash_array
  def late(array):
    assert changed.wait(30)
    return real(array)
  monkeypatch.setattr(manifest, 'hash_array', late)
  keeper = Checkpoints(tmp_path)
  keeper.save(1, one)
  one['x'][:] = 0
  changed.set()
  keeper.close()
  assert bits(keeper.restore(one)[1]) == expected


def test_going_back_deletes_the_future_that_was_given_up(tmp_path):
  save(tmp_path, [1, 2, 3], keep=9)
  keeper = Checkpoints(tmp_path, keep=9)
  keeper.save(2, state(5))
  keeper.close()
  assert keeper.steps() == [1, 2]
  assert_same(keeper.restore(state())[1], state(5))
  assert sorted(path.name for path in tmp_path.iterdir()) == ['1', '2']


def assert_set_aside(directory):
  """Checkpoint 2 is moved away with one line, and 1 is used."""
  keeper, said = reader(directory)
  step, found = keeper.restore(state(0))
  assert step == 1
  assert_same(found, state(1))
  line, = said
  assert '\n' not in line and 'is damaged' in line
  shelf = directory.with_name('checkpoints-damaged') / '2-0'
  assert str(directory / '2') in line and str(shelf) in line
  assert shelf.is_dir() and keeper.steps() == [1]
  return line


def relative(directory, path):
  return str(path.relative_to(directory / '2'))


# What orbax writes when a checkpoint is sealed already; nothing reads it.
UNREAD = ('_CHECKPOINT_METADATA', 'commit_success.txt',
          'default/commit_success.txt')


def test_a_flipped_bit_in_any_file_is_found(saved, tmp_path):
  """In every file of a checkpoint, and in a dozen places drawn at random."""
  draw = random.Random(0)
  names = [relative(saved, path) for path in files(saved / '2')
           if path.stat().st_size]
  assert len(set(names) - set(UNREAD)) >= 5
  sizes = [(saved / '2' / name).stat().st_size for name in names]
  for number, name in enumerate(
      names + draw.choices(names, weights=sizes, k=12)):
    directory = tmp_path / str(number) / 'checkpoints'
    shutil.copytree(saved, directory)
    path = directory / '2' / name
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    keeper, said = reader(directory)
    step, found = keeper.restore(state(0))
    noticed = name not in UNREAD
    assert (step, len(said)) == (1 if noticed else 2, noticed), name
    assert_same(found, state(step))
    shutil.rmtree(tmp_path / str(number))


@pytest.mark.parametrize('name', ['files.json', 'leaves-0.json', 'manifest'])
@pytest.mark.parametrize('damage', ['truncated', 'empty', 'missing'])
def test_a_file_that_is_not_whole_is_found(copy, name, damage):
  # Without a named one: the largest of orbax's files.
  path = copy / '2' / 'default' / name
  if name == 'manifest':
    path = max((one for one in files(copy / '2' / 'default')
                if one.suffix != '.json'), key=lambda one: one.stat().st_size)
  content = path.read_bytes()
  if damage == 'missing':
    path.unlink()
  else:
    path.write_bytes(content[:len(content) // 2 if damage == 'truncated'
                             else 0])
  assert_set_aside(copy)


def test_every_missing_file_is_found(saved, tmp_path):
  names = [relative(saved, path) for path in files(saved / '2')]
  for number, name in enumerate(sorted(set(names) - set(UNREAD))):
    directory = tmp_path / str(number) / 'checkpoints'
    shutil.copytree(saved, directory)
    (directory / '2' / name).unlink()
    assert_set_aside(directory)


def test_a_list_that_forgets_a_file_is_found(copy):
  path = copy / '2' / 'default' / 'files.json'
  seal = json.loads(path.read_text())
  listed = json.loads(seal['files'])
  listed.pop('leaves-0.json')
  path.write_text(json.dumps(dict(seal, files=json.dumps(listed))))
  assert 'list of files has changed' in assert_set_aside(copy)


def test_numbers_that_changed_before_their_files_were_sealed_are_found(copy):
  """Files that agree with their list, of leaves that were never saved."""
  folder = copy / '2' / 'default'
  (folder / 'leaves-0.json').write_text(
      (folder / 'leaves-0.json').read_text().replace(
          '"pieces": {"0:3,0:4": "', '"pieces": {"0:3,0:4": "0'))
  (folder / 'files.json').unlink()
  manifest.Handler().finalize(folder)
  assert 'params.trunk.kernel is not what was saved' in assert_set_aside(copy)


def test_a_checkpoint_under_another_step_is_found(copy):
  shutil.copytree(copy / '1', copy / '3')
  shutil.rmtree(copy / '2')
  keeper, said = reader(copy)
  assert keeper.restore(state(0))[0] == 1
  assert 'it was saved at step 1' in said[0]


def test_when_all_are_damaged_there_is_none(copy):
  for path in files(copy):
    path.write_bytes(b'')
  keeper, said = reader(copy)
  assert keeper.restore(state(0)) is None
  assert len(said) == 2 and keeper.steps() == []


def test_a_shelf_holds_several_of_one_step(copy):
  shelf = copy.with_name('checkpoints-damaged') / '2-0'
  shelf.mkdir(parents=True)
  (copy / '2' / 'default' / 'files.json').unlink()
  keeper, said = reader(copy)
  assert keeper.restore(state(0))[0] == 1
  assert shelf.with_name('2-1').is_dir() and '2-1' in said[0]


def test_a_reader_leaves_a_damaged_checkpoint_where_it_is(copy):
  (copy / '2' / 'default' / 'files.json').unlink()
  before = files(copy.parent)
  keeper, said = reader(copy, read_only=True)
  assert keeper.restore(state(0))[0] == 1
  assert len(said) == 1 and files(copy.parent) == before


def test_a_run_goes_on_after_a_damaged_checkpoint(copy):
  (copy / '2' / 'default' / 'files.json').unlink()
  keeper, _ = reader(copy)
  step, found = keeper.restore(state(0))
  keeper.save(2, found)
  keeper.close()
  assert step == 1 and keeper.steps() == [1, 2]
  assert_same(keeper.restore(state(0), step=2)[1], state(1))


@pytest.mark.parametrize('change,message', [
    (lambda s: s['params']['trunk'].update(kernel=np.zeros((3, 5), 'f4')),
     r'params\.trunk\.kernel is float32 \[3, 4\], expected float32 \[3, 5\]'),
    (lambda s: s['params']['trunk'].update(half=np.zeros(5, 'f4')),
     r'params\.trunk\.half is bfloat16 \[5\], expected float32 \[5\]'),
    (lambda s: s.update(step=np.zeros((1,), np.int32)),
     r'step is int32 \[\], expected int32 \[1\]'),
    (lambda s: s['params'].update(head=np.zeros(2, 'f4')),
     r'has no leaf params\.head'),
    (lambda s: s.pop('counts'), 'has a leaf counts that this run lacks'),
    (lambda s: s.update(key=jax.random.key_data(s['key'])), 'leaf key is ')])
def test_another_runs_checkpoint_is_refused_by_name_and_stays(
    saved, change, message):
  other = state(0)
  change(other)
  keeper, said = reader(saved)
  with pytest.raises(CheckpointError, match=message) as error:
    keeper.restore(other)
  assert '\n' not in str(error.value) and error.value.exit_code == 4
  assert not said and keeper.steps() == [1, 2]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
  (tmp_path / 'file').write_text('')
  keeper = Checkpoints(tmp_path / 'file' / 'checkpoints')
  with pytest.raises(CheckpointError, match='cannot save in ') as error:
    keeper.save(1, state(), block=True)
  assert '\n' not in str(error.value)


@pytest.mark.skipif(os.getuid() == 0, reason='root may write anywhere')
def test_a_folder_without_the_right_to_write_is_one_line(copy):
  copy.chmod(0o555)
  try:
    keeper = Checkpoints(copy)
    with pytest.raises(CheckpointError, match='cannot save in ') as error:
      keeper.save(3, state(3), block=True)
  finally:
    copy.chmod(0o755)
  assert '\n' not in str(error.value) and keeper.steps() == [1, 2]


def test_a_failed_save_leaves_the_others_and_the_next_may_succeed(
    copy, monkeypatch):
  def fail(path):
    raise OSError(28, 'No space left on device')
  keeper, said = reader(copy)
  monkeypatch.setattr(manifest, 'hash_file', fail)
  with pytest.raises(CheckpointError, match='No space left') as error:
    keeper.save(3, state(3), block=True)
  assert '\n' not in str(error.value)
  assert keeper.steps() == [1, 2]
  assert sorted(path.name for path in copy.iterdir()) == ['1', '2']
  monkeypatch.undo()
  keeper.save(3, state(3), block=True)
  keeper.close()
  assert keeper.steps() == [2, 3] and not said
  assert_same(keeper.restore(state())[1], state(3))


def test_a_failed_save_leaves_no_thread_that_keeps_the_process_alive(tmp_path):
  before = set(threading.enumerate())
  keeper = Checkpoints(tmp_path)
  with pytest.raises(CheckpointError, match='zero size'):
    keeper.save(1, {'x': np.zeros((0, 2)), 'y': np.zeros(2)}, block=True)
  left = [thread for thread in set(threading.enumerate()) - before
          if not thread.daemon]
  for thread in left:
    thread.join(timeout=5)
  assert not any(thread.is_alive() for thread in left)


def test_a_folder_deleted_under_a_run_is_one_line(tmp_path):
  keeper = Checkpoints(tmp_path / 'checkpoints')
  keeper.save(1, {'x': np.zeros(2)}, block=True)
  shutil.rmtree(tmp_path / 'checkpoints')
  with pytest.raises(CheckpointError, match='was deleted'):
    keeper.save(2, {'x': np.zeros(2)}, block=True)


def test_what_a_kill_left_half_written_is_no_checkpoint(copy):
  (copy / '3.orbax-checkpoint-tmp').mkdir()
  (copy / '9x').mkdir()
  (copy / '7').write_text('a file')
  keeper, said = reader(copy)
  assert keeper.steps() == [1, 2]
  assert keeper.restore(state(0))[0] == 2 and not said


def test_nothing_on_disk_is_a_pickle_and_none_is_read(saved, monkeypatch):
  import pickle
  def refuse(*args, **kwargs):
    raise AssertionError('a pickle was read')
  for name in 'load', 'loads', 'Unpickler':
    monkeypatch.setattr(pickle, name, refuse)
  assert reader(saved)[0].restore(state(0))[0] == 2
  for path in files(saved):
    # Protocols 2 to 5 begin like this.
    assert not path.read_bytes().startswith(b'\x80'), path
