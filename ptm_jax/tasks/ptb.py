"""The Penn Treebank in Mikolov's form (Mikolov et al. 2010), test split."""

from ptm_jax.tasks import language_modelling


class Task(language_modelling.LanguageModelling):
  """`<unk>` and `N` are text like any other to the trunk."""

  files = ('ptb.test.txt',)
