"""Windows of any documents against a naive loop; batches that resume."""

import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptm_jax.data.windows import Windows, batches, evaluation_batches
from ptm_jax.errors import DataError

FIELDS = ('tokens', 'segment_ids', 'positions', 'flags')


def store_of(*documents):
  """A store in memory; token i of the split is 1000 + i, its flag
  i % 7 + 1."""
  starts = np.cumsum([0, *documents]).astype(np.int64)
  return types.SimpleNamespace(
      ids=np.arange(1000, 1000 + starts[-1], dtype=np.int32),
      flags=(np.arange(starts[-1]) % 7 + 1).astype(np.uint8),
      document_starts=starts, num_tokens=int(starts[-1]), planes={})


def naive(documents, raw_length, packing):
  """Each window as a list of (token, segment, position, flag)."""
  token, stream = 1000, []
  for number, length in enumerate(documents):
    one = [(token + place, number) for place in range(length)]
    token += length
    stream.extend([one] if packing == 'document' else one)
  if packing == 'packed':
    stream = [stream]
  windows = []
  for text in stream:
    for begin in range(0, len(text), raw_length):
      window, first, last, position = [], text[begin][1], None, 0
      for one, number in text[begin:begin + raw_length]:
        position = position + 1 if number == last else 0
        window.append(
            (one, number - first + 1, position, (one - 1000) % 7 + 1))
        last = number
      windows.append(window)
  return windows


@pytest.mark.parametrize('packing', ['packed', 'document'])
@settings(max_examples=80, deadline=None)
@given(documents=st.lists(st.integers(1, 9), min_size=1, max_size=12),
       raw_length=st.integers(1, 7))
def test_windows_are_those_of_a_naive_loop(packing, documents, raw_length):
  windows = Windows(store_of(*documents), raw_length, packing)
  expected = naive(documents, raw_length, packing)
  assert len(windows) == len(expected)
  batch = windows.gather(np.arange(len(windows)))
  for row, window in enumerate(expected):
    padding = [0] * (raw_length - len(window))
    for name, values in zip(FIELDS, zip(*window, strict=True), strict=True):
      assert batch[name][row].tolist() == [*values, *padding], name
  # Every token of the split is in one window, in order.
  real = batch['segment_ids'] > 0
  assert batch['tokens'][real].tolist() == list(
      range(1000, 1000 + sum(documents)))
  if packing == 'packed':
    assert real[:-1].all()


def test_one_window_is_the_row_of_a_batch():
  windows = Windows(store_of(3, 2, 9), 4, 'packed')
  batch, one = windows.gather([2, 1]), windows.window(1)
  assert one.keys() == batch.keys() and one['index'].shape == ()
  for name, value in one.items():
    assert np.array_equal(value, batch[name][1]), name


@pytest.fixture(scope='module')
def windows():
  """23 windows of 4 tokens, the last of them with padding."""
  return Windows(store_of(*[5] * 18), 4, 'packed')


def same(one, other):
  return one.keys() == other.keys() and all(
      np.array_equal(one[name], other[name]) for name in one)


def test_a_run_that_resumes_sees_the_batches_it_missed(windows):
  whole = batches(windows, 4, seed=3)
  forward = [whole[step] for step in range(15)]
  for step in reversed(range(15)):
    assert same(whole[step], forward[step])
    assert same(batches(windows, 4, seed=3)[step], forward[step])


def test_epochs_that_end_within_a_batch(windows):
  # 23 windows in batches of 4: only step 23 begins an epoch again.
  data = batches(windows, 4, seed=0)
  visited = [data[step] for step in range(23)]
  index, epoch, tokens = (np.concatenate([batch[name] for batch in visited])
                          for name in ('index', 'epoch', 'tokens'))
  assert epoch.tolist() == np.repeat(np.arange(4), 23).tolist()
  orders = {tuple(index[epoch == one]) for one in range(4)}
  assert len(orders) == 4 and tuple(range(23)) not in orders
  assert all(sorted(order) == list(range(23)) for order in orders)
  # The numbers say the truth about the rows.
  assert np.array_equal(tokens, windows.gather(index)['tokens'])


def test_the_order_does_not_depend_on_the_batch_size(windows):
  small, large = batches(windows, 2, 7), batches(windows, 6, 7)
  for step in range(8):
    parts = [small[3 * step + part] for part in range(3)]
    for name, value in large[step].items():
      assert np.array_equal(
          value, np.concatenate([part[name] for part in parts])), name


def test_a_batch_may_hold_several_epochs():
  data = batches(Windows(store_of(8), 4, 'packed'), 5, seed=0)
  batch = data[1]  # rows 5 to 9, where an epoch has two
  assert batch['epoch'].tolist() == [2, 3, 3, 4, 4]
  assert sorted(batch['index'][1:3]) == sorted(batch['index'][3:]) == [0, 1]


def test_held_out_batches_are_the_same_each_time(windows):
  made = evaluation_batches(windows, 10, 5)
  assert [batch['tokens'].shape for batch in made] == [(10, 4)] * 3
  assert not any(made[-1][name][3:].any() for name in FIELDS)
  for one, other in zip(made, evaluation_batches(windows, 10, 5), strict=True):
    assert same(one, other)


@pytest.mark.parametrize('packing', ['packed', 'document'])
def test_a_partner_is_of_another_document(packing):
  store = store_of(3, 2, 9, 5, 4)
  windows = Windows(store, 4, packing, partner='other_document')
  rows = np.arange(len(windows))
  found = set()
  for epoch in range(20):
    batch = windows.gather(rows, epoch)
    for row in rows:
      own, other = ({int(x) for x in np.searchsorted(
          1000 + store.document_starts, batch[prefix + 'tokens'][row][
              batch[prefix + 'segment_ids'][row] > 0], 'right')}
                    for prefix in ('', 'partner_'))
      assert own and other and not own & other
      found.add((int(row), int(batch['partner_tokens'][row, 0])))
    # A row's partner depends on its number and the epoch alone.
    one = windows.gather([2, -1], epoch)
    assert np.array_equal(one['partner_tokens'][0],
                          batch['partner_tokens'][2])
    assert not one['partner_segment_ids'][1].any()
  # Over the epochs every window of another document has its turn.
  assert len([row for row, _ in found if row == 0]) == (
      len(windows) - (2 if packing == 'packed' else 1))


def test_one_document_has_no_partner():
  with pytest.raises(DataError, match='too few documents'):
    Windows(store_of(9), 4, 'packed', partner='other_document')
