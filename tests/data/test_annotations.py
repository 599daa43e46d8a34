"""Names and phrases in the text become byte planes of the stores."""

import collections
import math

import numpy as np
import pytest

from ptm_jax import config
from ptm_jax.data import planes, prepare as module
from ptm_jax.data.annotations import (cooccurrence, entities, phrases, spans,
                                      word_frequency)
from ptm_jax.data.corpora import text
from ptm_jax.data.flags import WORD_START
from ptm_jax.data.prepare import prepare
from ptm_jax.data.windows import Windows
from ptm_jax.errors import ConfigError
from tests.data.samples import Corpus, sentences

TEXTS = tuple(dict.fromkeys(
    f'{one.strip()} New York’s default\nvalue, said Ada Lovelace. {number}'
    for number, one in enumerate(sentences(300))))
NAMES = 'id1\tAda Lovelace\nid2\tNew York\nYork\ndefault value\n\nSt. Paul\n'


@pytest.fixture
def gazetteer(tmp_path):
  path = tmp_path / 'names.txt'
  path.write_text(NAMES)
  return entities.Annotator(path=str(path))


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
  return tmp_path_factory.mktemp('cache')


@pytest.fixture
def prepared(cache, monkeypatch):
  monkeypatch.setattr(module, 'name_of', lambda corpus: ('corpora', 'strings'))
  return prepare(Corpus(TEXTS), config.Tokenizer('bpe', 500), cache,
                 lambda line: None)


def found(finder, text):
  return [text[start:end] for start, end in finder(text)]


def test_the_longest_name_from_the_left_and_whole_words_only():
  finder = spans.Finder(['New York', 'York', 'New York City', 'St. Paul',
                         'a.b'])
  assert found(finder, 'In New  York and "York", Yorkshire, new York.') == [
      'New  York', 'York', 'York']
  assert found(finder, '(New York City) St. Paul St Paul a.b.c ab') == [
      'New York City', 'St. Paul', 'a.b']


def test_marks_lie_on_the_tokens_of_the_names(prepared, gazetteer, cache):
  planes.add(prepared, Corpus(), {'units': gazetteer}, cache, lambda line: 0)
  store, tokenizer = prepared.stores['train'], prepared.tokenizer
  plane = store.planes['units']
  for document in range(20):
    first, end = store.document_starts[document:document + 2]
    names = []
    for one, mark in zip(store.ids[first:end], plane[first:end]):
      if mark == spans.BEGINS:
        names.append([])
      if mark:
        names[-1].append(one)
    # A token may hold the name's last letters and what follows them.
    assert [' '.join(tokenizer.decode(name).split()).strip(',.')
            for name in names] == ['New York', 'default value',
                                   'Ada Lovelace']


def test_a_plane_is_made_once_and_reaches_the_windows(prepared, gazetteer,
                                                      cache):
  said = []
  fields = {'units': gazetteer}
  planes.add(prepared, Corpus(), fields, cache, said.append)
  planes.add(prepared, Corpus(), fields, cache, said.append)
  assert len(said) <= 1
  store = prepared.stores['train']
  batch = Windows(store, 16, 'packed').gather([3])
  assert np.array_equal(batch['units'][0], store.planes['units'][48:64])
  assert batch['units'].dtype == np.uint8
  path = next(cache.glob('stores/*/train-*.plane'))
  path.write_bytes(path.read_bytes()[:-1])  # damaged: made anew
  planes.add(prepared, Corpus(), fields, cache, said.append)
  assert path.stat().st_size == store.num_tokens


def test_many_planes_of_one_kind_are_told_of_once(prepared, tmp_path):
  said = []
  fields = {f'cooccurrence_{distance}': cooccurrence.Annotator(3, distance)
            for distance in (1, 2, 3)}
  (tmp_path / 'stores' / prepared.key).mkdir(parents=True)
  planes.add(prepared, Corpus(), fields, tmp_path, said.append)
  assert said == ['marking cooccurrence in the text (once; it is kept)']


@pytest.mark.parametrize('kind', [entities, phrases])
def test_names_that_are_nowhere_are_refused(kind):
  with pytest.raises(ConfigError, match='objective.gazetteer=nowhere does not'):
    kind.Annotator(path='nowhere').check(Corpus())


def test_characters_of_several_bytes_are_counted_once():
  assert spans._characters('a’b').tolist() == [0, 1, 1, 1, 2, 3]


def test_phrases_are_pairs_above_chance(prepared, cache):
  annotator = phrases.Annotator(min_count=5, threshold=10.0)
  pairs = annotator._learn(prepared)
  assert {'New York', 'said Ada', 'Ada Lovelace'} <= set(pairs)
  assert not any(pair.startswith('the ') for pair in pairs)
  planes.add(prepared, Corpus(), {'units': annotator}, cache, lambda line: 0)
  assert prepared.stores['test'].planes['units'].max() == spans.GOES_ON


def test_entities_without_names_are_refused():
  with pytest.raises(ConfigError, match='text brings no names.*gazetteer'):
    entities.Annotator().check(text.Corpus(path='x'))


def test_words_are_marked_with_their_frequency_in_the_train_split(prepared):
  plane = word_frequency.Annotator().annotate(prepared, Corpus(TEXTS))
  counts, words = collections.Counter(), {}
  for split, store in prepared.stores.items():
    flags = np.asarray(store.flags[:store.num_tokens])
    starts = np.flatnonzero(flags & WORD_START)
    words[split] = [tuple(store.ids[a:b].tolist()) for a, b in zip(
        starts, np.append(starts[1:], store.num_tokens))]
  counts.update(words['train'])
  total = counts.total()
  assert max(counts.values()) > 20 and min(counts.values()) == 1
  for split, found in plane.items():
    expected = [min(255, round(-8 * math.log2(
        max(counts[word], 1) / total))) for word in words[split]
                for _ in word]
    assert found.dtype == np.uint8 and found.tolist() == expected
