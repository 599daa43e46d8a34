"""Tasks made of docstrings: balanced, no document in two splits."""

import pytest

from ptm_jax.data.corpora import python_docs
from ptm_jax.data.documents import Document
from ptm_jax.errors import DataError
from ptm_jax.find import find

MODULE = '"""%s"""\n\nclass A:\n  """%s"""\n  def f(self):\n    """%s"""\n'


@pytest.fixture
def documents(monkeypatch):
  """Documents of three docstrings; every third has its paragraphs apart."""
  def made(self):
    for number in range(200):
      yield Document(f'd{number}', python_docs._BETWEEN.join(
          f'{number} {kind} one\n\ntwo {number}\n\nthree {kind}'
          for kind in ('module', 'class', 'function')), 'jax')
  monkeypatch.setattr(python_docs.Corpus, 'documents', made)
  monkeypatch.setattr(python_docs.Corpus, 'kinds', lambda self: {
      python_docs.digest(text): text.split()[1]
      for document in made(self) for text in python_docs.docstrings(document)})


def numbers(examples):
  return {word for one in examples for word in one.texts[0].split()
          if word.isdigit()}


@pytest.mark.parametrize('name,classes', [
    ('docstring_kind', 3), ('paragraph_order', 2)])
def test_classes_are_balanced_and_documents_stay_whole(
    name, classes, documents):
  task = find('tasks', name)(num_train=30, num_test=5)
  found = task.read('')
  assert len(found.train) == 30 * classes and len(found.test) == 5 * classes
  assert len(found.labels) == classes
  assert not numbers(found.train) & numbers(found.test)
  assert task.read('').train == found.train
  for one in found.train:
    label = found.labels[one.label]
    if name == 'docstring_kind':
      assert one.texts[0].split()[1] == label
    else:
      parts = one.texts[0].split('\n\n')
      original = [part.split()[-1] for part in parts]
      in_order = parts[0].endswith('one') and parts[1].startswith('two')
      assert sorted(map(len, parts)) and len(original) == 3
      assert in_order == (label == 'original')


def test_too_few_and_a_folder_are_refused(documents):
  with pytest.raises(DataError, match='docstring_kind: class has .* 900 are'):
    find('tasks', 'docstring_kind')(num_train=900).read('')
  with pytest.raises(DataError, match='makes its own data'):
    find('tasks', 'paragraph_order')().read('somewhere')


def test_what_a_docstring_describes(tmp_path, monkeypatch):
  (tmp_path / 'a.py').write_text(MODULE % ('of a', 'of A', 'same'))
  (tmp_path / 'b.py').write_text(MODULE % ('same', 'of B', 'of g'))
  monkeypatch.setenv('PTM_JAX_CACHE', str(tmp_path / 'cache'))
  monkeypatch.setattr(python_docs.Corpus, '_modules', lambda self: [
      ('x', tmp_path, tmp_path / name) for name in ('a.py', 'b.py')])
  expected = {python_docs.digest(text): kind for text, kind in (
      ('of a', 'module'), ('of A', 'class'), ('of B', 'class'),
      ('of g', 'function'))}
  assert python_docs.Corpus().kinds() == expected
  monkeypatch.setattr(python_docs.Corpus, '_modules', lambda self: [])
  assert python_docs.Corpus().kinds() == expected  # it is kept
