"""Identifiers are hidden once, and offered as often as they are right."""

import collections
import types

import numpy as np
import pytest

from ptm_jax.data.corpora import python_docs
from ptm_jax.data.documents import Document, split_of
from ptm_jax.errors import DataError
from ptm_jax.find import find

NAMES = [f'{kind}_{"x" * (number % 2)}{number:03}' for number in range(200)
         for kind in ('get', 'put')]


@pytest.fixture(autouse=True)
def documents(monkeypatch):
  """Each has a paragraph with two names, one that has a name twice, and one
  that is too short."""
  def made(self):
    for number in range(200):
      one, other = NAMES[2 * number:2 * number + 2]
      yield Document(f'd{number}', (
          f'Too short: twice_{number}.\n\nWhat `{one}` does, and what it is '
          f'not, is done\nby {other} where read wants it.\n\nOf twice_{number} '
          f'and twice_{number} nobody asks, nor of no_name or read alone.'))
  monkeypatch.setattr(python_docs.Corpus, 'documents', made)
  monkeypatch.setattr(python_docs.Corpus, 'entities', lambda self: [
      *NAMES, *(f'twice_{number}' for number in range(200)), 'read'])


class Told:
  """A trunk that scores each filled text by a function of it and its answer;
  a token is a character."""

  cut = 0
  run = types.SimpleNamespace(tokenizer=types.SimpleNamespace(
      encode=lambda text: np.asarray([ord(one) for one in text], np.int32)))

  def __init__(self, nats, room=1000):
    self.nats, self.room, self.asked = nats, room, []

  def in_place(self, filled):
    for one in filled:
      text = ''.join(map(chr, one.ids))
      self.asked.append((text, text[one.begin:one.end]))
    return np.asarray([self.nats(*one) for one in self.asked])


def test_each_is_hidden_once_in_a_document_that_is_held_out():
  task = find('tasks', 'identifier_cloze')()
  held_out = {document.name: document.text
              for document in python_docs.Corpus().documents()
              if split_of(document) != 'train'}
  found = task.read('')
  assert len(found) == 2 * len(held_out) > 20
  assert len({one.label for one in found}) == len(found)
  for one in found:
    name, _, label = one.where.partition(': ')
    assert label == one.label == one.texts[1].strip()
    assert ''.join(one.texts) == held_out[name].split('\n\n')[1]


def test_choices_are_alike_balanced_and_not_in_the_text():
  task = find('tasks', 'identifier_cloze')(num_choices=3)
  examples = task.read('')
  right = {''.join(one.texts) for one in examples}
  trunk = Told(lambda text, answer: float(text not in right))
  assert task.measure(trunk, examples) == {
      'accuracy': 1.0, 'chance': 1 / 3, 'asked': len(examples)}
  assert trunk.cut == 0 and len(trunk.asked) == 3 * len(examples)
  answers = [answer.strip() for _, answer in trunk.asked]
  counts = collections.Counter(answers).values()
  assert len(counts) == len(examples) and max(counts) - min(counts) <= 2
  for place in range(0, len(answers), 3):
    assert len({len(answer) for _, answer in trunk.asked[place:place + 3]}) == 1
    assert len(set(answers[place:place + 3])) == 3
    text, own = trunk.asked[place]
    shown = text.replace(own, '')
    assert not any(answer in shown for answer in answers[place:place + 3])
  assert task.measure(Told(lambda *_: 1.0), examples)['accuracy'] == 0
  # Some are asked about, and offered are those of all.
  few = Told(lambda text, answer: float(text not in right))
  assert task.measure(few, examples[:5])['asked'] == 5
  assert {answer.strip() for _, answer in few.asked} - {
      one.label for one in examples[:5]}


def test_what_is_far_from_the_blank_has_no_room():
  task = find('tasks', 'identifier_cloze')()
  examples = task.read('')
  trunk = Told(lambda *_: 1.0, room=40)
  task.measure(trunk, examples)
  assert trunk.cut == len(examples)
  for (text, answer), one in zip(trunk.asked[::4], examples, strict=True):
    assert len(text) == 40 and answer == one.texts[1]
    assert text in ''.join(one.texts)


def test_too_few_are_refused(monkeypatch):
  monkeypatch.setattr(python_docs.Corpus, 'entities', lambda self: ['read'])
  with pytest.raises(DataError, match='0 identifiers stand once'):
    find('tasks', 'identifier_cloze')().read('')
