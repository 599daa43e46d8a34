"""How frequent a token's word is in the train split."""

import dataclasses

import numpy as np

from ptm_jax import config
from ptm_jax.data.flags import WORD_START

STEP = 8  # a plane's number is so many times -log2 of the frequency


@dataclasses.dataclass
class Annotator(config.Component):
  """Marks every token with the frequency f of its word, as a number:
  round(-8 log2 f), at most 255. A word is its ids; f of a word that the train
  split lacks is that of one occurrence."""

  def check(self, corpus):
    """Any corpus will do."""

  def fingerprint(self, corpus):
    """Nothing but the store decides it."""
    return ''

  def annotate(self, prepared, corpus):
    """A plane for each split."""
    words, counts = np.unique(hashes_of(prepared.stores['train']),
                              return_counts=True)
    known, total = dict(zip(words, counts)), counts.sum()
    found = {}
    for split, store in prepared.stores.items():
      if not store.num_tokens:
        found[split] = np.zeros(0, np.uint8)
        continue
      hashes, inverse = np.unique(hashes_of(store), return_inverse=True)
      often = np.asarray([known.get(one, 1) for one in hashes])
      numbers = np.clip(np.round(-STEP * np.log2(often / total)), 0, 255)
      lengths = np.diff(np.append(starts_of(store), store.num_tokens))
      found[split] = np.repeat(numbers[inverse], lengths).astype(np.uint8)
    return found


def starts_of(store):
  """The first token of each word."""
  first = np.asarray(store.flags[:store.num_tokens]) & WORD_START > 0
  first[:1] = True
  return np.flatnonzero(first)


def hashes_of(store):
  """A hash of each word's ids, uint64, in the order of the text."""
  if not store.num_tokens:
    return np.zeros(0, np.uint64)
  starts = starts_of(store)
  ids = np.asarray(store.ids[:store.num_tokens], np.uint64)
  place = np.arange(len(ids)) - np.repeat(
      starts, np.diff(np.append(starts, len(ids))))
  mixed = (ids + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
  mixed = (mixed ^ (mixed >> np.uint64(29))) * (
      np.uint64(2) * place.astype(np.uint64) + np.uint64(1))
  return np.add.reduceat(mixed * np.uint64(0xBF58476D1CE4E5B9), starts)
