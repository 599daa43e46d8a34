"""Translations out of two files whose lines belong together."""

import math
import pathlib

import pytest

from ptm_jax.__main__ import main
from ptm_jax.errors import DataError
from ptm_jax.find import find
from tests.tasks.runs import write

pytest.importorskip('sacrebleu')


@pytest.fixture
def pairs(tmp_path):
  for split in 'train', 'test':
    write(tmp_path, f'{split}.en', ['A red house.', 'The boat is blue.'])
    write(tmp_path, f'{split}.de', ['Ein rotes Haus.', 'Das Boot ist blau.'])
  return tmp_path


def test_lines_of_both_files_are_pairs(pairs, capsys):
  task = find('tasks', 'translation_en_de')()
  found = task.read(pairs)
  assert [(*one.texts, one.label) for one in found.test] == [
      ('A red house.', 'Ein rotes Haus.'),
      ('The boat is blue.', 'Das Boot ist blau.')]
  assert found.train[1].where.endswith('train.en line 2')
  score = task.score(['Ein rotes Haus.', 'Das Boot ist blau.'], found.test, ())
  assert score == pytest.approx({'bleu': 100, 'chrf': 100})
  # All that is written is right, and 7 tokens stand for 9 of the whole file.
  score = task.score(['Ein rotes Haus.', 'Das Boot ist'], found.test, ())
  assert score['bleu'] == pytest.approx(100 * math.exp(1 - 9 / 7))
  out = pairs / 'text'
  assert main(['finetune', '--task=translation_en_de', f'--data_dir={pairs}',
               f'--write_text={out}']) == 0
  assert (out / 'test.source.txt').read_text().splitlines()[0] == (
      'translation_en_de text: A red house. answer:')
  assert (out / 'test.target.txt').read_text().splitlines()[1] == (
      'Das Boot ist blau.')


def test_tables_and_files_of_any_languages(tmp_path):
  task = find('tasks', 'translation')()
  write(tmp_path, 'train.tsv', ['source\ttarget', 'a\tb'])
  write(tmp_path, 'test.tsv', ['source\ttarget', 'c\td'])
  assert [one.label for one in task.read(tmp_path).test] == ['d']
  for name, lines in (('train.source', ['e']), ('train.target', ['f']),
                      ('val.source', ['g']), ('val.target', ['h'])):
    write(tmp_path, name, lines)
  found = task.read(tmp_path)
  assert [(one.texts, one.label) for one in (*found.train, *found.test)] == [
      (('e',), 'f'), (('g',), 'h')]


@pytest.mark.parametrize('change,said', [
    (lambda folder: (folder / 'train.de').unlink(),
     r'train\.en has no train\.de .* beside it'),
    (lambda folder: write(folder, 'test.de', ['Nur eine.']),
     r'test\.en has 2 lines and .*test\.de has 1:'),
    (lambda folder: write(folder, 'train.de', ['Eine.', '']),
     r"train\.en line 2: 'target' is '', not a text")])
def test_files_that_do_not_fit_are_named(change, said, pairs):
  change(pairs)
  with pytest.raises(DataError, match=said):
    find('tasks', 'translation_en_de')().read(pairs)


def test_multi30k_as_published(shared_data):
  found = find('tasks', 'translation_en_de')().read(
      pathlib.Path(shared_data) / 'parallel_multi30k/task1')
  assert (len(found.train), len(found.test)) == (29_000, 1_000)
  assert found.test[0].texts == (
      'A man in an orange hat starring at something.',)
  assert found.test[0].label == (
      'Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt.')
