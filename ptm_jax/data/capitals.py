"""Text in lower case, and where its capitals were."""

import numpy as np


def lower(text):
  """The text in lower case, with as many characters, each for itself; the few
  that would become two are kept, and a sigma has one lower case."""
  lowered = text.lower()
  if len(lowered) == len(text) and '\u03a3' not in text:
    return lowered
  return ''.join(one.lower() if len(one.lower()) == 1 else one
                 for one in text)


class Capitals:
  """Where letters and capitals are in the UTF-8 bytes of texts in lower case.

  Args:
    texts: list of strings as they were written.
  """

  def __init__(self, texts):
    text = ''.join(texts)
    points, lowered = _points(text), _points(lower(text))
    kinds, which = np.unique(points, return_inverse=True)
    letters = np.asarray([chr(one).isalpha() for one in kinds], bool)[which]
    sizes = (1 + (lowered >= 0x80) + (lowered >= 0x800)
             + (lowered >= 0x10000))
    self._letters = np.repeat(letters, sizes)
    self._capitals = np.repeat(points != lowered, sizes)

  def first(self, starts):
    """Whether a stretch's first letter was a capital.

    Args:
      starts: int64 `[n]`, each stretch's first byte; it ends at the next.

    Returns:
      bool `[n]`, False where there is no letter.
    """
    count = len(self._letters)
    if not len(starts):
      return np.zeros(0, bool)
    places = np.where(self._letters, np.arange(count), count)
    first = np.minimum.reduceat(places, starts)
    return np.append(self._capitals, False)[first]


def _points(text):
  return np.frombuffer(text.encode('utf-32-le', 'surrogatepass'),
                       np.uint32).astype(np.int64)
