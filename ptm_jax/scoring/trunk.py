"""What a zero-shot task may ask of a trained run."""

import functools

import numpy as np

from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.scoring import stream
from ptm_jax.scoring.embedder import Embedder, word_vectors
from ptm_jax.scoring.scorer import Ids, Scorer, Text


class Trunk:
  """A run, as one task asks it.

  Args:
    run: `load.Loaded`.
    task: `tasks.zero_shot.ZeroShot`.
    way: name of a way to score; '' takes the task's or the objective's first.
    show: called with the number of texts that are done.

  Attributes:
    scorer: `Scorer`, or None for a task of vectors.
    cut: texts whose context or end had no room.

  Raises:
    ConfigError: the objective has no score that the task can use.
  """

  def __init__(self, run, task, way='', show=lambda count: None):
    self.run, self._show, self.scorer, self.cut = run, show, None, 0
    if not task.kinds:
      return
    ways = run.objective.ways()
    way = way or next((one for one in task.prefers if one in ways), '')
    self.scorer = Scorer(run, way)
    if self.scorer.way.kind not in task.kinds:
      raise ConfigError(
          f'the task {name_of(task)[1]} needs a '
          f'{" or ".join(task.kinds)}, and {self.scorer.name} of '
          f'{name_of(run.objective)[1]} is of the kind '
          f'{self.scorer.way.kind}')

  @property
  def room(self):
    """Tokens of a text that scoring and pre-training both have room for."""
    return min(self.scorer.room, self.run.objective.raw_length)

  def score(self, texts):
    """`scorer.Score` of each `(text, context, where)`."""
    found = self.scorer.score([Text(*one) for one in texts], self._show)
    self.cut += sum(one.cut > 0 for one in found)
    return found

  def score_ids(self, texts):
    """Nats of each `scorer.Ids`, in all, float64 `[texts]`."""
    return np.asarray([nats.sum() for nats, _ in self.scorer.score_ids(
        texts, self._show)])

  def in_place(self, filled):
    """Nats of the answers of `tasks.prompt.Filled`, each given what stands
    around it: a likelihood, which is asked for what follows as well, ranks
    answers as if it were given. float64 `[texts]`."""
    return self.score_ids([
        Ids(one.ids, one.begin, one.starts, len(one.ids) - one.end)
        for one in filled])

  def stream(self, text):
    """As `stream.nats`: of one long text, `(nats, tokens)`."""
    return stream.nats(self.scorer, text, self._show)

  def vectors(self, texts):
    """Mean of each text's last states, float32 `[texts, width]`."""
    embedder = self._embedder
    before = embedder.cut
    found = embedder.embed(texts, self._show)
    self.cut += embedder.cut - before
    return found

  @functools.cached_property
  def _embedder(self):
    return Embedder(self.run)

  def words(self, words):
    """Static vectors of words, normalised, float32 `[words, width]`."""
    vectors = word_vectors(self.run, words)
    return vectors / np.maximum(
        np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
