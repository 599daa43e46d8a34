"""Metrics of fine-tuned tasks, all from the libraries that define them."""

import functools
import importlib

import numpy as np

from ptm_jax.errors import ConfigError


def _library(name):
  try:
    return importlib.import_module(name)
  except ImportError as error:
    raise ConfigError(f'scores need {name}: pip install "ptm_jax[metrics]"'
                      ) from error


def of_labels(names, answers, found, labels):
  """Scores of single labels.

  Args:
    names: of 'accuracy', 'matthews', 'f1' (of the second of two labels) and
      'macro_f1'.
    answers, found: int `[examples]`.
    labels: names of the labels.
  """
  metrics = _library('sklearn.metrics')
  every = range(len(labels))
  known = {
      'accuracy': metrics.accuracy_score,
      'matthews': metrics.matthews_corrcoef,
      'f1': functools.partial(metrics.f1_score, zero_division=0.0),
      'macro_f1': functools.partial(metrics.f1_score, average='macro',
                                    labels=list(every), zero_division=0.0)}
  return {name: float(known[name](answers, found)) for name in names}


def of_marks(names, answers, found):
  """Scores of several labels at once: 'micro_f1', 'macro_f1', 'exact_match'
  (of all labels of an example).

  Args:
    names: of the scores.
    answers, found: int `[examples, labels]`, 0 or 1.
  """
  metrics = _library('sklearn.metrics')
  known = {
      'micro_f1': functools.partial(metrics.f1_score, average='micro',
                                    zero_division=0.0),
      'macro_f1': functools.partial(metrics.f1_score, average='macro',
                                    zero_division=0.0),
      'exact_match': metrics.accuracy_score}
  return {name: float(known[name](answers, found)) for name in names}


def of_numbers(names, answers, found):
  """'spearman' and 'pearson' of numbers `[examples]`; 0 where a side is
  constant, which has no correlation."""
  statistics = _library('scipy.stats')
  known = {'spearman': statistics.spearmanr, 'pearson': statistics.pearsonr}
  if not np.ptp(answers) or not np.ptp(found):
    return dict.fromkeys(names, 0.0)
  return {name: float(known[name](answers, found)[0]) for name in names}
