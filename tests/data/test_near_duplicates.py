"""Near-duplicates: who is joined, and that a split holds all of a group."""

import collections
import gzip
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptm_jax.data.corpora import python_docs
from ptm_jax.data.corpora.python_docs import group
from ptm_jax.data.documents import Document, split_of

PARAGRAPH = ('Paragraph {} of some documentation, which is comfortably longer '
             'than eighty characters are.')


def document(name, *paragraphs):
  return Document(name, '\n\n'.join(map(PARAGRAPH.format, paragraphs)), 'lib')


def groups(documents, **options):
  """Which of the documents are joined, as sorted lists of their names."""
  found = collections.defaultdict(list)
  for one in group(documents, **options):
    found[one.group or one.text].append(one.name)
  return sorted(found.values())


def test_a_share_of_the_shorter_one_joins():
  one = document('one', 1, 2, 3, 4)
  documents = [one, document('two', 4, 5, 6, 7, 8, 9, 10)]
  assert groups(documents, share=0.2) == [['one', 'two']]
  assert groups(documents, share=0.3) == [['one'], ['two']]


def test_joining_is_transitive_and_keeps_texts_and_order():
  documents = [document('a', 1, 2), document('x', 90, 91),
               document('b', 2, 3), document('c', 3, 4)]
  assert groups(documents) == [['a', 'b', 'c'], ['x']]
  found = group(documents)
  assert [one._replace(group='') for one in found] == documents


def test_white_space_makes_no_difference():
  one, two = document('one', 1), document('two', 1)
  spaced = two._replace(text=two.text.replace(' ', '\n   '))
  assert groups([one, spaced]) == [['one', 'two']]


def test_short_paragraphs_do_not_count():
  # Headings and lists of parameters, which any two documents may share.
  short = '\n\n'.join(f'Parameter {n}: of a type' for n in range(30))
  documents = [Document(name, f'{short}\n\n{PARAGRAPH.format(name)}')
               for name in ('one', 'two')]
  assert groups(documents) == [['one'], ['two']]


def test_what_many_documents_hold_does_not_count():
  documents = [document(str(n), 'of the licence', n) for n in range(5)]
  assert len(groups(documents, common=5)) == 1
  assert len(groups(documents, common=4)) == 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=5),
                min_size=1, max_size=9))
def test_groups_are_those_of_a_naive_search(held):
  documents = [document(str(n), *dict.fromkeys(one))
               for n, one in enumerate(held)]
  lengths = {one: len(PARAGRAPH.format(one)) for one in range(13)}
  # Naive: colour one connected part after the other.
  colour = dict.fromkeys(range(len(held)))
  for start in colour:
    waiting = [start] if colour[start] is None else []
    while waiting:
      n = waiting.pop()
      colour[n] = start
      for other in colour:
        size = sum(lengths[one] for one in set(held[n]) & set(held[other]))
        shorter = min(len(documents[n].text), len(documents[other].text))
        if colour[other] is None and size and size >= 0.2 * shorter:
          waiting.append(other)
  expected = collections.defaultdict(list)
  for n, one in colour.items():
    expected[one].append(str(n))
  # Equal documents are in one group by their text.
  assert groups(documents) == sorted(expected.values())


@pytest.fixture
def library(tmp_path, monkeypatch):
  """60 modules of a library in families that share a paragraph."""
  monkeypatch.setenv('PTM_JAX_CACHE', str(tmp_path / 'cache'))
  folder = tmp_path / 'stdlib'
  monkeypatch.setattr(python_docs.sysconfig, 'get_path',
                      lambda name: str(folder))
  draw = random.Random(0)
  for family in range(20):
    for member in range(3):
      path = folder / f'sub{member}' / f'm{family:02d}.py'
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_text('"""' + '\n\n'.join(
          [PARAGRAPH.format(f'of family {family}'),
           PARAGRAPH.format(draw.random())]) + '"""\n')
  return folder


def test_a_family_of_modules_is_in_one_split(library):
  documents = list(python_docs.Corpus(packages=()).documents())
  assert len(documents) == 60
  splits = collections.defaultdict(list)
  for one in documents:
    splits[one.name[-6:]].append(split_of(one))
  assert all(len(found) == 3 and len(set(found)) == 1
             for found in splits.values())
  # Only a group can say so: by their own texts some families come apart.
  alone = collections.defaultdict(set)
  for one in documents:
    alone[one.name[-6:]].add(split_of(one._replace(group='')))
  assert any(len(found) > 1 for found in alone.values())


def test_two_scans_are_equal_to_the_byte(library, tmp_path, monkeypatch):
  corpus = python_docs.Corpus(packages=())
  first = list(corpus.documents())
  fingerprint = corpus.fingerprint()
  monkeypatch.setenv('PTM_JAX_CACHE', str(tmp_path / 'other'))
  assert list(corpus.documents()) == first
  assert [one.name for one in first] == sorted(one.name for one in first)
  assert corpus.fingerprint() == fingerprint
  kept = [gzip.decompress(path.read_bytes())
          for path in tmp_path.glob('*/python_docs/*.jsonl.gz')]
  assert len(kept) == 2 and kept[0] == kept[1]
  assert len(kept[0].splitlines()) == len(first)
  assert all(len(json.loads(line)) == 5 for line in kept[0].splitlines())


@pytest.mark.parametrize('damage', [
    lambda raw: b'', lambda raw: raw[:len(raw) // 2], lambda raw: b'nonsense',
    lambda raw: gzip.compress(b'{}\n'), lambda raw: gzip.compress(b'[')],
    ids=['empty', 'cut', 'no gzip', 'no document', 'no JSON'])
def test_a_damaged_scan_is_made_anew(library, tmp_path, damage):
  corpus = python_docs.Corpus(packages=())
  first = list(corpus.documents())
  path, = tmp_path.glob('cache/python_docs/*')
  path.write_bytes(damage(path.read_bytes()))
  assert list(corpus.documents()) == first
