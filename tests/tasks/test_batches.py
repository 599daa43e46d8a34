"""Rows in buckets: nothing lost, few shapes, the same for every trial."""

import numpy as np

from ptm_jax.tasks import base, batches


def test_tokens_of_all_alternatives_are_read():
  tokens = [np.zeros(count, np.int32) for count in (3, 5, 2)]
  assert batches.num_tokens([base.Row(tuple(tokens[:2]), 0, 0),
                             base.Row(tuple(tokens[2:]), 0, 1)]) == 10


def test_buckets_are_few_and_hold_the_longest():
  lengths = [5] * 60 + [20] * 60 + [40] * 2 + [61]
  # Three rows pay for no program of their own.
  assert batches.buckets(lengths, 8) == [16, 32, 64]
  assert batches.buckets([3], 8) == [8]
  assert batches.buckets([100] * 9, 8) == [104]


def test_an_epoch_shows_every_row_once_in_a_place_that_holds_it():
  lengths = np.random.default_rng(0).integers(1, 60, 101)
  ends = batches.buckets(lengths, 8)
  one, other = (batches.epoch(lengths, ends, 8, np.random.default_rng(seed),
                              np.random.default_rng(7)) for seed in (1, 2))
  for found in one, other:
    rows = np.concatenate([rows for _, rows in found])
    assert sorted(rows[rows >= 0]) == list(range(101))
    assert all(lengths[row] <= length for length, rows in found
               for row in rows[rows >= 0])
  assert [length for length, _ in one] == [length for length, _ in other]
  assert any(not np.array_equal(a[1], b[1]) for a, b in zip(one, other))
  assert len(one) == -(-101 // 8)


def test_an_evaluation_keeps_the_order_within_a_bucket():
  found = batches.in_order([3, 20, 4, 5], [8, 24], 2)
  assert [(length, rows.tolist()) for length, rows in found] == [
      (8, [0, 2]), (8, [3, -1]), (24, [1, -1])]


def test_collate_pads_tokens_targets_and_rows():
  rows = [base.Row((np.asarray([7, 8], np.int32),), [1, -1], 0),
          base.Row((np.asarray([9], np.int32),
                    np.asarray([7, 7, 7], np.int32)), [0], 1)]
  found = batches.collate(rows, [1, 0, -1], 4, 2)
  assert found['tokens'].tolist() == [
      [[9, 0, 0, 0], [7, 7, 7, 0]], [[7, 8, 0, 0], [0] * 4], [[0] * 4] * 2]
  assert np.array_equal(found['real'], found['tokens'] > 0)
  assert found['targets'].tolist()[:2] == [[0, -1, -1, -1], [1, -1, -1, -1]]
  assert found['weights'].tolist() == [1, 1, 0]
