"""Kinds of tasks: what the trunk reads, and how its outputs become answers."""

import numpy as np
import pytest

from ptm_jax.errors import DataError
from ptm_jax.find import find
from ptm_jax.tasks import base, scores, span_answer, units
from tests.tasks.runs import tokenizer, write
from tests.tasks.test_published import FIXTURES

TEXTS = ['A café in 北京, open (daily).', '  two  spaces\nand a line \u2028x ',
         'naïve façade—Ærø; 日本語テキスト한국어', '', 'word']


@pytest.mark.parametrize('text', TEXTS)
def test_units_make_up_the_text_and_tokens_know_their_characters(text):
  cut = units.cut(text)
  assert ''.join(unit for unit, _, _ in cut) == text
  for unit, first, end in cut:
    assert text[first:end] == unit.strip()
  ids, begins, ends = span_answer.context_tokens(tokenizer(), text)
  assert len(ids) == len(begins) == len(ends)
  assert tokenizer().decode(ids) == text
  for one in {(begin, end) for begin, end in zip(begins, ends)}:
    inside = (begins == one[0]) & (ends == one[1])
    assert tokenizer().decode(ids[inside]).strip() == text[one[0]:one[1]]


def words(task, found, room=62):
  return task.rows(tokenizer(), found.train, room, found.labels)


@pytest.fixture
def names(tmp_path):
  lines = ['Ærø\tB-location', 'café\tI-location', 'is\tO', '', 'the\tO',
           'Zoë\tB-person']
  write(tmp_path, 'wnut17train.conll', lines)
  write(tmp_path, 'emerging.test.annotated', lines)
  task = find('tasks', 'wnut17')()
  return task, task.read(tmp_path)


def test_tags_stand_at_the_first_token_of_their_word(names):
  task, found = names
  first, second = words(task, found)
  assert tokenizer().decode(first.tokens[0]) == 'Ærø café is'
  starts = [place for place, tag in enumerate(first.target) if tag >= 0]
  assert [tokenizer().decode(first.tokens[0][:place]) for place in starts] == [
      '', 'Ærø', 'Ærø café']
  assert [found.labels[first.target[place]] for place in starts] == [
      'B-location', 'I-location', 'O']
  # Outputs that say the target give the tags back, word for word.
  logits = [np.eye(len(found.labels))[np.maximum(row.target, 0)]
            for row in (first, second)]
  answers = task.predict(logits, [first, second], found.train, found.labels)
  assert answers == [['B-location', 'I-location', 'O'], ['O', 'B-person']]
  assert task.score(answers, found.train, found.labels)['f1'] == 1.0


def test_a_word_that_was_cut_off_has_no_tag(names):
  task, found = names
  first = words(task, found, room=3)[0]
  assert first.cut and len(first.tokens[0]) == 3
  answers = task.predict(
      [np.tile(np.eye(len(found.labels))[0], (3, 1))], [first], found.train,
      found.labels)
  assert answers[0][1:] == ['O', 'O'] and answers[0][0] == found.labels[0]


def test_a_tag_of_the_test_alone_is_named(tmp_path):
  write(tmp_path, 'wnut17train.conll', ['a\tO'])
  write(tmp_path, 'emerging.test.annotated', ['x\tO', 'b\tB-new'])
  with pytest.raises(DataError, match="annotated line 1: tag 'B-new' of 'b'"):
    find('tasks', 'wnut17')().read(tmp_path)


def outputs_at(row, first, last):
  logits = np.zeros((len(row.tokens[0]), 2))
  logits[first, 0] = logits[last, 1] = 9.0
  return logits


def test_answers_come_back_as_exact_characters():
  task = find('tasks', 'squad')()
  found = task.read(FIXTURES / 'squad')
  assert found.labels == ('no answer',)
  rows = task.rows(tokenizer(), found.train, 510, found.labels)
  assert len(rows) == len(found.train) == 10
  answers = task.predict([outputs_at(row, *row.target) for row in rows], rows,
                         found.train, found.labels)
  right = [one.label[0][0] if one.label else '' for one in found.train]
  assert answers == right and 'José Núñez' in right and right.count('') == 2
  assert task.score(answers, found.train, found.labels) == {
      'f1': 1.0, 'exact_match': 1.0}


def test_a_long_context_is_read_in_rows_that_overlap():
  task = find('tasks', 'squad')()
  found = task.read(FIXTURES / 'squad')
  rows = task.rows(tokenizer(), found.train[4:5], 60, found.labels)
  assert len(rows) > 2 and all(len(row.tokens[0]) <= 60 for row in rows)
  seen = {(begin, end) for row in rows
          for begin, end in zip(row.place[1], row.place[2])}
  _, begins, ends = span_answer.context_tokens(
      tokenizer(), found.train[4].texts[1])
  assert seen == set(zip(begins, ends))
  holding = [row for row in rows if row.target[0]]
  assert 0 < len(holding) < len(rows)
  # Rows without the answer say so; the row that is surest of a span wins.
  answers = task.predict([outputs_at(row, *row.target) for row in rows], rows,
                         found.train[4:5], ())
  assert answers == ['José Núñez']


def test_a_wrong_place_is_mended_and_an_answer_in_no_place_is_left_out():
  assert span_answer._placed('b', 0, 'abab') == ('b', 1)
  assert span_answer._placed('b', 9, 'abab') == ('b', 3)
  assert span_answer._placed('z', 0, 'abab') == ('z', None)
  task = find('tasks', 'squad')()
  def one(place):
    return base.Example(('q', 'abab'), (('b', place),), 'x')
  train, _, labels = task.settled([one(1), one(None)], [])
  assert train == [one(1)] and labels == ()
  with pytest.raises(DataError, match='not in its context'):
    task.settled([one(None)], [])


def test_squads_definition_of_right():
  found = scores.of_answers(('exact_match', 'f1'), [
      ['The  Cat!'], ['red house', 'blue'], [''], ['北京市']],
      ['cat', 'a red car', 'x', '北京'])
  # F1: 1, 2 * .5 * .5 / (.5 + .5), 0 for an answer to none, 2 * 2 / (3 + 2).
  assert found == {'exact_match': 0.25,
                   'f1': pytest.approx((1 + 0.5 + 0 + 0.8) / 4)}


def test_choices_and_what_is_chosen(tmp_path):
  import json
  data = [[['one', 'two'], [{'question': 'who?', 'choice': ['a', 'b', 'c'],
                             'answer': 'b'}], 'x'],
          [['three'], [{'question': 'what?', 'choice': ['d', 'e'],
                        'answer': 'd'}]]]
  for name in 'train.json', 'dev.json':
    (tmp_path / name).write_text(json.dumps(data))
  task = find('tasks', 'c3')()
  found = task.read(tmp_path)
  first, second = task.rows(tokenizer(), found.train, 20, ())
  texts = [[tokenizer().decode(part) for part in np.split(
      ids, np.flatnonzero(ids == 6))] for ids in first.tokens]
  assert texts == [['one\ntwo', f'who? {choice}'] for choice in 'abc']
  assert (first.target, len(second.tokens)) == (1, 2)
  # The third number of two choices is padding, whatever it is.
  answers = task.predict([np.asarray([0., 2, 1]), np.asarray([0., 1, 5])],
                         None, found.train, ())
  assert answers == ['b', 'e']
  assert task.score(answers, found.train, ()) == {'accuracy': 0.5}
  data[0][1][0]['answer'] = 'z'
  (tmp_path / 'train.json').write_text(json.dumps(data))
  with pytest.raises(DataError, match="question 1: the answer 'z' is not amo"):
    task.read(tmp_path)


def test_answers_are_ranked_within_their_question():
  task = find('tasks', 'trecqa')()
  examples = [base.Example((question, 'x'), label, '') for question, label in (
      ('p', 0), ('p', 1), ('p', 1), ('q', 1), ('q', 0), ('r', 0))]
  # p: right answers at ranks 1 and 3; q: at rank 2; r has none.
  found = task.score([0.5, 0.9, 0.1, 0.2, 0.3, 1.0], examples, ('0', '1'))
  assert found == {'map': pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2),
                   'mrr': pytest.approx((1 + 1 / 2) / 2)}


def test_metrics_are_those_of_published_examples():
  # scikit-learn's and seqeval's documentation.
  assert scores.of_labels(('matthews',), [1, 1, 1, 0], [1, 0, 1, 1],
                          ('0', '1'))['matthews'] == pytest.approx(-1 / 3)
  truth = [['O', 'O', 'O', 'B-MISC', 'I-MISC', 'I-MISC', 'O'],
           ['B-PER', 'I-PER', 'O']]
  found = [['O', 'O', 'B-MISC', 'I-MISC', 'I-MISC', 'I-MISC', 'O'],
           ['B-PER', 'I-PER', 'O']]
  assert scores.of_entities(('f1',), truth, found) == {'f1': 0.5}
  # scipy's documentation of spearmanr.
  assert scores.of_numbers(('spearman',), np.asarray([1, 2, 3, 4, 5]),
                           np.asarray([5, 6, 7, 8, 7]))[
      'spearman'] == pytest.approx(0.8207826816681233)
