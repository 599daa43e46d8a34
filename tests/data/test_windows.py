"""Windows: packing, positions and segments; batches as a pure function of
the seed and the step.
"""

import copy

import numpy as np
import pytest

from ptm_jax.data.store import Store, Writer
from ptm_jax.data.windows import Windows, batches, evaluation_batches
from ptm_jax.errors import DataError

LENGTHS = [3, 9, 1, 4, 12, 2]


@pytest.fixture(scope='module')
def store(tmp_path_factory):
  """Documents of known lengths; token t of the stream has id 10 + t."""
  folder = tmp_path_factory.mktemp('stores') / 'store'
  writer = Writer(folder)
  count = sum(LENGTHS)
  writer.add(np.arange(10, 10 + count, dtype=np.int32),
             np.arange(count).astype(np.uint8), np.asarray(LENGTHS, np.int64))
  writer.close()
  return Store(folder)


def test_a_store_is_memory_mapped_and_knows_its_documents(store):
  assert store.num_tokens == sum(LENGTHS) == len(store.ids)
  assert store.num_documents == len(LENGTHS)
  assert isinstance(store.ids, np.memmap)
  assert store.document_starts.tolist() == [0, 3, 12, 13, 17, 29, 31]


def test_packing_fills_every_position(store):
  windows = Windows(store, 8, 'packed')
  batch = windows.gather(np.arange(len(windows)))
  assert len(windows) == 4
  real = batch['segment_ids'] > 0
  assert real[:3].all() and real[3].sum() == 31 - 24
  assert batch['tokens'][real].tolist() == list(range(10, 41))
  assert not batch['tokens'][~real].any() and not batch['flags'][~real].any()
  # Documents of 3, 9 (cut), then the rest of 9, 1, 3 of 4 ...
  assert batch['segment_ids'][:2].tolist() == [
      [1, 1, 1, 2, 2, 2, 2, 2], [1, 1, 1, 1, 2, 3, 3, 3]]
  assert batch['positions'][:2].tolist() == [
      [0, 1, 2, 0, 1, 2, 3, 4], [0, 1, 2, 3, 0, 0, 1, 2]]


def test_one_document_a_window(store):
  windows = Windows(store, 8, 'document')
  batch = windows.gather(np.arange(len(windows)))
  assert (batch['segment_ids'].max(1) == 1).all()
  # 9 and 12 tokens need two windows each.
  assert (batch['segment_ids'] > 0).sum(1).tolist() == [3, 8, 1, 1, 4, 8, 4, 2]
  assert batch['tokens'][batch['segment_ids'] > 0].tolist() == list(
      range(10, 41))
  assert batch['positions'][2].tolist() == [0] * 8


def test_whole_documents_and_their_ends(store):
  windows = Windows(store, 8, 'whole')
  # 9 places: 3 + 1, then 9 + 1 are too many; 1 + 1 and 4 + 1; 12 + 1 too many.
  batch = windows.gather(np.arange(len(windows)))
  assert batch['segment_ids'].tolist() == [
      [1, 1, 1, 0, 0, 0, 0, 0], [1, 2, 2, 2, 2, 0, 0, 0], [1, 1] + [0] * 6]
  assert windows.left_out == 2
  assert len(Windows(store, 3, 'whole')) == 3  # of 3, 1 and 2 tokens
  assert Windows(store, 2, 'whole').left_out == 4
  exact = Windows(store, 12, 'whole').gather(np.arange(4))['segment_ids']
  assert (exact > 0).sum(1).tolist() == [3, 10, 4, 12]


def test_aligned_documents_share_a_window(store, tmp_path):
  lengths = [2, 3, 6, 1, 3, 4]
  writer = Writer(tmp_path / 'other')
  writer.add(np.arange(50, 50 + sum(lengths), dtype=np.int32),
             np.zeros(sum(lengths), np.uint8), np.asarray(lengths, np.int64))
  writer.close()
  both = copy.copy(store)
  both.aligned = Store(tmp_path / 'other')
  windows = Windows(both, 8, 'whole', 'aligned')
  batch = windows.gather(np.array([0, 1, 2, -1]))
  # The second of 9 and the fifth of 12 tokens fit in none; 6 + 1 and 1 + 1
  # are 9 places.
  assert windows.left_out == 2 and len(windows) == 3
  assert batch['tokens'][1].tolist() == [22, 23, 24, 25, 26, 0, 0, 0]
  assert batch['partner_tokens'].tolist() == [
      [50, 51, 0, 0, 0, 0, 0, 0], [55, 56, 57, 58, 59, 60, 61, 0],
      [65, 66, 67, 68, 0, 0, 0, 0], [0] * 8]
  assert batch['partner_segment_ids'][1].tolist() == [1] * 6 + [2, 0]
  assert batch['segment_ids'][1].tolist() == [1, 2, 2, 2, 2, 0, 0, 0]


def test_shapes_and_dtypes(store):
  batch = Windows(store, 8, 'packed').gather([2, -1], epoch=7)
  for name in 'tokens', 'segment_ids', 'positions':
    assert batch[name].shape == (2, 8) and batch[name].dtype == np.int32
  assert batch['flags'].dtype == np.uint8
  assert batch['index'].tolist() == [2, -1]
  assert batch['epoch'].tolist() == [7, 7]
  assert not any(batch[name][1].any() for name in
                 ('tokens', 'segment_ids', 'positions', 'flags'))


@pytest.mark.parametrize('packing', ['packed', 'document'])
def test_every_window_once_an_epoch_in_another_order(store, packing):
  windows = Windows(store, 4, packing)
  dataset, count = batches(windows, 3, seed=5), len(windows)
  rows, epochs = (np.concatenate([dataset[step][name] for step in range(
      2 * count)]) for name in ('index', 'epoch'))
  for epoch in range(6):
    visited = rows[epoch * count:(epoch + 1) * count]
    assert sorted(visited) == list(range(count))
    assert (epochs[epoch * count:(epoch + 1) * count] == epoch).all()
  assert rows[:count].tolist() != rows[count:2 * count].tolist()


def test_a_batch_depends_on_the_seed_and_the_step_alone(store):
  windows = Windows(store, 4, 'packed')
  one, other = batches(windows, 3, seed=1), batches(windows, 3, seed=1)
  _ = [other[step] for step in range(9)]
  for step in 40, 3:
    for name, value in one[step].items():
      assert np.array_equal(value, other[step][name])
  different = batches(windows, 3, seed=2)
  assert any(one[step]['index'].tolist() != different[step]['index'].tolist()
             for step in range(3))


def test_held_out_batches_are_in_order_and_padded(store):
  windows = Windows(store, 4, 'packed')
  found = evaluation_batches(windows, 3, 10)
  rows = np.concatenate([batch['index'] for batch in found])
  assert rows.tolist() == [*range(8), -1]
  # Fewer than there are: spread evenly.
  found = evaluation_batches(windows, 2, 2)
  assert np.concatenate([batch['index'] for batch in found]
                        ).tolist() == [0, 2, 4, 6]


def test_no_window(tmp_path):
  writer = Writer(tmp_path / 'store')
  writer.add(np.zeros(0, np.int32), np.zeros(0, np.uint8),
             np.zeros(0, np.int64))
  writer.close()
  empty = Windows(Store(tmp_path / 'store'), 4, 'packed')
  with pytest.raises(DataError, match='train split is empty'):
    batches(empty, 2, 0)
  with pytest.raises(DataError, match='held-out split is empty'):
    evaluation_batches(empty, 2, 1)
