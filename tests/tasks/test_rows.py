"""Files in published layouts, and what is said of bad ones."""

import bz2

import pytest

from ptm_jax.errors import DataError
from ptm_jax.tasks import rows
from tests.tasks.runs import write


def read(tmp_path, text, reader, name='file.tsv'):
  (tmp_path / name).write_bytes(text.encode() if isinstance(text, str)
                                else text)
  return rows.read(rows.path_of(tmp_path, 'file.tsv'), reader)


def test_a_table_with_a_header_and_one_without(tmp_path):
  found = read(tmp_path, '\ufefflabel\ttext\n1\ta "b\r\n\n0\tc\n',
               rows.table())
  assert found == [('line 2', {'label': '1', 'text': 'a "b'}),
                   ('line 4', {'label': '0', 'text': 'c'})]
  found = read(tmp_path, '1\tlabel\n', rows.table('label', 'text'))
  assert found == [('line 1', {'label': '1', 'text': 'label'})]


def test_a_row_that_goes_on_in_the_next_line(tmp_path):
  text = 'a\tb\tc\n1\tx\ty\n2\t"p\nq\n"\tr\n3\tz\tw\n'
  reader = rows.table(torn=True)
  assert read(tmp_path, text, reader) == [
      ('line 2', {'a': '1', 'b': 'x', 'c': 'y'}),
      ('line 3', {'a': '2', 'b': '"p q "', 'c': 'r'}),
      ('line 6', {'a': '3', 'b': 'z', 'c': 'w'})]
  for end, columns in ('2\tp\n3\tz\tw', 4), ('2\tp\n', 2):
    with pytest.raises(DataError, match=f'line 3 has {columns} columns, 3'):
      read(tmp_path, f'a\tb\tc\n1\tx\ty\n{end}', reader)


def test_a_header_that_may_be_missing(tmp_path):
  reader = rows.headed('index', 'label')
  with_header = read(tmp_path, 'index\tlabel\n3\tx\n', reader)
  assert with_header == [('line 2', {'index': '3', 'label': 'x'})]
  assert read(tmp_path, '3\tx\n', reader) == [
      ('line 1', {'index': '3', 'label': 'x'})]


def test_quoted_cells_hold_separators_and_newlines(tmp_path):
  found = read(tmp_path, '"a, ""b""\nc",1\n',
               rows.table('text', 'label', separator=',', quoted=True))
  assert found == [('line 2', {'text': 'a, "b"\nc', 'label': '1'})]


def test_lines_end_at_newlines_only_and_may_be_latin_1(tmp_path):
  found = read(tmp_path, '1 a\u2028b\n'.encode() + b'0 caf\xe9\n',
               rows.labelled)
  assert [row['text'] for _, row in found] == ['a\u2028b', 'café']


def test_a_compressed_file_is_found_by_its_plain_name(tmp_path):
  found = read(tmp_path, bz2.compress(b'{"a": 1, "b": {"c": 2}}\n'),
               rows.json_lines, 'file.tsv.bz2')
  assert found == [('line 1', {'a': 1, 'b': {'c': 2}, 'b.c': 2})]


def test_words_and_tags(tmp_path):
  found = read(tmp_path, 'en:a\tO\nen:::\tB-X\n\n\t\n\nen:c\tO\n',
               rows.conll('\t', ':'))
  assert found == [('line 1', {'words': ['a', '::'], 'tags': ['O', 'B-X']}),
                   ('line 6', {'words': ['c'], 'tags': ['O']})]


@pytest.mark.parametrize('text,reader,said', [
    ('', rows.labelled, 'holds no example'),
    ('a\tb\n1\n', rows.table(), 'line 2 has 1 columns, 2 are expected: a, b'),
    ('word\n', rows.labelled, 'line 1 is not a label'),
    ('{"a": 1}\n{\n', rows.json_lines, 'line 2 is not JSON'),
    ('[1]\n', rows.json_lines, 'line 1 is not a JSON object'),
    ('a\tO\nb\n', rows.conll('\t'), 'line 2 is not a word and a tag'),
    ('{"data": [{"paragraphs": [{"context": "a", "qas": [{"id": 7, "question": '
     '"b", "answers": [{"text": "a", "answer_start": "0"}]}]}]}]}', rows.squad,
     "question 7: not in the form of SQuAD: .*'0' is no int"),
    ('[[["a"], [{"question": "b", "choice": [3], "answer": 3}]]]',
     rows.dialogues, 'text 1 question 1: not in the form of C3: .*3 is no str'),
])
def test_a_bad_file_is_named_with_its_line(tmp_path, text, reader, said):
  with pytest.raises(DataError, match='file.tsv.*' + said):
    read(tmp_path, text, reader)


def test_a_damaged_archive_is_named(tmp_path):
  write(tmp_path, 'file.tsv', [])
  with pytest.raises(DataError, match='cannot read .*file.tsv.gz'):
    (tmp_path / 'file.tsv').rename(tmp_path / 'file.tsv.gz')
    (tmp_path / 'file.tsv.gz').write_bytes(b'no gzip')
    rows.read(rows.path_of(tmp_path, 'file.tsv'), rows.labelled)
