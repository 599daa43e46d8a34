"""How an objective that writes fills the blanks of a text.

Such an objective has `ask(parts, filled) -> Question` and `answer(parts,
written) -> blanks`. `parts` are the text's pieces, with a blank between any
two neighbours, and `filled` what is in the first blanks already; all are lists
of ids. An answer is a list of what fills the next blanks, at least one, or None
where what was written does not say.
"""

from typing import NamedTuple


class Question(NamedTuple):
  """What is read before the next blanks are written.

  Attributes:
    ids: of the text that the objective's `read` takes.
    behind: rows of a prefix stack behind that text, int lists by field of the
      stack, or None for the start that every written text has.
    more: ids besides text and `</s>` that may be written.
  """

  ids: list
  behind: dict | None = None
  more: tuple = ()


def joined(parts, between):
  """Parts with one id each between them, as a list."""
  ids = list(parts[0])
  for part, one in zip(parts[1:], between, strict=True):
    ids += [one, *part]
  return ids


def between(parts, written):
  """What a whole text has in the place of the blanks.

  Returns:
    As `answer`: None where the text lacks one of the parts, in their order,
    the first at its beginning and the last at its end.
  """
  first, last = list(parts[0]), list(parts[-1])
  end = len(written) - len(last)
  if written[:len(first)] != first or end < len(first) or (
      written[end:] != last):
    return None
  found, place = [], len(first)
  for part in map(list, parts[1:-1]):
    at = next((start for start in range(place, end - len(part) + 1)
               if written[start:start + len(part)] == part), None)
    if at is None:
      return None
    found.append(written[place:at])
    place = at + len(part)
  return [*found, written[place:end]]
