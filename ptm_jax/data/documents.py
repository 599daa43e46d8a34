"""Documents and the split they belong to."""

import hashlib
import os
import pathlib
from typing import NamedTuple


class Document(NamedTuple):
  """One text.

  Attributes:
    name: where it comes from, for messages; never used as a path.
    text: valid Unicode.
    source: what kind of text it is, such as a library's name; may be ''.
    group: near-duplicates share a group, and a group stays in one split;
      '' stands for the text itself.
    aligned: the same text in another language, or ''; a corpus gives it to
      all of its documents or to none.
  """

  name: str
  text: str
  source: str = ''
  group: str = ''
  aligned: str = ''


def split_of(document):
  """'train' (90 %), 'validation' (5 %) or 'test' (5 %), by a hash of the
  document's text, or of its group where it has one."""
  digest = hashlib.blake2b(
      (document.group or document.text).encode(), digest_size=8).digest()
  share = int.from_bytes(digest, 'big') / 2**64
  if share < 0.9:
    return 'train'
  return 'validation' if share < 0.95 else 'test'


def cache_dir():
  """Where prepared data is kept: $PTM_JAX_CACHE or ~/.cache/ptm_jax."""
  return pathlib.Path(os.environ.get('PTM_JAX_CACHE')
                      or pathlib.Path.home() / '.cache' / 'ptm_jax')
