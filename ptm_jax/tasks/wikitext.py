"""WikiText-2 and -103 (Merity et al. 2016, arXiv:1609.07843), test split."""

from ptm_jax.tasks import language_modelling


class Task(language_modelling.LanguageModelling):
  """The tokenised form, or the raw one where that is all there is."""

  files = ('wiki.test.tokens', 'wiki.test.raw', 'test.txt')
