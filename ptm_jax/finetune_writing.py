"""What fine-tuned trials write for the test examples of a task."""

import jax.numpy as jnp
import numpy as np

from ptm_jax.finetune_step import windows_of
from ptm_jax.generation import beam
from ptm_jax.tasks import batches


class Scribe:
  """Writes greedily behind what rows read.

  Args:
    run: `load.Loaded`, the trunk's.
    task: `tasks.writing.Writing`.

  Raises:
    ConfigError: the trunk does not write from left to right.
  """

  def __init__(self, run, task):
    self._run, self._task = run, task
    self._searcher = beam.Searcher(run, beam.Search(1, 0.0))

  def texts(self, params, rows, size):
    """The text behind each row, a list of strings.

    Args:
      params: of one trial, with its networks.
      rows: list of `base.Row`.
      size: rows in a batch.
    """
    sources = [row.tokens[0][:row.asked[0][0]] for row in rows]
    lengths = [len(one) for one in sources]
    found = [''] * len(rows)
    for length, picked in batches.in_order(
        lengths, batches.buckets(lengths, size), size):
      tokens = np.zeros((size, length), np.int32)
      real = np.zeros(tokens.shape, bool)
      for place, number in enumerate(picked):
        # Where there is no row, one that fits.
        one = sources[number if number >= 0 else picked[0]]
        tokens[place, :len(one)], real[place, :len(one)] = one, True
      windows = windows_of(jnp.asarray(tokens), jnp.asarray(real))
      written, _ = self._searcher.search(
          self._searcher.decoder.prompt(windows), self._task.answer_length,
          params)
      for place, number in enumerate(picked):
        if number >= 0:
          found[number] = self._run.tokenizer.decode(written[place]).strip()
    return found
