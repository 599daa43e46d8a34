"""A task with labels, asked by a prompt: nothing is trained.

Each word of each label is scored in the place of the answer, and the label with
the highest probability is the answer: of a likelihood that of the whole text
from the word on, which ranks as the word's own given all the rest; of any other
way that of the word's tokens, given all around them, of several by default
with all of them hidden.

Examples with their answers may stand in front (Brown et al. 2020,
arXiv:2005.14165, section 2). With calibration each label's probability is
divided by that with inputs of no content in place of the texts (Zhao et al.
2021, arXiv:2102.09690, section 5): the mean over 'N/A', '[MASK]' and nothing.
"""

import dataclasses
import pathlib

import numpy as np
from scipy import special

from ptm_jax.objectives import ways
from ptm_jax.scoring.scorer import Ids
from ptm_jax.tasks import prompt, prompted, zero_shot

NO_CONTENT = ('N/A', prompt.MASK, '')


class Prompted(zero_shot.ZeroShot):
  """A task of `tasks.classification`, asked by a prompt.

  Args:
    task: component of `tasks/`.
    file: name of a prompt's file, or 'default' for the task's own.
    shots: training examples in front, as many of each label as of another.
    calibrate: whether probabilities are divided by those without content.
    seed: of the draw of examples.

  Raises:
    ConfigError: the task has no single label.
    DataError: the prompt cannot be used.
  """

  kinds = ways.KINDS
  prefers = prompted.PREFERS

  def __init__(self, task, file, shots=0, calibrate=False, seed=0):
    self.task, self.prompt = task, prompt.of_task(task, file)
    self.embedded = task.embedded
    self.shots, self.calibrate, self.seed = shots, calibrate, seed
    self.how = (f' prompt={pathlib.Path(file).stem}' + f' shots={shots}' * (
        shots > 0) + ' calibrated' * calibrate)

  def settings(self):
    return {'prompt': self.prompt.text, 'shots': self.shots,
            'calibrate': self.calibrate, 'shots_seed': self.seed}

  def read(self, data_dir):
    self.examples = self.task.read(data_dir)
    self.prompt.check(self.examples.train + self.examples.test,
                      self.examples.labels)
    return self.examples.test

  def measure(self, trunk, examples):
    labels, train = self.examples.labels, self.examples.train
    choices = self.prompt.choices(labels)
    tested = {one.texts for one in self.examples.test}
    asker = Asker(trunk, self.prompt, choices, draw(
        [one for one in train if one.texts not in tested], self.shots,
        self.seed))
    questions = [asker.question(one.texts) for one in examples]
    trunk.cut += sum(one.cut for one in questions)
    scores = asker.scores(questions)
    counts = np.asarray([one.shots for one in questions])
    if self.calibrate:
      empty = {count: without_content(asker, count) for count in set(counts)}
      scores -= np.stack([empty[count] for count in counts])
    metrics = self.task.score(
        [labels[one] for one in np.argmax(scores, 1)], examples, labels)
    same = self.task.constants(train, examples, labels)
    metrics |= {f'same_answer/{name}': value for name, value
                in self.task.score(same, examples, labels).items()}
    if self.shots:
      metrics |= {'shots': float(counts.mean()), 'examples_with_fewer_shots':
                  int(np.sum(counts < self.shots))}
    return metrics


@dataclasses.dataclass
class Question:
  """One example with each of the words.

  Attributes:
    ids: list of `scorer.Ids`.
    shots: examples in front.
    cut: whether its text had no room.
  """

  ids: list[Ids]
  shots: int
  cut: bool


class Asker:
  """Asks a trunk with a prompt.

  Args:
    trunk: `scoring.trunk.Trunk`.
    prompt_: `tasks.prompt.Prompt`.
    choices: of its `choices`.
    shots: examples that are put in front, as many of the first as there is
      room for beside the question, none of them cut.
  """

  def __init__(self, trunk, prompt_, choices, shots):
    self._trunk, self._prompt, self.choices = trunk, prompt_, choices
    self._words = [word for _, word in choices]
    self._room = trunk.room
    self._encode = trunk.run.tokenizer.encode
    words = dict(reversed(choices))  # of each label the first
    self._front = [self._encode(prompt_.shown(one.texts, words[one.label])
                                + prompt.BETWEEN) for one in shots]
    self._ends = np.cumsum([0, *map(len, self._front)])

  def question(self, texts, shots=None):
    """A `Question`; `shots` is how many examples are in front, None for all
    that there is room for."""
    room = self._room - (self._ends[shots] if shots else 0)
    filled, cut = self._prompt.fill(
        self._trunk.run.tokenizer, texts, self._words, room)
    if shots is None:
      left = room - max(len(one.ids) for one in filled)
      shots = int(np.searchsorted(self._ends, left, 'right')) - 1
    front = np.concatenate([np.zeros(0, np.int32), *self._front[:shots]])
    return Question([Ids(
        np.concatenate([front, one.ids]), len(front) + one.begin,
        np.concatenate([np.zeros(len(front), bool), one.starts]),
        len(one.ids) - one.end) for one in filled], shots, cut)

  def scores(self, questions):
    """Log-probabilities of the labels, not normalised, float64 `[questions,
    labels]`."""
    nats = self._trunk.score_ids([ids for one in questions for ids in one.ids])
    return np.asarray(prompt.by_label(
        -nats.reshape(len(questions), -1), self.choices), np.float64)


def draw(examples, count, seed):
  """So many examples, as many of each label as of another while they last,
  in a drawn order.

  Args:
    examples: list of `base.Example`.
    count: of those to draw.
    seed: of the draw.
  """
  rng = np.random.default_rng(seed)
  groups = {}
  for number in rng.permutation(len(examples)):
    groups.setdefault(examples[number].label, []).append(examples[number])
  found = []
  while len(found) < count and any(groups.values()):
    round_ = [group.pop() for group in groups.values() if group]
    found += [round_[place] for place in rng.permutation(len(round_))]
  return found[:count]


def without_content(asker, shots):
  """Log-probabilities of the labels, normalised, float64 `[labels]`, behind so
  many examples, in the mean over `NO_CONTENT`."""
  scores = asker.scores([asker.question((text, text), shots)
                         for text in NO_CONTENT])
  return special.logsumexp(special.log_softmax(scores, 1), 0) - np.log(
      len(NO_CONTENT))
