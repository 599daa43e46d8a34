"""Texts of several parts, of which it is not told where each part stood.

Parts are in order, in another order, with text between them, or in two
documents. A reading is one way that this may have been; all that fit what is
shown are summed over.
"""

import numpy as np

from ptm_jax.sources.law import Law


class Parted(Law):
  """The law of texts as they are shown, part after part.

  Sentences have one length, so that cuts tell nothing, labels with as many
  parts are equally likely, and documents are equally long, so a part of
  another may stand at any sentence that leaves it its length.

  Args:
    law: of documents of sentences.
    origins: of each label the order of its parts, and where the second was,
      as of `sentences.SentenceLevel.origins`.
    part: int `[batch, length]`, of each token the number of its part, -1 for
      what is no text.
    count: int `[batch]`, parts that are shown; 0 is padding.
    total: int `[batch]`, tokens of a document.
  """

  def __init__(self, law, origins, part, count, total):
    self._law, self._count, self._num_labels = law, count, len(origins)
    self._width = max(part.shape[1], total.max())
    self.num_symbols, self.word_starts = law.num_symbols, law.word_starts
    self._readings = [
        (label, np.where(count == len(order), prior, -np.inf), places)
        for label, (order, where) in enumerate(origins)
        for prior, places in self._of(order, where, part, total)]

  def _of(self, order, where, part, total):
    """Readings under a label: ln of their chances `[batch]`, and the places
    `[batch, length]` of tokens, in a second document behind the first."""
    number = len(order)
    rank = np.where(part < 0, number, np.argsort(order)[
        np.clip(part, 0, number - 1)])
    place = np.argsort(np.argsort(rank, 1, kind='stable'), 1)
    nowhere = 2 * self._width
    place = np.where(part < 0, nowhere, place)
    second = part == 1
    sure = np.zeros(len(part))
    if where is None:
      yield sure, place
    elif where == 'behind':
      gap = total - np.sum(part >= 0, 1)
      yield np.where(gap > 0, sure, -np.inf), place + np.where(
          second, gap[:, None], 0)
    else:
      start = np.sum(part == 0, 1)
      room = total - np.sum(second, 1)
      size = self._law.sentence_length
      for skipped in range(0, part.shape[1], size):
        moved = self._width + np.minimum(
            place - start[:, None] + skipped, self._width - 1)
        yield (np.where(skipped <= room, -np.log(1 + room // size), -np.inf),
               np.where(second, moved, place))

  def _rows(self, evidence, places):
    """Evidence of documents, and the segments that these are."""
    rows = np.ones((len(evidence), 2 * self._width + 1, self.num_symbols))
    np.put_along_axis(rows, places[..., None], evidence, 1)
    rows[:, -1] = 1
    segments = np.repeat([1, 2, 0], [self._width, self._width, 1])
    return rows, np.tile(segments, (len(evidence), 1))

  def labels(self, evidence):
    """p(label | evidence), float64 `[batch, labels]`, and p(reading, label |
    evidence), `[batch, readings]`."""
    scores = np.stack([
        prior + self._law.log_evidence(*self._rows(evidence, places))
        for _, prior, places in self._readings], 1)
    scores[self._count == 0] = 0
    chances = np.exp(scores - scores.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    own = np.eye(self._num_labels)[[label for label, *_ in self._readings]]
    return chances @ own, chances

  def around(self, evidence, segments=None):
    """As of `Law`; the text is one segment."""
    del segments
    _, chances = self.labels(evidence)
    found = np.zeros_like(evidence)
    for number, (_, _, places) in enumerate(self._readings):
      rows, segments = self._rows(evidence, places)
      laws = np.take_along_axis(
          self._law.around(rows, segments), places[..., None], 1)
      # Of a place alone what is seen there has had its say already.
      here = np.sum(laws * evidence, -1, keepdims=True)
      found += chances[:, number, None, None] * laws / np.maximum(here, 1e-300)
    return found / np.maximum(found.sum(-1, keepdims=True), 1e-300)
