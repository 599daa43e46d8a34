"""Where words, sentences and documents start, from tables over the pieces.

A word starts with its white space (all of it, where it is several tokens) or
behind a newline; a newline is a word of its own. A sentence starts with the
first word of a document, behind a blank line, and behind a token that ends in
`.`, `?` or `!` (closing quotes and brackets may follow) if white space comes
next and then no lower-case letter. A single newline is mere white space: text
is often wrapped. In writing without spaces a sentence, and with it a word,
starts behind a full-width full stop. No rule is perfect ("Mr. Smith" is two
sentences); this one needs no language and no loop.
"""

import numpy as np

WORD_START, SENTENCE_START, DOCUMENT_START = 1, 2, 4
CAPITAL = 8  # on all tokens of a word whose first letter was a capital

_CLOSES, _CLOSES_WIDE = '.?!…', '。！？'
_BEHIND_CLOSE = '"\'”’)]}»」』）】》*_`'


class Flagger:
  """Flags for token ids, by what is known of each id's text.

  Args:
    texts: list `[vocab]` of strings, '' where an id is no text of its own
      (a control id, a byte of a longer character).
  """

  def __init__(self, texts):
    def table(test):
      return np.asarray([bool(text) and bool(test(text)) for text in texts])

    cores = [text.rstrip().rstrip(_BEHIND_CLOSE) for text in texts]
    self._spaced = table(lambda t: t[0].isspace())
    self._white = table(str.isspace)
    self._ends_line = table(lambda t: t[-1] == '\n')
    self._newlines = np.asarray([text.count('\n') for text in texts])
    self._closer = table(lambda t: not t.strip().strip(_BEHIND_CLOSE)
                         and not t.isspace())
    self._lower = table(lambda t: t.lstrip()[:1].islower())
    self._closes = np.asarray([core.endswith(tuple(_CLOSES))
                               for core in cores])
    self._closes_wide = np.asarray([core.endswith(tuple(_CLOSES_WIDE))
                                    for core in cores])

  def __call__(self, ids, starts, capitals=None):
    """Flags of documents that follow each other.

    Args:
      ids: int32 `[n]`.
      starts: int64 `[documents]`, where each begins; none is empty.
      capitals: of ids in lower case, `(first tokens, int64 [n]) -> bool [n]`,
        whether the first letter from there on, up to the next, was a capital.

    Returns:
      uint8 `[n]`. A document's flags do not depend on its neighbours.
    """
    flags = np.zeros(len(ids), np.uint8)
    if not len(ids):
      return flags
    place = np.arange(len(ids))
    first = np.repeat(starts, np.diff(np.append(starts, len(ids))))
    before = np.concatenate([ids[:1], ids[:-1]])
    blank = self._white & ~self._ends_line
    word = self._ends_line[before] | (self._spaced[ids] & ~blank[before])
    word[starts] = True
    content = ~self._white[ids]
    # The nearest token before that is more than white space, and the nearest
    # that is also more than closing quotes and brackets.
    previous = _last_before(content, place)
    solid = _last_before(content & ~self._closer[ids], place)
    newlines = np.cumsum(self._newlines[ids])
    between = newlines - newlines[previous]
    small = self._lower[ids]
    if capitals:
      small &= ~capitals(place)
    paragraph = (previous < first) | (between >= 2)
    gap = self._spaced[ids] | (previous < place - 1)
    closed = (solid >= first) & self._closes[ids[solid]]
    wide = ((solid >= first) & self._closes_wide[ids[solid]]
            & ~self._closer[ids])
    word |= content & wide & ~gap
    sentence = content & (
        paragraph | wide | (gap & closed & ~small))
    flags[word] = WORD_START
    # White space before a sentence's first word belongs to that word.
    word_of = np.maximum.accumulate(np.where(word, place, 0))
    flags[word_of[sentence]] |= SENTENCE_START
    flags[starts] = WORD_START | SENTENCE_START | DOCUMENT_START
    if capitals:
      words = np.flatnonzero(flags & WORD_START)
      flags |= CAPITAL * np.repeat(capitals(words), np.diff(
          np.append(words, len(ids)))).astype(np.uint8)
    return flags


def _last_before(which, place):
  """Index of the last True before each place; -1 where there is none."""
  last = np.maximum.accumulate(np.where(which, place, -1))
  return np.concatenate([[-1], last[:-1]])
