"""What a class of a published family is: the trunk with some heads."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ptm_jax import config

TASKS = {'sequence': 'SequenceClassification', 'token': 'TokenClassification',
         'span': 'QuestionAnswering'}


@dataclasses.dataclass(frozen=True)
class Architecture:
  """One of a family's classes: the trunk with some heads.

  Attributes:
    objective: makes the objective of ours that has these heads.
    kinds: classes of objectives; it fits a run that has one of each among
      its objective and that one's members.
    names: `{our module: published name}` of the heads; see
      `mapping.entries`.
    untied: more of `names` where the head's table is its own.
    aliases: `{published name: another}` of tensors that are another one, and
      may be in a file or not.
    form: of the model.
    task: 'sequence', 'token' or 'span': the head is that of fine-tuning on
      such a task; else None.
    decodes: whether that head reads the states of an encoder-decoder's decoder.
  """

  objective: Callable[[], config.Component]
  kinds: tuple[type, ...] = ()
  names: dict[str, Any] = dataclasses.field(default_factory=dict)
  untied: dict[str, Any] = dataclasses.field(default_factory=dict)
  aliases: dict[str, str] = dataclasses.field(default_factory=dict)
  form: str = 'encoder'
  task: str | None = None
  decodes: bool = False

  def networks(self):
    """Names of our networks that it holds."""
    return list(dict.fromkeys(['trunk', *(
        name.partition('/')[0] for name in self.names)]))

  @property
  def is_bare(self):
    """Whether it is the trunk alone."""
    return not (self.kinds or self.task)

  @property
  def pooling(self):
    """What the head of a task reads, as of `heads.TaskHead`."""
    if 'task/pooler/dense' in self.names:
      return 'decoder' if self.decodes else 'pooler'
    return 'last' if self.task == 'sequence' else 'each'

  def fits(self, objective, task=None):
    """Whether a bound objective, fine-tuned on a kind of task if so, has all
    that these heads need."""
    if task != self.task:
      return False
    parts = [objective, *getattr(objective, 'members', {}).values()]
    return objective.model.form == self.form and all(
        any(isinstance(part, kind) for part in parts) for kind in self.kinds)


def task_heads(name, objective, sequence, token='classifier'):
  """The architectures of fine-tuned encoders.

  Args:
    name: of the family, as the classes' names begin.
    objective: of the trunk.
    sequence: published names of a sequence classifier's dense layer behind
      the first state and of its linear layer.
    token: of a token classifier's linear layer.
  """
  heads = {'token': {'task/head': token}, 'span': {'task/head': 'qa_outputs'},
           'sequence': dict(zip(('task/pooler/dense', 'task/head'), sequence,
                                strict=True))}
  return {f'{name}For{TASKS[task]}': Architecture(
      objective, names=names, task=task) for task, names in heads.items()}
