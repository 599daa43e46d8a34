"""Raw windows: `dataset[step]` is the batch of a step, and nothing else is
the state of the data pipeline.

The rows are fixed once (packed, or one document each); grain shuffles their
numbers anew in every epoch, and a whole batch is gathered in one piece.
"""

import grain
import numpy as np

from ptm_jax.errors import DataError


class Windows:
  """The windows of one split in their fixed order.

  Args:
    store: `store.Store`.
    raw_length: tokens in a window.
    packing: 'packed' cuts the split's token stream every `raw_length` tokens,
      so that only the last window has padding; 'document' starts a window at
      every document, so that none holds two.
  """

  def __init__(self, store, raw_length, packing):
    self.store, self.raw_length = store, raw_length
    starts = store.document_starts
    if packing == 'packed':
      self._begin = np.arange(0, store.num_tokens, raw_length, dtype=np.int64)
      self._end = np.minimum(self._begin + raw_length, store.num_tokens)
    else:
      counts = -(-np.diff(starts) // raw_length)
      document = np.repeat(np.arange(len(counts)), counts)
      first = np.repeat(np.cumsum(counts) - counts, counts)
      self._begin = starts[document] + raw_length * (
          np.arange(len(document)) - first)
      self._end = np.minimum(self._begin + raw_length, starts[document + 1])

  def __len__(self):
    return len(self._begin)

  def gather(self, rows, epoch=0):
    """Windows `rows` (int `[batch]`, -1 for a row of padding) as a batch.

    Returns:
      dict of `[batch, raw_length]` tokens, segment_ids (0 = padding),
      positions (from 0 in each segment), int32, flags and the store's
      planes, uint8; and of `[batch]` index and epoch, int32.
    """
    rows = np.asarray(rows, np.int64)
    begin = np.where(rows >= 0, self._begin[rows], 0)[:, None]
    end = np.where(rows >= 0, self._end[rows], 0)[:, None]
    place = begin + np.arange(self.raw_length)
    real = place < end
    place = np.where(real, place, 0)
    # The document of each token, numbered from 1 within the window.
    starts = self.store.document_starts
    document = np.searchsorted(starts, place, 'right') - 1
    segments = np.where(real, document - document[:, :1] + 1, 0)
    positions = np.where(real, place - np.maximum(starts[document], begin), 0)
    planes = {'flags': self.store.flags, **self.store.planes}
    return {
        'tokens': np.where(real, self.store.ids[place], 0).astype(np.int32),
        **{name: np.where(real, plane[place], 0).astype(np.uint8)
           for name, plane in planes.items()},
        'segment_ids': segments.astype(np.int32),
        'positions': positions.astype(np.int32),
        'index': rows.astype(np.int32),
        'epoch': np.broadcast_to(np.asarray(epoch, np.int32), rows.shape)}

  def window(self, row):
    """One window, each field `[raw_length]`, index and epoch `[]`."""
    return {name: value[0] for name, value in self.gather([row]).items()}


def batches(windows, batch_size, seed, mine=slice(None)):
  """An endless `grain.MapDataset`: `dataset[step]` is the batch of a step.

  It depends on (seed, step) alone; every epoch is shuffled anew.

  Args:
    windows: `Windows`.
    batch_size: rows of a whole batch.
    seed: of the order.
    mine: slice of the rows that are gathered; the others' are for other
      processes.

  Raises:
    DataError: the split has no window.
  """
  count = len(windows)
  if not count:
    raise DataError('the train split is empty: the corpus is too small')
  # grain's shuffle of an index is a permutation of one epoch; repeating
  # reseeds it. Only numbers pass through grain, the batch is gathered whole.
  rows = grain.MapDataset.range(count).seed(seed).shuffle().repeat()

  class Gather(grain.transforms.MapWithIndex):
    """Rows' numbers -> a batch; the batch's own number gives the epoch."""

    def map_with_index(self, index, numbers):
      place = index * batch_size + np.arange(batch_size, dtype=np.int64)
      return windows.gather(numbers[mine], place[mine] // count)

  return rows.batch(batch_size).map_with_index(Gather())


def evaluation_batches(windows, batch_size, num_batches):
  """Held-out batches in a fixed order, spread evenly over the split.

  Where there are fewer windows than asked, the rest is padding.

  Returns:
    A list of at most `num_batches` batches.
  """
  count = len(windows)
  if not count:
    raise DataError('a held-out split is empty: the corpus is too small; use '
                    'more documents')
  wanted = min(count, batch_size * num_batches)
  rows = np.arange(wanted) * count // wanted
  padding = -wanted % batch_size
  rows = np.concatenate([rows, np.full(padding, -1)])
  return [windows.gather(part) for part in rows.reshape(-1, batch_size)]
