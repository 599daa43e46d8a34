"""What published decoders have in common: the heads of tasks."""

from ptm_jax.convert.architecture import TASKS, Architecture
from ptm_jax.objectives import autoregressive


def decoder_heads(name, token='score', trunk_of_span=None):
  """The architectures of fine-tuned decoders.

  Args:
    name: of the family, as the classes' names begin.
    token: published name of a token classifier's linear layer.
    trunk_of_span: the trunk's names where those of a model of question
      answering differ.
  """
  heads = {'sequence': {'task/head': 'score'}, 'token': {'task/head': token},
           'span': {**(trunk_of_span or {}), 'task/head': 'qa_outputs'}}
  return {f'{name}For{TASKS[task]}': Architecture(
      autoregressive.Objective, names=names, task=task, form='decoder')
          for task, names in heads.items()}
