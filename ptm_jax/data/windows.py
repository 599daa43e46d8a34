"""Raw windows: `dataset[step]` is the batch of a step, and nothing else is
the state of the data pipeline.

The rows are fixed once (packed, or one document each); grain shuffles their
numbers anew in every epoch, and a whole batch is gathered in one piece.
"""

import copy

import grain
import numpy as np

from ptm_jax.errors import DataError

# Kinds of a second window: of no document that the first has part in, or of
# the very same documents in another language.
PARTNERS = ('other_document', 'aligned')


class Windows:
  """The windows of one split in their fixed order.

  Args:
    store: `store.Store`.
    raw_length: tokens in a window.
    packing: 'packed' cuts the split's token stream every `raw_length` tokens,
      so that only the last window has padding; 'document' starts a window at
      every document, so that none holds two; 'whole' puts documents in as
      long as they fit with a token behind each but the last, such as the
      `</s>` that ends a translation. One that fits in no window is left out.
    partner: one of `PARTNERS`, the kind of a second window that each one
      brings, or None.

  Attributes:
    left_out: documents that no window holds.

  Raises:
    DataError: a window has no partner of this kind.
  """

  def __init__(self, store, raw_length, packing, partner=None):
    self.store, self.raw_length, self.partner = store, raw_length, partner
    starts, self.left_out = store.document_starts, 0
    if packing == 'whole':
      stores = [store] + ([store.aligned] if partner == 'aligned' else [])
      first, last = _whole(np.stack([np.diff(one.document_starts)
                                     for one in stores], 1), raw_length)
      self.left_out = store.num_documents - int(np.sum(last - first))
      self._begin, self._end = starts[first], starts[last]
      if partner == 'aligned':
        other = self._aligned = copy.copy(self)
        other.store, ends = store.aligned, store.aligned.document_starts
        other._begin, other._end = ends[first], ends[last]
        return
    elif packing == 'packed':
      self._begin = np.arange(0, store.num_tokens, raw_length, dtype=np.int64)
      self._end = np.minimum(self._begin + raw_length, store.num_tokens)
    else:
      counts = -(-np.diff(starts) // raw_length)
      document = np.repeat(np.arange(len(counts)), counts)
      first = np.repeat(np.cumsum(counts) - counts, counts)
      self._begin = starts[document] + raw_length * (
          np.arange(len(document)) - first)
      self._end = np.minimum(self._begin + raw_length, starts[document + 1])
    first, last = self._relatives(np.arange(len(self)))
    if partner and np.any(last - first == len(self)):
      raise DataError('a split has too few documents to pair each window with '
                      'one of another: use more documents')

  def __len__(self):
    return len(self._begin)

  def gather(self, rows, epoch=0):
    """Windows `rows` (int `[batch]`, -1 for a row of padding) as a batch.

    Returns:
      dict of `[batch, raw_length]` tokens, segment_ids (0 = padding),
      positions (from 0 in each segment), int32, flags and the store's
      planes, uint8; of a partner, under the prefix `partner_`, the same
      without positions; and of `[batch]` index and epoch, int32.
    """
    rows = np.asarray(rows, np.int64)
    epoch = np.broadcast_to(np.asarray(epoch, np.int32), rows.shape)
    batch = self._text(rows)
    if self.partner:
      partner = (self._aligned._text(rows) if self.partner == 'aligned'
                 else self._text(np.where(
                     rows >= 0, self._partners(rows, epoch), -1)))
      batch.update((f'partner_{name}', value)
                   for name, value in partner.items() if name != 'positions')
    return {**batch, 'index': rows.astype(np.int32), 'epoch': epoch}

  def _partners(self, rows, epoch):
    """A row of another document for each row, drawn by its number and epoch
    alone."""
    first, last = self._relatives(rows)
    others = len(self) - (last - first)
    drawn = _mix(_mix(rows.astype(np.uint64)) + epoch.astype(np.uint64))
    drawn = (drawn % others.astype(np.uint64)).astype(np.int64)
    return np.where(drawn < first, drawn, drawn + last - first)

  def _relatives(self, rows):
    """The rows from `first` up to `last` hold parts of a row's documents."""
    starts = self.store.document_starts
    opened = np.searchsorted(starts, self._begin[rows], 'right') - 1
    closed = np.searchsorted(starts, self._end[rows], 'left')
    return (np.searchsorted(self._end, starts[opened], 'right'),
            np.searchsorted(self._begin, starts[closed], 'left'))

  def _text(self, rows):
    """What `gather` gives of the text of some rows."""
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
        'positions': positions.astype(np.int32)}

  def window(self, row):
    """One window, each field `[raw_length]`, index and epoch `[]`."""
    return {name: value[0] for name, value in self.gather([row]).items()}


def _whole(lengths, raw_length):
  """Documents in a row that fit into a window, `raw_length` + 1 places of
  which each takes its tokens and one more.

  Args:
    lengths: int `[documents, sides]`, tokens; all sides must fit.
    raw_length: tokens in a window.

  Returns:
    int64 `[windows]` twice: the first document of each, and one behind its
    last.
  """
  found, first, used = [], 0, [raw_length + 1] * lengths.shape[1]
  for number, sizes in enumerate((lengths + 1).tolist()):
    used = [sum(pair) for pair in zip(used, sizes)]
    if max(used) > raw_length + 1:  # a new window begins
      found.append((first, number))
      first, used = number, sizes
    if max(sizes) > raw_length + 1:  # fits in none
      first, used = number + 1, [raw_length + 1] * len(sizes)
  found.append((first, len(lengths)))
  return np.asarray([(a, b) for a, b in found if a < b], np.int64).reshape(
      -1, 2).T


def _mix(x):
  """Numbers that look random, uint64 (the finaliser of splitmix64)."""
  x = (x + np.uint64(0x9E3779B97F4A7C15))
  x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
  x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
  return x ^ (x >> np.uint64(31))


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
