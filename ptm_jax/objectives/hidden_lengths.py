"""Floors of objectives that show each hidden span as one mark, so that how
long it is has to be told as well.

A window's length is known, as in a corpus of equal documents, so all hidden
tokens together are counted. Predictions are laws over all ids: a token of the
span, or the mark that ends it.
"""

import numpy as np

from ptm_jax.objectives import ideal
from ptm_jax.sources.gaps import GAP, OVER


def several_documents(segment_ids):
  """Whether any window of `[batch, length]` holds more than one: then it is
  not known how much is hidden in each."""
  return bool(np.any(np.max(segment_ids, 1, initial=0) > 1))


def pieces(symbols, is_gap):
  """Visible text before, between and behind the gaps, a list of lists.

  Args:
    symbols: int `[length]`, negative where there is no text.
    is_gap: bool `[length]`.
  """
  found = [[]]
  for symbol, gap in zip(symbols, is_gap, strict=True):
    if gap:
      found.append([])
    elif symbol >= 0:
      found[-1].append(int(symbol))
  return found


class Questions:
  """Predictions of a batch, gathered and then asked of the law at once.

  Args:
    vocabulary: `Vocabulary`.
    targets: int `[batch, n]`, the ids to predict. All are certain but those
      that `add_spans` adds.
  """

  def __init__(self, vocabulary, targets):
    self._vocabulary, self._targets = vocabulary, np.asarray(targets, np.int64)
    self._rows, self._texts, self._weights = [], [], []
    self._hidden, self._asked = [], []

  def add_spans(self, row, start, text, spans, lengths):
    """Spans that are written one after the other, each up to a mark.

    Args:
      row, start: window and place of the first prediction among its targets;
        each span has one for each symbol and one for the mark.
      text: `pieces` of what is seen.
      spans: pairs of a gap's number and its symbols, in the order written.
      lengths: float64 `[gaps, n + 1]`, of each gap the weight of a length.
    """
    hidden = sum(len(symbols) for _, symbols in spans)
    written = [None] * (len(text) - 1)
    place = start
    for gap, symbols in spans:
      mark = self._targets[row, start + len(symbols)]
      for count in range(len(symbols) + 1):
        written[gap] = list(symbols[:count])
        self._add((row, place, mark), text, written, gap, hidden, lengths)
        hidden -= count < len(symbols)
        place += 1
      start = place

  def add_sentinels(self, row, shown, real):
    """A window in T5's coding.

    Args:
      row: of the window.
      shown: int `[length]`, what the encoder reads.
      real: bool `[n]`, of its targets.
    """
    text_end, targets = self._vocabulary.text_end, self._targets[row][real]
    gaps = shown >= text_end
    count = gaps.sum()
    if count:
      spans = pieces(ideal.symbols(self._vocabulary, targets),
                     targets >= text_end)[1:1 + count]
      self.add_spans(
          row, 1, pieces(ideal.symbols(self._vocabulary, shown), gaps),
          list(enumerate(spans)),
          np.tile(np.arange(len(targets) + 1) > 0, (count, 1)))

  def add_suffix(self, row, text, hidden):
    """A window whose end is hidden: it is known how much.

    Args:
      row: of the window.
      text, hidden: lists of symbols.
    """
    self.add_spans(row, 0, [text, []], [(0, hidden)],
                   np.ones((1, len(hidden) + 1)))

  def _add(self, where, text, written, asked, hidden, lengths):
    slots, weights, number = list(text[0]), [], None
    for gap, behind in enumerate(text[1:]):
      done = written[gap] or []
      slots += done
      if written[gap] is None or gap == asked:
        number = len(weights) if gap == asked else number
        slots.append(GAP)
        weights.append(lengths[gap][len(done):])
      slots += behind
    self._rows.append(where)
    self._texts.append(slots)
    self._weights.append(weights)
    self._hidden.append(hidden)
    self._asked.append(number)

  def answers(self, law):
    """The `ideal.Ideal` of all predictions, over the ids of the vocabulary."""
    targets = self._targets
    chances = np.eye(self._vocabulary.size)[targets]
    if self._rows:
      count, most = len(self._rows), max(self._hidden) + 1
      texts = np.full((count, max(map(len, self._texts))), OVER)
      weights = np.zeros((count, max(map(len, self._weights)), most))
      for number, text in enumerate(self._texts):
        texts[number, :len(text)] = text
        for gap, one in enumerate(self._weights[number]):
          one = one[:most]
          weights[number, gap, :len(one)] = one
      found = law.gapped(texts, weights, np.array(self._hidden),
                         np.array(self._asked))
      row, place, mark = np.array(self._rows).T
      chances[row, place] = 0
      start = self._vocabulary.text_start
      chances[row, place, start:start + law.num_symbols] = found[:, :-1]
      chances[row, place, mark] = found[:, -1]
    return ideal.Ideal(chances, targets)


def sentinels(law, vocabulary, batch):
  """Floor of T5's coding, where all layouts of as many hidden tokens and runs
  are equally likely: `{'seq2seq': ideal.Ideal}`, or {}."""
  if several_documents(batch['encoder_segment_ids']):
    return {}
  asked = Questions(vocabulary, batch['targets'])
  for row, shown in enumerate(np.asarray(batch['encoder_inputs'])):
    asked.add_sentinels(row, shown, batch['weights'][row] > 0)
  return {'seq2seq': asked.answers(law)}
