"""A language of known law: documents drawn from one of `sources`."""

import dataclasses
import hashlib
import json

import numpy as np

from ptm_jax import checks, config, serialize
from ptm_jax.data import symbols
from ptm_jax.data.documents import Document
from ptm_jax.errors import ConfigError
from ptm_jax.sources import hidden_markov

_AT_ONCE = 4096  # documents drawn together
_FORMAT = 1  # of what the same settings become


@dataclasses.dataclass
class Corpus(config.Component):
  """Documents of equal length, drawn once from a seed; exact duplicates are
  left out, as of any corpus. The tokenizer's settings have no effect.

  Attributes:
    source: a component of `sources`.
    num_documents: drawn in all, over the three splits.
    document_length: symbols in a document.
    seed: of the draws.
  """

  source: config.Component = dataclasses.field(
      default_factory=hidden_markov.Source)
  num_documents: int = 80_000
  document_length: int = 64
  seed: int = 0

  def validate(self):
    self.source.validate()
    checks.positive(self, 'corpus', 'num_documents', 'document_length')
    if self.seed < 0:
      raise ConfigError(f'corpus.seed={self.seed} is negative')
    length = getattr(self.source, 'sentence_length', 0)
    if length and (self.document_length % length
                   or self.document_length < 2 * length):
      raise ConfigError(
          f'corpus.document_length={self.document_length} must be two or more '
          f'times source.sentence_length={length}')
    if self.source.symbols > symbols.MOST:
      raise ConfigError(f'corpus.source.symbols={self.source.symbols}: at most '
                        f'{symbols.MOST:,}')

  def law(self):
    """The law that the documents follow, as `source.law()` makes it."""
    return self.source.law()

  def whole(self, raw_length, packing):
    """Whether no window of `raw_length` tokens cuts a document."""
    return raw_length >= self.document_length if packing == 'document' else (
        raw_length % self.document_length == 0)

  def alike(self, raw_length, packing):
    """Whether every window of `raw_length` tokens is of one document, and all
    are of one length."""
    length = self.document_length
    if packing == 'whole':  # an end stands behind each but the last
      return length <= raw_length <= 2 * length
    return length % raw_length == 0 or (
        packing == 'document' and length <= raw_length)

  def tokenizer(self):
    """The symbols, in place of a trained tokenizer."""
    return symbols.Symbols(self.source.symbols,
                           getattr(self.source, 'word_starts', None),
                           getattr(self.source, 'sentence_length', 0))

  def fingerprint(self):
    """Hash of all that the documents depend on."""
    return hashlib.blake2b(json.dumps(
        [_FORMAT, serialize.to_json(self)], sort_keys=True).encode(),
                           digest_size=16).hexdigest()

  def documents(self):
    """Yields each `Document`."""
    law, rng = self.law(), np.random.default_rng(self.seed)
    for start in range(0, self.num_documents, _AT_ONCE):
      count = min(_AT_ONCE, self.num_documents - start)
      for number, row in enumerate(
          law.sample(rng, count, self.document_length), start):
        yield Document(f'document {number}', symbols.spell(row))
