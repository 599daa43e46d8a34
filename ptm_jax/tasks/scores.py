"""Metrics of fine-tuned tasks, from the libraries that define them; SQuAD's,
which none of these has, and the reciprocal rank are written here."""

import collections
import functools
import importlib
import re
import string
import unicodedata

import numpy as np

from ptm_jax.errors import ConfigError

_ALONE = '\u3400-\u4dbf\u4e00-\u9fff'  # characters that are words
_WORD = re.compile(rf'[{_ALONE}]|[^\s{_ALONE}]+')


def _library(name):
  try:
    return importlib.import_module(name)
  except ImportError as error:
    raise missing(name) from error


def missing(name):
  """The error of a library that is not there."""
  return ConfigError(f'scores need {name}: pip install "ptm_jax[metrics]"')


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


def of_entities(names, answers, found):
  """'f1', 'precision', 'recall' of whole entities, as seqeval defines them
  (as conlleval: a type and both ends must be right).

  Args:
    names: of the scores.
    answers, found: lists of lists of tags.
  """
  metrics = _library('seqeval.metrics')
  known = {'f1': metrics.f1_score, 'precision': metrics.precision_score,
           'recall': metrics.recall_score}
  return {name: float(known[name](answers, found, zero_division=0))
          for name in names}


def of_ranks(names, groups):
  """'map', the mean average precision, and 'mrr', the mean reciprocal rank of
  the first right answer, over the groups that have one.

  Args:
    names: of the scores.
    groups: lists of `(1 where right, score)`.
  """
  metrics = _library('sklearn.metrics')
  found = {'map': [], 'mrr': []}
  for group in groups:
    right, values = np.asarray(group, np.float64).T
    if not right.any():
      continue
    found['map'].append(metrics.average_precision_score(right, values))
    # Of equal scores the wrong ones come first.
    best = values[right > 0].max()
    found['mrr'].append(1 / (1 + np.sum(values[right == 0] >= best)))
  return {name: float(np.mean(found[name])) if found[name] else 0.0
          for name in names}


def of_answers(names, answers, found):
  """'exact_match' and 'f1' of texts, as SQuAD's released script defines them;
  a character of a script without spaces is a word, as for CMRC 2018.

  Args:
    names: of the scores.
    answers: a list of right texts for each question; [''] for none.
    found: list of strings.
  """
  def words(text):
    kept = ''.join(one for one in text.lower()
                   if not _is_punctuation(one))
    return [word for word in _WORD.findall(kept)
            if word not in ('a', 'an', 'the')]

  def f1(right, text):
    right, text = words(right), words(text)
    if not right or not text:
      return float(right == text)
    common = sum((collections.Counter(right)
                  & collections.Counter(text)).values())
    return 2 * common / (len(right) + len(text))

  known = {'exact_match': lambda right, text: words(right) == words(text),
           'f1': f1}
  return {name: float(np.mean([
      max(known[name](right, text) for right in rights)
      for rights, text in zip(answers, found, strict=True)]))
          for name in names}


def of_summaries(names, answers, found):
  """'rouge1', 'rouge2', 'rougeL' ... as rouge-score defines them: F1, a mean
  over texts, of stemmed English words. All but Latin letters and digits is
  dropped, so that it is 0 for other scripts.

  Args:
    names: of the scores.
    answers, found: lists of strings, those that are right and those written.
  """
  scorer = _library('rouge_score.rouge_scorer').RougeScorer(
      list(names), use_stemmer=True)
  each = [scorer.score(right, text)
          for right, text in zip(answers, found, strict=True)]
  return {name: float(np.mean([one[name].fmeasure for one in each]))
          for name in names}


def of_translations(names, answers, found):
  """'bleu' and 'chrf' of a whole file, 0..100, as sacrebleu defines them (Post
  2018, arXiv:1804.08771), and 'signature', what it says of how BLEU was made.

  Args:
    names: of the scores.
    answers, found: lists of strings, those that are right and those written.
  """
  metrics = _library('sacrebleu.metrics')
  bleu = metrics.BLEU()
  known = {'bleu': lambda: bleu.corpus_score(found, [answers]).score,
           'chrf': lambda: metrics.CHRF().corpus_score(found, [answers]).score,
           'signature': lambda: str(bleu.get_signature())}
  return {name: known[name]() for name in names}


def _is_punctuation(character):
  """Of ASCII, as SQuAD's script has it, or of any other script."""
  return (character in string.punctuation
          or not character.isascii()
          and unicodedata.category(character).startswith('P'))
