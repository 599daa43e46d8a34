"""What every task is that a trunk is fine-tuned on.

To add one, write `tasks/NAME.py` with a class `Task` derived from one of the
kinds (`classification`, `regression`, `token_labelling` ...): it says how the
published files look, their columns and labels, and what is scored. Nothing
else is edited.
"""

import dataclasses
import hashlib
from typing import Any, Callable, ClassVar

import numpy as np

from ptm_jax import config
from ptm_jax.errors import DataError
from ptm_jax.find import name_of
from ptm_jax.tasks import rows


@dataclasses.dataclass(frozen=True)
class Layout:
  """How a task is published: which files, and what is in their rows.

  Attributes:
    train, test: file names, compressed or not; one with a '?' behind it may
      be missing. `test` is the labelled split that is scored; () takes a
      tenth of the training files.
    reader: of `tasks.rows`.
    columns: by what the kind calls them, such as `{'text': 'sentence'}`.
  """

  train: tuple[str, ...]
  test: tuple[str, ...]
  reader: Callable
  columns: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Example:
  """One example as it is published.

  Attributes:
    texts: strings that are shown together, one or two.
    label: the answer; what it is the kind says.
    where: file and line, for messages.
  """

  texts: tuple[str, ...]
  label: Any
  where: str


@dataclasses.dataclass
class Examples:
  """A task's data.

  Attributes:
    train, test: lists of `Example`.
    labels: names of the answers, in the order of their numbers; () for a task
      that has none.
    files: names of the files read, by split.
  """

  train: list[Example]
  test: list[Example]
  labels: tuple[str, ...]
  files: dict[str, list[str]]


@dataclasses.dataclass
class Row:
  """What the trunk reads at once for one example, or for a part of it.

  Attributes:
    tokens: int32 arrays `[length]`; several are alternatives to choose from.
    target: number or array that the loss compares with.
    example: which example it is of.
    cut: whether the text was longer.
    place: whatever the kind needs to map tokens back to the text.
    asked: of a prompt, for each alternative the first token that is scored and
      the one behind the last.
  """

  tokens: tuple[np.ndarray, ...]
  target: Any
  example: int
  cut: bool = False
  place: Any = None
  asked: tuple[tuple[int, int], ...] = ()


class FineTuned(config.Component):
  """Interface and shared machinery of all such tasks.

  Class attributes that a task sets:
    layouts: of the published files; the first whose files are there is read.
      () is a task that needs no file, and overrides `read`.
    labels: names of the answers in the order of their numbers; None takes
      those of the training data, sorted.
    metrics: names of what is scored, the main one first.
    written: whether the answer is a text that the trunk writes.
    embedded: whether it makes its own data; `read` is then given ''.
    prompt: as a file of `tasks.prompt` holds it; '' has none of its own.

  Class attributes of a kind:
    per_token: whether there is an output for each token, not for the whole.
    scored: `ways.Way` by which the trunk's own heads answer a prompt; None has
      a head of its own.
    probed: what probes of a frozen trunk predict, 'labels' or 'numbers' of a
      text or, per token, of a word; None has no probe.
  """

  layouts: ClassVar[tuple[Layout, ...]] = ()
  labels: ClassVar[tuple[str, ...] | None] = None
  metrics: ClassVar[tuple[str, ...]] = ('accuracy',)
  written: ClassVar[bool] = False
  embedded: ClassVar[bool] = False
  prompt: ClassVar[str] = ''
  per_token: ClassVar[bool] = False
  scored: ClassVar[Any] = None
  probed: ClassVar[str | None] = None
  fine_tuned: ClassVar[bool] = True  # and not scored as the trunk is

  # --- what a kind defines --------------------------------------------------

  def example(self, row, columns, where):
    """One `Example` of a row, its label as it is published."""
    raise NotImplementedError

  def settled(self, train, test):
    """The lists with labels as numbers, and the labels' names."""
    raise NotImplementedError

  def rows(self, tokenizer, examples, room, labels):
    """A list of `Row`.

    Args:
      tokenizer: of the trunk.
      examples: list of `Example`.
      room: tokens that a row may have; a longer text is cut.
      labels: names of the answers.
    """
    raise NotImplementedError

  def num_outputs(self, labels):
    """Width of the head."""
    raise NotImplementedError

  def loss(self, logits, targets):
    """Loss of each row, float32 `[batch]`, in jax.

    Args:
      logits: float32 `[batch, outputs]`, of alternatives `[batch,
        alternatives]`, per token `[batch, length, outputs]`.
      targets: of the rows, stacked; per token padded with -1.
    """
    raise NotImplementedError

  def predict(self, logits, rows, examples, labels):
    """The answer to each example, a JSON value, as `score` takes it.

    Args:
      logits: numpy, one array per row, as `loss` has them.
      rows: of `rows`.
      examples, labels: as `read` gave them.
    """
    raise NotImplementedError

  def score(self, predictions, examples, labels):
    """`{metric: value}`, by the libraries that define them."""
    raise NotImplementedError

  def constant(self, train, labels):
    """The answer that fits most training examples, or None."""
    del train, labels

  def constants(self, train, test, labels):
    """The same answer to all test examples, a list; None where it has none."""
    answer = self.constant(train, labels)
    return None if answer is None else [answer] * len(test)

  def spoken(self, label, labels):
    """An example's label as text; None where the kind has no such answer."""
    del label, labels

  def heard(self, text, example, labels):
    """The prediction, as `predict` gives it, that a text stands for; what
    stands for none is a wrong one."""
    raise NotImplementedError

  def name_of(self, example):
    """The task that an example is of."""
    del example
    return self.name

  def recorded(self):
    """What a fine-tuned run's `config.json` keeps of the task, a dict."""
    return {}

  def group(self, example):
    """Examples of which as many may be used as of another group."""
    del example
    return 0

  # --- shared machinery -----------------------------------------------------

  @property
  def name(self):
    """The task's name, for messages."""
    return name_of(self)[1]

  def read(self, data_dir):
    """`Examples` of the published files in a folder.

    Raises:
      DataError: files are missing or malformed; one line with file and line.
    """
    layout = self._layout(data_dir)
    found, names = {}, {}
    for split in 'train', 'test':
      paths = self._paths(data_dir, getattr(layout, split))
      names[split] = [path.name for path in paths]
      found[split] = [
          self.example(row, layout.columns, f'{path} {place}')
          for path in paths for place, row in self.published(path, layout)]
    if not layout.test:
      found = divided(found['train'], self.unit)
      names['test'] = [f'a tenth of {", ".join(names["train"])}, by hash']
    train, test, labels = self.settled(**found)
    return Examples(train, test, labels, names)

  def published(self, path, layout):
    """The rows of one file, `[(place, dict)]`."""
    return rows.read(path, layout.reader)

  def unit(self, example):
    """What of an example lies in one split as a whole, a string."""
    return '\n'.join(example.texts)

  def _layout(self, data_dir):
    def there(names):
      return all(name.endswith('?') or rows.path_of(data_dir, name)
                 for name in names)
    for whole in True, False:
      for layout in self.layouts:
        if there(layout.train) and (there(layout.test) or not whole):
          return layout
    wanted = ' or '.join(layout.train[0] for layout in self.layouts)
    raise DataError(f'--data_dir={data_dir} has no {wanted} (or .gz, .xz, .bz2,'
                    f' .zst) of the task {self.name}: name the folder of its '
                    'published files')

  def _paths(self, data_dir, names):
    paths = []
    for name in names:
      path = rows.path_of(data_dir, name.rstrip('?'))
      if path is None and not name.endswith('?'):
        raise DataError(f'--data_dir={data_dir} has no {name} (or .gz, .xz, '
                        f'.bz2, .zst), which the task {self.name} needs')
      paths += [path] if path else []
    return paths


def divided(examples, unit):
  """`{'train', 'test'}`: a tenth is for the test, by a hash of its unit."""
  found = {'train': [], 'test': []}
  for one in examples:
    digest = hashlib.blake2b(unit(one).encode(), digest_size=8).digest()
    share = int.from_bytes(digest, 'big') / 2**64
    found['test' if share < 0.1 else 'train'].append(one)
  return found


def numbered(examples, labels, sort):
  """Examples with the number of their label, by its name.

  Args:
    examples: list of `Example`.
    labels: names in the order of their numbers.
    sort: what the names are, for the message.

  Raises:
    DataError: a label is not one of them; the message names file and line.
  """
  numbers = {name: number for number, name in enumerate(labels)}
  found = []
  for one in examples:
    if one.label not in numbers:
      raise DataError(f'{one.where}: label {one.label!r} is not {sort}: '
                      f'{", ".join(labels[:20])}')
    found.append(dataclasses.replace(one, label=numbers[one.label]))
  return found


def encode(tokenizer, texts, room, separator):
  """Ids of one text, or of two with a separator between them.

  The longer of two texts is cut first, as BERT's released code does.

  Args:
    tokenizer: of the trunk.
    texts: one or two strings.
    room: ids that there may be.
    separator: id between two texts.

  Returns:
    int32 `[n]`, n at most `room`, and whether something was cut.
  """
  parts = [tokenizer.encode(text) for text in texts]
  if len(parts) == 1:
    return parts[0][:room], len(parts[0]) > room
  first, second = parts
  left = room - 1
  cut = len(first) + len(second) > left
  if cut:
    keep = min(len(second), max(left // 2, left - len(first)))
    first, second = first[:left - keep], second[:keep]
  middle = np.full(1, separator, np.int32)
  return np.concatenate([first, middle, second]), cut
