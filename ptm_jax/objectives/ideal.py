"""The best predictions that a known law allows, in numpy and float64.

An objective's `floor` gives them for the very corruption that it drew: to each
prediction the law of its target, given what the trunk is shown of the text.
"""

from typing import ClassVar, NamedTuple

import numpy as np


class Ideal(NamedTuple):
  """What a predictor would say that knows the law.

  Attributes:
    chances: float64 `[batch, n, classes]`, of each prediction.
    labels: int `[batch, n]`, the targets among the classes; any where a
      prediction has no weight.
    exact: whether no predictor does better, in the mean; else the loss is an
      upper bound on the least one, that of a predictor which sees no more than
      the trunk is shown.
    told: where not exact, the chances of a predictor that is told more than
      the trunk is shown, as `chances`, or None; its loss is a lower bound.
  """

  chances: np.ndarray
  labels: np.ndarray
  exact: bool = True
  told: np.ndarray | None = None


class Bounded:
  """What an objective says of the best predictions, if they are known.

  Attributes:
    floor_is: 'exact', or 'bounds' where no law has the floor itself.
    equal_windows: whether `floor` takes each window to be of one document, and
      as long as all others: it counts what is hidden by the length, which
      nothing that is shown tells.
  """

  floor_is: ClassVar[str] = 'exact'
  equal_windows: ClassVar[bool] = False

  def outcomes(self, params, batch):
    """What `floor` must know of a corrupted batch that only `loss` makes, with
    the networks: fields by name, float or int `[batch, ...]`."""
    del params, batch
    return {}

  def floor(self, law, batch):
    """The best predictions that the `law` of a source allows, for a `batch`
    that `corrupt` gave, with its `outcomes`, in numpy: `{term: Ideal}`,
    in the order of the term's predictions; a term whose floor is not known is
    left out."""
    del law, batch
    return {}

  def own_floor(self, law, batch):
    """`floor` of the terms that the loss has: of an objective that derives
    from another and has terms of its own, the other's are left out."""
    own = self.coefficients()
    return {term: best for term, best in self.floor(law, batch).items()
            if term in own}


def symbols(vocabulary, ids):
  """Ids as symbols of the source, int64; -1 where they are no text."""
  ids = np.asarray(ids, np.int64)
  text = (ids >= vocabulary.text_start) & (ids < vocabulary.text_end)
  return np.where(text, ids - vocabulary.text_start, -1)


def stretches(symbols_, segment_ids):
  """Segments in which special tokens have no part, int64."""
  return np.where(symbols_ >= 0, np.asarray(segment_ids, np.int64), 0)


def at(values, places):
  """`values [batch, length, ...]` at `places [batch, n]`."""
  places = np.asarray(places)
  return np.take_along_axis(
      values, places.reshape(places.shape + (1,) * (values.ndim - 2)), 1)


def from_seen(law, vocabulary, tokens, segment_ids, seen, places):
  """Predictions that see some of the tokens each, and those as they are.

  Args:
    law: of the source.
    vocabulary: `Vocabulary`.
    tokens: int `[batch, length]`, the text with its special tokens.
    segment_ids: int `[batch, length]`.
    seen: bool `[batch, n, length]`.
    places: int `[batch, n]`, of the targets among the tokens.
  """
  text = symbols(vocabulary, tokens)
  count, length = np.shape(seen)[1:]
  # A special token between two of the text does not part them.
  order = np.argsort(text < 0, 1, kind='stable')
  places = at(np.argsort(order, 1), places)
  text, segment_ids = at(text, order), at(np.asarray(segment_ids), order)
  seen = np.take_along_axis(np.asarray(seen), order[:, None], 2)
  def rows(values):
    return np.repeat(values, count, 0)
  shown = np.where(seen.reshape(-1, length), rows(text), -1)
  around = law.around(law.evidence(shown), rows(stretches(text, segment_ids)))
  chances = at(around, np.reshape(places, (-1, 1)))[:, 0]
  return Ideal(chances.reshape(-1, count, chances.shape[-1]),
               np.maximum(at(text, places), 0))


def from_left(law, vocabulary, targets, evidence, segments):
  """Predictions of a whole text from its left and from what is shown of all
  of it, over the ids of the vocabulary; what is no text is certain.

  Args:
    law: of the source.
    vocabulary: `Vocabulary`.
    targets: int `[batch, length]`.
    evidence: float64 `[batch, length, symbols]`, what is shown says.
    segments: int `[batch, length]`, as `stretches` gives them.
  """
  text, index = symbols(vocabulary, targets), np.arange(np.shape(targets)[1])
  chances = np.eye(vocabulary.size)[np.asarray(targets, np.int64)]
  begin, end = vocabulary.text_start, vocabulary.text_end
  for row, own in enumerate(text):  # as many texts as there are places
    known = (index < index[:, None])[..., None]
    seen = np.where(known, law.evidence(own), evidence[row])
    found = law.around(seen, np.tile(segments[row], (len(own), 1)))
    found = found[index, index] * evidence[row]
    found /= np.maximum(found.sum(-1, keepdims=True), 1e-300)
    chances[row, own >= 0, begin:end] = found[own >= 0]
  return Ideal(chances, np.asarray(targets, np.int64))
