"""Which ids are text, which are ours.

Control ids come first, sentinels last, text in between; the tokenizer gives
text ids only, so that no text can ever produce a control token.
"""

import dataclasses

NUM_CONTROL = 7
NUM_SENTINELS = 100


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """The layout of the ids.

  Attributes:
    size: ids in all, the rows of a token embedding.
    num_sentinels: ids at the top, counted down: sentinel k is size - 1 - k.
      The last of them serve as an objective's own marks, counted up from
      `text_end`; it says which it has, and uses so many sentinels less.
  """

  size: int
  num_sentinels: int = NUM_SENTINELS

  pad_id = 0
  bos_id = 1
  eos_id = 2
  unk_id = 3
  mask_id = 4
  cls_id = 5
  sep_id = 6
  text_start = NUM_CONTROL

  @property
  def text_end(self):
    """First id behind the text pieces."""
    return self.size - self.num_sentinels

  def sentinel_id(self, number):
    """Id of sentinel `number`, which may be an array."""
    return self.size - 1 - number

  def mark_id(self, number):
    """Id of an objective's mark `number`, which may be an array."""
    return self.text_end + number
