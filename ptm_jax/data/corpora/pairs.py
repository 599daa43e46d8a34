"""Translations of known law: pairs of sentences that `sources.cipher` draws."""

import dataclasses
import hashlib
import json
from typing import ClassVar

import numpy as np

from ptm_jax import checks, config, serialize
from ptm_jax.data import symbols
from ptm_jax.data.documents import Document
from ptm_jax.errors import ConfigError
from ptm_jax.sources import cipher

_FORMAT = 1  # of what the same settings become


@dataclasses.dataclass
class Corpus(config.Component):
  """Sentences of a first language and their translations word for word, drawn
  once from a seed. The tokenizer's settings have no effect.

  Attributes:
    source: the law of both.
    num_documents: pairs drawn in all, over the three splits.
    seed: of the draws.
  """

  aligned: ClassVar[bool] = True

  source: cipher.Source = dataclasses.field(default_factory=cipher.Source)
  num_documents: int = 40_000
  seed: int = 0

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    self.source.validate()
    checks.positive(self, 'corpus', 'num_documents')
    if self.seed < 0:
      raise ConfigError(f'corpus.seed={self.seed} is negative')

  def law(self):
    """The law of the sentences that are read, and of their translations."""
    return cipher.Reading(self.source.law())

  def whole(self, raw_length, packing):
    """Whether no window of `raw_length` tokens cuts a document."""
    length = self.source.sentence_length
    return (raw_length % length == 0 if packing == 'packed'
            else raw_length >= length)

  def tokenizer(self):
    """The symbols of both languages, in place of a trained tokenizer."""
    return symbols.Symbols(self.source.symbols)

  def fingerprint(self):
    """Hash of all that the documents depend on."""
    return hashlib.blake2b(json.dumps(
        [_FORMAT, serialize.to_json(self)], sort_keys=True).encode(),
                           digest_size=16).hexdigest()

  def documents(self):
    """Yields each `Document`."""
    length = self.source.sentence_length
    rows = self.source.law().sample(
        np.random.default_rng(self.seed), self.num_documents, 2 * length)
    for number, row in enumerate(rows):
      yield Document(f'pair {number}', symbols.spell(row[:length]),
                     aligned=symbols.spell(row[length:]))
