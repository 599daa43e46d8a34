"""Prompts: a task's answers as words in a text (pattern and verbaliser, Schick
& Schütze 2021, arXiv:2001.07676, section 3.1).

A prompt is a file of a few lines:

    # What a film review says.
    pattern: {text} It was [MASK].
    label 0: terrible
    label 1: great | wonderful

`{text}` is the example's text, of a pair `{text_a}` and `{text_b}`; `[MASK]` is
where the words of a label go, and stands once. At the end of the pattern they
complete it, elsewhere they fill a blank. `\\n` is a new line; a brace is
written twice. Each label has a word, or several texts with ' | ' between them,
whose probabilities are averaged; a word may have several tokens. What an
example's text holds is data, whatever it looks like.
"""

import dataclasses
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.errors import ConfigError, DataError
from ptm_jax.tasks import classification, rows

MASK = '[MASK]'
BETWEEN = '\n\n'  # two examples in one text
_FIELDS = {'text': 0, 'text_a': 0, 'text_b': 1}
_PARTS = re.compile(r'(\{\{|\}\}|\{[^{}]*\}|[{}]|\[MASK\]|\\n)')
_LABEL = re.compile(r'label\s+(.*\S)\s*:(?:\s+(.*))?')


class Field(NamedTuple):
  """Where a text of the example goes; its name in `_FIELDS`."""

  name: str


class Filled(NamedTuple):
  """An example with a word in the place of its answer.

  Attributes:
    ids: int32 `[n]`.
    begin, end: of the word's tokens.
  """

  ids: np.ndarray
  begin: int
  end: int

  @property
  def starts(self):
    """bool `[n]`, where words start: that of the answer, which counts as one.
    """
    return np.arange(len(self.ids)) == self.begin


@dataclasses.dataclass(frozen=True)
class Prompt:
  """A pattern and the words of the labels.

  Attributes:
    before, behind: strings and `Field`s on both sides of the answer.
    words: by label, a tuple of texts.
    places: file and line of the pattern, under None, and of each label.
    text: of the file.
  """

  before: tuple[str | Field, ...]
  behind: tuple[str | Field, ...]
  words: dict[str, tuple[str, ...]]
  places: dict[str | None, str]
  text: str

  def check(self, examples, labels):
    """Raises DataError unless it suits these examples and labels.

    Args:
      examples: list of `base.Example`.
      labels: names of the answers.
    """
    known = ', '.join(map(repr, labels[:20]))
    for label in self.words:
      if label not in labels:
        raise DataError(f'{self.places[label]}: there is no label {label!r}: '
                        f'the labels are {known}')
    missing = [label for label in labels if label not in self.words]
    if missing:
      raise DataError(f'{self.places[None]}: the label {missing[0]!r} has no '
                      f'word: add a line "label {missing[0]}: WORD"')
    for part in self.before + self.behind:
      for one in examples if isinstance(part, Field) else ():
        names = ('text_a', 'text_b') if len(one.texts) > 1 else (
            'text', 'text_a')
        if part.name not in names:
          raise DataError(
              f'{self.places[None]}: {{{part.name}}} is no text of '
              f'{one.where}, which has {" and ".join(names[:len(one.texts)])}')

  def choices(self, labels):
    """`[(number of its label, word)]` of all words."""
    return [(number, word) for number, label in enumerate(labels)
            for word in self.words[label]]

  def fill(self, tokenizer, texts, words, room):
    """One example with each of some words.

    Args:
      tokenizer: of the trunk.
      texts: the example's, one or two strings.
      words: list of strings.
      room: tokens that there may be; the longer text is cut first, at its end,
        for all words alike.

    Returns:
      list of `Filled`, and whether a text was cut.

    Raises:
      DataError: there is no room for the pattern itself.
    """
    parts = [*self.before, '', *self.behind]
    place = len(self.before)
    strings = _spaced([
        texts[_FIELDS[one.name]] if isinstance(one, Field) else one
        for one in parts], place)
    ids = [tokenizer.encode(one) for one in strings]
    answers = [tokenizer.encode(strings[place] + word) for word in words]
    ids[place] = max(answers, key=len)
    fields = [number for number, one in enumerate(parts)
              if isinstance(one, Field)]
    keep = np.asarray([len(one) for one in ids])
    needed, longest = int(keep.sum()), int(keep[fields].sum())
    if needed - longest > room:
      raise DataError(f'{self.places[None]}: the pattern alone has '
                      f'{needed - longest} tokens, and there is room for '
                      f'{room}: shorten it')
    for _ in range(needed - room):
      keep[fields[int(np.argmax(keep[fields]))]] -= 1
    ids = [one[:count] for one, count in zip(ids, keep, strict=True)]
    begin = sum(map(len, ids[:place]))
    return [Filled(
        np.concatenate([*ids[:place], answer, *ids[place + 1:]]),
        begin, begin + len(answer)) for answer in answers], needed > room

  def shown(self, texts, word):
    """An example with a word, as one string."""
    return ''.join(
        texts[_FIELDS[one.name]] if isinstance(one, Field) else one
        for one in (*self.before, word, *self.behind))


def by_label(scores, choices):
  """Log-probabilities of labels: of a label's words the mean probability.

  Args:
    scores: float `[..., words]`, of each word the log-probability.
    choices: of `Prompt.choices`.

  Returns:
    float32 `[..., labels]`, in jax.
  """
  owners = np.asarray([number for number, _ in choices])
  own = owners[None] == np.arange(owners.max() + 1)[:, None]
  shares = np.where(own, -np.log(own.sum(1, keepdims=True)), -np.inf)
  shares = shares.astype(np.float32)
  scores = jnp.asarray(scores, jnp.float32)[..., None, :]
  return jax.nn.logsumexp(
      scores + shares.reshape((1,) * (scores.ndim - 2) + shares.shape), -1)


def _spaced(strings, place):
  """The same text, in which a space before a part belongs to it, as in
  training; where the answer goes there is but the space before it."""
  found, spaces = [], ''
  for number, one in enumerate(strings):
    whole = spaces + one
    kept = whole if number == place else whole.rstrip(' ')
    found.append(kept)
    spaces = whole[len(kept):]
  return found


def of_task(task, name):
  """The prompt in a file, or with 'default' the task's own.

  Raises:
    ConfigError: the task has no single label.
    DataError: it cannot be read or used; one line with file and line.
  """
  if not isinstance(task, classification.Classification) or (
      task.probed != 'labels'):
    raise ConfigError(f'--prompt={name}: answers of {task.name} are no single '
                      'labels, which words could stand for')
  if name != 'default':
    return parse(rows.lines(name), name)
  if not task.prompt:
    raise DataError(f'{task.name} has no prompt of its own: write one into a '
                    'file and give its name')
  lines = enumerate(task.prompt.strip().split('\n'), 1)
  return parse(lines, f'prompt of {task.name}')


def parse(numbered, name):
  """A prompt.

  Args:
    numbered: `(number, line)`, its lines.
    name: of the file, for messages.

  Raises:
    DataError: a line is malformed; the message names file and line.
  """
  pattern, words, places, numbered = None, {}, {}, list(numbered)
  for number, line in numbered:
    where, line = f'{name}:{number}', line.strip()
    if not line or line.startswith('#'):
      continue
    if line.startswith('pattern:'):
      if pattern is not None:
        raise DataError(f'{where}: a second pattern: a prompt has one')
      pattern = _pattern(line.removeprefix('pattern:').strip(), where)
      places[None] = where
      continue
    found = _LABEL.fullmatch(line)
    if not found:
      raise DataError(f'{where}: {line!r:.80} is neither "pattern: TEXT" nor '
                      '"label NAME: WORD", nor a comment, which starts with #')
    label = found[1]
    if label in words:
      raise DataError(f'{where}: label {label!r} was given before: put all '
                      'its words into one line, with | between them')
    words[label] = _words(found[2] or '', words, where, label)
    places[label] = where
  if pattern is None:
    raise DataError(f'{name}:1: there is no line "pattern: TEXT": write one '
                    f'with {{text}} and {MASK}')
  return Prompt(*pattern, words, places, rows.text_of(numbered))


def _words(text, before, where, label):
  found = tuple(one.strip() for one in text.split('|'))
  if not all(found):
    raise DataError(f'{where}: label {label!r} has no word: write it behind '
                    'the colon')
  for other, theirs in before.items():
    for one in set(found) & set(theirs):
      raise DataError(f'{where}: {one!r} is also a word of label {other!r}: '
                      'each label needs its own')
  return found


def _pattern(text, where):
  """The parts before and behind the answer."""
  found = [[]]
  for part in _PARTS.split(text):
    if part == MASK:
      found.append([])
    elif part in ('{', '}'):
      raise DataError(f'{where}: a {part!r} alone: write it twice, or a text '
                      'of the example as {text}')
    elif part in ('{{', '}}', '\\n'):
      found[-1].append({'{{': '{', '}}': '}', '\\n': '\n'}[part])
    elif part.startswith('{'):
      if part[1:-1] not in _FIELDS:
        raise DataError(f'{where}: there is no {part}: the texts of an example '
                        'are {text}, or {text_a} and {text_b}')
      found[-1].append(Field(part[1:-1]))
    elif part:
      found[-1].append(part)
  if len(found) != 2:
    raise DataError(f'{where}: the pattern has {"no" if len(found) < 2 else ""}'
                    f'{len(found) - 1 or ""} {MASK}: write it once, where the '
                    "label's word goes")
  if not any(isinstance(one, Field) for part in found for one in part):
    raise DataError(f'{where}: the pattern shows no text of the example: write '
                    '{text} where it goes')
  return tuple(map(_joined, found))


def _joined(parts):
  """Parts in which no two strings are neighbours."""
  found = []
  for one in parts:
    if found and isinstance(one, str) and isinstance(found[-1], str):
      found[-1] += one
    else:
      found.append(one)
  return tuple(found)
