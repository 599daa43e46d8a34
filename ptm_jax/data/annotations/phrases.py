"""Phrases in the text: words that occur together more than by chance.

They stand in for the chunker of ERNIE (Sun et al. 2019, arXiv:1904.09223),
which needs a language's own tools. Reference for the score: Mikolov et al.
2013, arXiv:1310.4546, section 4, with the constants of the released code.
"""

import collections
import dataclasses

from ptm_jax import checks
from ptm_jax.data.annotations import entities, spans


@dataclasses.dataclass
class Annotator(entities.Annotator):
  """Marks pairs of words, or the phrases of a lexicon.

  A pair counts if (n(a b) - min_count) * words / (n(a) n(b)) > threshold, n
  being counts in the train split; only white space lies between its words.

  Attributes:
    path: of a lexicon, as a gazetteer; '' learns pairs from the train split.
    min_count: occurrences taken off a pair's count.
    threshold: of the score.
  """

  min_count: int = 5
  threshold: float = 100.0

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.positive(self, 'objective', 'min_count', 'threshold')

  def check(self, corpus):
    """Raises ConfigError if there is no such lexicon; any corpus will do."""
    if self.path:
      super().check(corpus)

  def fingerprint(self, corpus):
    """The constants, or the hash of the lexicon."""
    if self.path:
      return super().fingerprint(corpus)
    return f'pairs {self.min_count} {self.threshold}'

  def annotate(self, prepared, corpus):
    """A plane for each split, as `spans.mark` says."""
    if self.path:
      return super().annotate(prepared, corpus)
    find = spans.Finder(self._learn(prepared))
    return {split: spans.mark(store, prepared.tokenizer, find)
            for split, store in prepared.stores.items()}

  def _learn(self, prepared):
    """The pairs of the train split, 'a b' each."""
    single, pairs = collections.Counter(), collections.Counter()
    for _, text, _ in spans.documents(prepared.stores['train'],
                                      prepared.tokenizer):
      words = spans.words(text)
      single.update(word for _, _, word in words)
      pairs.update((a, b) for (_, end, a), (start, _, b)
                   in zip(words, words[1:]) if text[end:start].isspace())
    total = single.total()
    return [f'{a} {b}' for (a, b), count in pairs.items()
            if (count - self.min_count) * total
            > self.threshold * single[a] * single[b]]
