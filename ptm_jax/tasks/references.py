"""How near written texts come to references: BLEU, chrF and ROUGE.

BLEU and chrF (of sacrebleu) are for translations, ROUGE (of rouge-score) for
summaries; all are given, since what was written for a line is not known here.
"""

from ptm_jax.errors import ConfigError, DataError
from ptm_jax.tasks import scores

ROUGE = ('rouge1', 'rouge2', 'rougeLsum')


def score(found, references):
  """Scores of a whole file, against one reference a line.

  BLEU is `scores.of_translations`'. ROUGE is Lin's (2004): F1 of single
  words, of pairs of words and of the longest common subsequence, a mean over
  lines; see `scores.of_summaries`.

  Args:
    found, references: lists of strings, line i of the one for line i of the
      other.

  Returns:
    `{'bleu': ..., 'chrf': ..., 'rouge1': ..., 'rouge2': ..., 'rougeLsum': ...,
    'signature': ...}`, numbers in 0..100, with what sacrebleu says of how BLEU
    was computed.

  Raises:
    ConfigError: sacrebleu or rouge-score is not installed.
    DataError: the numbers of lines differ, or there are none.
  """
  check()
  check_lines(found, references)
  translated = scores.of_translations(
      ('bleu', 'chrf', 'signature'), references, found)
  return {**translated, **{name: 100 * value for name, value
                           in scores.of_summaries(
                               ROUGE, references, found).items()}}


def check_lines(found, references):
  """Raises DataError unless there is a reference for each, and one at least."""
  if len(found) != len(references):
    raise DataError(f'{len(found):,} lines and {len(references):,} lines of '
                    'reference: they must be as many')
  if not found:
    raise DataError('no line to score: the file is empty')


def check():
  """Raises ConfigError unless sacrebleu and rouge-score are installed."""
  try:
    import rouge_score  # noqa: F401
    import sacrebleu  # noqa: F401
  except ImportError as error:
    raise ConfigError('scores of texts need sacrebleu and rouge-score: '
                      'pip install "ptm_jax[metrics]"') from error
