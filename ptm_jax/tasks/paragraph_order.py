"""Do the paragraphs of a docstring stand in their order? Embedded, no download.
"""

import dataclasses
import hashlib

import numpy as np

from ptm_jax.data.corpora import python_docs
from ptm_jax.tasks import embedded

_LEAST = 3  # paragraphs of a docstring that is asked about


@dataclasses.dataclass
class Task(embedded.Embedded):
  """As written or shuffled; which a docstring is, its hash decides."""

  classes: tuple[str, ...] = ('original', 'shuffled')
  num_test: int = 300

  def texts(self, document):
    for text in python_docs.docstrings(document):
      parts = text.split('\n\n')
      if len(parts) < _LEAST:
        continue
      seed = int.from_bytes(
          hashlib.blake2b(text.encode(), digest_size=4).digest(), 'big')
      if seed % 2:
        yield 'original', text
        continue
      draw = np.random.default_rng(seed)
      order = draw.permutation(len(parts))
      while np.all(np.diff(order) > 0):  # no shuffle at all
        order = draw.permutation(len(parts))
      yield 'shuffled', '\n\n'.join(parts[place] for place in order)
