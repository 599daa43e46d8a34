"""A task with labels, answered by a trunk's own heads through a prompt.

An alternative of a row is the example with one of the words; what the trunk
makes of it is the word's logit, and the loss is the cross entropy over the
labels (Schick & Schütze 2021, arXiv:2001.07676, section 3.1).
"""

from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.objectives import ways
from ptm_jax.tasks import base, classification, prompt

PREFERS = ('all_hidden',)  # before an objective's first way


def way_of(objective):
  """The way by which an objective's trunk answers.

  Raises:
    ConfigError: it has none that reads a text once.
  """
  known = {name: way for name, way in objective.ways().items()
           if way.copies is ways.once}
  if not known:
    raise ConfigError(f'--prompt: {name_of(objective)[1]} has no score of a '
                      'text in one pass that could be trained: leave it out, '
                      'for a head of its own')
  return next((known[name] for name in PREFERS if name in known),
              next(iter(known.values())))


class Prompted(classification.Classification):
  """A task of `tasks.classification`, asked by a prompt.

  Args:
    task: component of `tasks/`.
    asked: `prompt.Prompt`, which suits its data.
    way: of `way_of`.

  Attributes:
    most: tokens that are scored of an alternative, at most.
  """

  def __init__(self, task, asked, way):
    self.task, self.asked, self.scored = task, asked, way
    self.metrics, self.most = task.metrics, 1

  @property
  def name(self):
    return self.task.name

  def rows(self, tokenizer, examples, room, labels):
    self.choices = self.asked.choices(labels)
    words = [word for _, word in self.choices]
    found = []
    for number, one in enumerate(examples):
      filled, cut = self.asked.fill(tokenizer, one.texts, words, room)
      found.append(base.Row(
          tuple(each.ids for each in filled), self.target(one.label), number,
          cut, asked=tuple(
              (each.begin, self.scored.end(
                  len(each.ids), len(each.ids) - each.end))
              for each in filled)))
    self.most = max([self.most, *(
        end - begin for row in found for begin, end in row.asked)])
    return found

  def recorded(self):
    return {'prompt_text': self.asked.text}

  def answers(self, scores):
    """Log-probabilities of labels, float32 `[batch, labels]`, of the words',
    `[batch, alternatives]`."""
    return prompt.by_label(scores, self.choices)
