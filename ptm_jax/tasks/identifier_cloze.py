"""Which identifier was hidden in a docstring's paragraph? Embedded, no
download."""

import collections
import dataclasses
import re

import numpy as np

from ptm_jax.data.corpora import python_docs
from ptm_jax.data.documents import split_of
from ptm_jax.errors import DataError
from ptm_jax.objectives import ways
from ptm_jax.tasks import prompt, prompted, zero_shot

_NAME = re.compile(r'\b[A-Za-z_]\w*')
_CODE = re.compile(r'_|[a-z][A-Z]')  # in a name that is no English word
_LEAST = 8  # names and words of a paragraph that is asked about


@dataclasses.dataclass
class Task(zero_shot.ZeroShot):
  """`accuracy`: the identifier scores best among `num_choices`, whose others
  are hidden elsewhere in the task, have as many tokens and do not stand in the
  paragraph. Each is hidden once, in a document that no trunk has seen, and is
  offered for others as often as the rest are, so that nothing can be won by
  knowing which are frequent; `chance` is what guessing wins.

  Attributes:
    num_choices: the hidden one included, at least 2.
  """

  kinds = ways.KINDS
  prefers = prompted.PREFERS
  embedded = True

  num_choices: int = 4

  def settings(self):
    return {'num_choices': self.num_choices}

  def read(self, data_dir):
    del data_dir
    known = {name for name in python_docs.Corpus().entities()
             if _CODE.search(name)}
    found = {}
    for document in python_docs.Corpus().documents():
      if split_of(document) == 'train':
        continue
      for text in python_docs.docstrings(document):
        for part in text.split('\n\n'):
          for name, one in _questions(part, known, document.name):
            found.setdefault(name, one)
    if len(found) < self.num_choices:
      raise DataError(f'identifier_cloze: {len(found)} identifiers stand once '
                      'in a paragraph of the held-out docstrings, '
                      f'{self.num_choices} are needed')
    self._names = sorted(found, key=lambda name: python_docs.digest(name))
    return list(found.values())

  def measure(self, trunk, examples):
    asked, filled = 0, []
    encode = trunk.run.tokenizer.encode
    sizes = {space: np.asarray([len(encode(space + name))
                                for name in self._names])
             for space in ('', ' ')}
    for one in examples:
      choices = self._choices(one, sizes)
      if choices:
        rows, cut = _fill(encode, one.texts, choices, trunk.room)
        asked, filled = asked + 1, filled + rows
        trunk.cut += cut
    if not asked:
      raise DataError('identifier_cloze: this tokenizer cuts no '
                      f'{self.num_choices} identifiers into as many tokens')
    nats = trunk.in_place(filled).reshape(asked, -1)
    # Strictly better: what says the same of all knows nothing.
    return {'accuracy': float(np.mean(nats[:, 0] < nats[:, 1:].min(1))),
            'chance': 1 / self.num_choices, 'asked': asked}

  def _choices(self, example, sizes):
    """The hidden identifier, with the space before it, and others; None if
    there are not enough."""
    before, own, behind = example.texts
    space, shown = own[:-len(example.label)], before + behind
    start = self._names.index(example.label)
    alike = np.flatnonzero(sizes[space] == sizes[space][start])
    found = [own]
    for number in np.roll(alike, -np.searchsorted(alike, start) - 1)[:-1]:
      if len(found) == self.num_choices:
        break
      if self._names[number] not in shown:
        found.append(space + self._names[number])
    return found if len(found) == self.num_choices else None


def _questions(text, known, where):
  """Yields `(name, example)` of every name in a paragraph that stands there
  once."""
  counts = collections.Counter(_NAME.findall(text))
  if counts.total() < _LEAST:
    return
  for found in _NAME.finditer(text):
    name = found[0]
    if name in known and counts[name] == 1:
      before = text[:found.start()]
      space = ' ' * before.endswith(' ')
      yield name, zero_shot.Example(
          (before.removesuffix(' '), space + name, text[found.end():]), name,
          f'{where}: {name}')


def _fill(encode, texts, choices, room):
  """A `prompt.Filled` for each choice, and whether the text around them was
  cut, at its ends."""
  before, behind = encode(texts[0]), encode(texts[2])
  choices = [encode(one) for one in choices]
  left = room - len(choices[0])
  keep = min(len(before), max(left // 2, left - len(behind)))
  cut = len(before) + len(behind) > left
  before, behind = before[len(before) - keep:], behind[:left - keep]
  return [prompt.Filled(
      np.concatenate([before, one, behind]), len(before),
      len(before) + len(one)) for one in choices], cut
