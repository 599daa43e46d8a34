"""Which ids are text, which are ours.

In a vocabulary of ours control ids come first, sentinels last, text in
between; in a published one they are wherever its authors put them. The
tokenizer gives text ids only, so that no text can ever produce a control
token.
"""

import dataclasses
import functools

import numpy as np

from ptm_jax.errors import ConfigError

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
    pad_id, bos_id, eos_id: elsewhere in a published model that brings no
      tokenizer.
  """

  size: int
  num_sentinels: int = NUM_SENTINELS
  pad_id: int = 0
  bos_id: int = 1
  eos_id: int = 2

  unk_id = 3
  mask_id = 4
  cls_id = 5
  sep_id = 6
  text_start = NUM_CONTROL

  @property
  def text_end(self):
    """First id behind the text pieces."""
    return self.size - self.num_sentinels

  @property
  def num_text(self):
    """How many ids are text."""
    return self.text_end - self.text_start

  def id_of(self, role):
    """Id of a role ('pad', 'mask' ...), or None if there is none."""
    return getattr(self, f'{role}_id')

  def text_id(self, number):
    """The text id of that number in [0, num_text); it may be an array."""
    return self.text_start + number

  def is_text(self, ids):
    """bool like `ids`, whether each is text."""
    return (ids >= self.text_start) & (ids < self.text_end)

  def sentinel_id(self, number):
    """Id of sentinel `number`, which may be an array."""
    return self.size - 1 - number

  def mark_id(self, number):
    """Id of an objective's mark `number`, which may be an array."""
    return self.text_end + number


@dataclasses.dataclass(frozen=True)
class Listed:
  """As `Vocabulary`, of ids that are where a published tokenizer has them.

  What it lacks is missed by those alone who ask for it: a ConfigError then
  says so.

  Attributes:
    size: ids in all, the rows of a token embedding.
    roles: pairs of a role ('mask', 'cls' ...) and its id.
    sentinel_ids: of sentinel 0, 1 ...; () if there are none.
    text_ids: of all pieces that text can become, ascending.
  """

  size: int
  roles: tuple[tuple[str, int], ...]
  sentinel_ids: tuple[int, ...]
  text_ids: tuple[int, ...]

  def __getattr__(self, name):
    role = name.removesuffix('_id')
    if role == name or role not in ('pad', 'bos', 'eos', 'unk', 'mask', 'cls',
                                    'sep'):
      raise AttributeError(name)
    for one, number in self.roles:
      if one == role:
        return number
    raise ConfigError(
        f'this vocabulary of {self.size:,} ids has no {role} token: use an '
        'objective that needs none, or pre-train anew with tokenizer.path, '
        'which adds what is missing')

  @property
  def num_sentinels(self):
    """How many sentinels there are."""
    return len(self.sentinel_ids)

  @property
  def num_text(self):
    """How many ids are text."""
    return len(self.text_ids)

  @functools.cached_property
  def _is_text(self):
    table = np.zeros(self.size, bool)
    table[list(self.text_ids)] = True
    return table

  def id_of(self, role):
    """As `Vocabulary.id_of`."""
    return dict(self.roles).get(role)

  def text_id(self, number):
    """As `Vocabulary.text_id`."""
    return _table(self.text_ids)[number]

  def is_text(self, ids):
    """As `Vocabulary.is_text`."""
    if isinstance(ids, np.ndarray):
      return self._is_text[ids]
    import jax.numpy as jnp
    return jnp.asarray(self._is_text)[ids]

  def sentinel_id(self, number):
    """As `Vocabulary.sentinel_id`."""
    if not self.sentinel_ids:
      raise ConfigError(
          f'this vocabulary of {self.size:,} ids has no sentinels: use an '
          'objective that needs none, or pre-train anew with tokenizer.path, '
          'which adds what is missing')
    return _table(self.sentinel_ids)[number]

  def mark_id(self, number):
    """As `Vocabulary.mark_id`."""
    return self.sentinel_id(self.num_sentinels - 1 - number)


def _table(ids):
  """A table that a traced number may look up. Lists of what there is are shown
  without waiting for jax."""
  import jax.numpy as jnp
  return jnp.asarray(ids, jnp.int32)
