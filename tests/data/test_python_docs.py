"""The embedded corpus: parsed, never imported, near-duplicates in one split.
"""

import sys

import pytest

from ptm_jax.data.corpora import python_docs
from ptm_jax.data.corpora.python_docs import (Corpus, docstrings, docstrings_of,
                                              group)
from ptm_jax.data.documents import Document, split_of
from ptm_jax.errors import ConfigError

SOURCE = '''
"""The module's text, which is long enough to be kept here."""
raise RuntimeError('must never run')

def function():
  """A function's text that is long enough,\\twith a tab.

      Indented.


  After many blank lines.
  """

class Thing:
  """Short."""

  def method(self):
    r"""A method's text, raw: \\\\d and long enough to be kept."""

add_newdoc('numpy', 'array', """Text of a compiled function, long enough.""")
'''


def write(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text, encoding='utf8')
  return path


def test_docstrings_are_parsed_and_cleaned(tmp_path):
  found = docstrings_of(write(tmp_path / 'a.py', SOURCE))
  assert [text.split()[0] for text in found] == [
      'The', 'A', 'A', 'Text']
  assert 'lines' in found[1] and '\n\n\n' not in found[1]
  assert r'\\d' in found[2]


@pytest.mark.parametrize('text', ['def broken(:\n  """x"""', '\0"""y"""', ''])
def test_a_file_that_does_not_parse_has_none(tmp_path, text):
  assert docstrings_of(write(tmp_path / 'a.py', text)) == []


def test_files_in_a_fixed_order_without_tests(tmp_path):
  for name in ('b.py', 'a.py', 'sub/c.py', 'tests/d.py', 'test_e.py',
               'f_test.py', 'sub/testing/g.py', 'data.txt'):
    write(tmp_path / name, '')
  assert [path.relative_to(tmp_path).as_posix()
          for path in python_docs._python_files(tmp_path)] == [
              'a.py', 'b.py', 'sub/c.py']


PARAGRAPH = ('This paragraph of the documentation is well over eighty '
             'characters long, number {}, and two modules hold it.')


def test_near_duplicates_share_a_group_and_a_split():
  shared = '\n\n'.join(PARAGRAPH.format(n) for n in range(5))
  documents = [
      Document('numpy/a', shared + '\n\nNumpy.', 'numpy'),
      Document('scipy/b', PARAGRAPH.format(99) + '\n\nAlone.', 'scipy'),
      Document('jax/a', 'Jax.\n\n' + shared + '\n\n'
               + PARAGRAPH.format(7), 'jax')]
  first, alone, third = group(documents)
  assert third.group == first.text and not alone.group
  assert split_of(first) == split_of(third)


def test_boilerplate_joins_nothing():
  licence = PARAGRAPH.format('of a licence')
  documents = [Document(str(n), f'{licence}\n\n{n}') for n in range(40)]
  assert not any(document.group for document in group(documents))


def test_a_package_that_is_not_known():
  with pytest.raises(ConfigError, match='known are numpy'):
    Corpus(packages=('nonpy',)).validate()


def test_scanned_once_and_kept(tmp_path, monkeypatch, capsys):
  monkeypatch.setenv('PTM_JAX_CACHE', str(tmp_path / 'cache'))
  monkeypatch.setattr(python_docs.sysconfig, 'get_path',
                      lambda name: str(tmp_path / 'stdlib'))
  write(tmp_path / 'stdlib' / 'b.py', SOURCE)
  write(tmp_path / 'stdlib' / 'a' / 'c.py', SOURCE.replace('long', 'short'))
  before = set(sys.modules)
  documents = list(Corpus(packages=('absl-py',)).documents())
  assert [one.name for one in documents[:2]] == ['stdlib/b.py',
                                                 'stdlib/a/c.py']
  assert len(docstrings(documents[0])) == 4
  # The scan takes half a minute: it is counted.
  assert 'looking for docstrings' in capsys.readouterr().err
  assert {one.source for one in documents} == {'stdlib', 'absl'}
  assert not {'b', 'c'} & (set(sys.modules) - before)
  # The second time nothing is parsed.
  monkeypatch.setattr(python_docs, 'docstrings_of', None)
  assert list(Corpus(packages=('absl-py',)).documents()) == documents
