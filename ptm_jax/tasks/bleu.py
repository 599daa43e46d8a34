"""How near translations come to a reference, by sacrebleu."""

from ptm_jax.errors import ConfigError, DataError


def score(found, references):
  """BLEU and chrF of a whole file (Post 2018, arXiv:1804.08771).

  Args:
    found, references: lists of strings, line i of the one for line i of the
      other.

  Returns:
    `{'bleu': ..., 'chrf': ..., 'signature': ...}`, both in 0..100, with what
    sacrebleu says of how BLEU was computed.

  Raises:
    ConfigError: sacrebleu is not installed.
    DataError: the numbers of lines differ.
  """
  check()
  check_lines(found, references)
  from sacrebleu.metrics import BLEU, CHRF
  bleu = BLEU()
  return {'bleu': bleu.corpus_score(found, [references]).score,
          'chrf': CHRF().corpus_score(found, [references]).score,
          'signature': str(bleu.get_signature())}


def check_lines(found, references):
  """Raises DataError unless there is a reference for each."""
  if len(found) != len(references):
    raise DataError(f'{len(found):,} lines and {len(references):,} lines of '
                    'reference: they must be as many')


def check():
  """Raises ConfigError unless sacrebleu is installed."""
  try:
    import sacrebleu  # noqa: F401
  except ImportError as error:
    raise ConfigError('BLEU needs sacrebleu: pip install "ptm_jax[metrics]"'
                      ) from error
