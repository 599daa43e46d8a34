"""A corpus prepared once, under a hash; what is dropped is counted."""

import numpy as np
import pytest

from ptm_jax import config
from ptm_jax.data import prepare as module
from ptm_jax.data.documents import Document, split_of
from ptm_jax.data.prepare import prepare
from ptm_jax.errors import DataError
from tests.data.samples import Corpus, sentences

SETTINGS = config.Tokenizer('bpe', 420)
TEXTS = tuple(dict.fromkeys(one.strip() for one in sentences(500)))


@pytest.fixture(autouse=True)
def strings(monkeypatch):
  """The corpus of these tests counts as a component."""
  monkeypatch.setattr(module, 'name_of', lambda corpus: ('corpora', 'strings'))


def quiet(line):
  del line


def test_splits_hold_the_documents_in_order(tmp_path):
  prepared = prepare(Corpus(TEXTS), SETTINGS, tmp_path, quiet)
  for split, store in prepared.stores.items():
    expected = [text for text in TEXTS
                if split_of(Document('', text)) == split]
    starts = store.document_starts
    found = [prepared.tokenizer.decode(store.ids[a:b])
             for a, b in zip(starts, starts[1:])]
    assert found == expected
    assert prepared.report[f'{split}_documents'] == len(expected)
    assert prepared.report[f'{split}_tokens'] == store.num_tokens


def test_prepared_once(tmp_path):
  corpus, said = Corpus(TEXTS), []
  first = prepare(corpus, SETTINGS, tmp_path, said.append)
  assert said and corpus.reads == 3
  again, said = prepare(corpus, SETTINGS, tmp_path, said.append), []
  assert corpus.reads == 3 and not said
  assert first.key == again.key
  assert first.corpus_hash == again.corpus_hash
  assert np.array_equal(first.stores['train'].ids, again.stores['train'].ids)
  # A run that resumes keeps its stores, whatever became of the corpus.
  kept = prepare(Corpus(TEXTS[:9]), SETTINGS, tmp_path, quiet, key=first.key)
  assert kept.corpus_hash == first.corpus_hash


def test_another_corpus_or_tokenizer_is_another_store(tmp_path):
  keys = {prepare(Corpus(texts), settings, tmp_path, quiet).key
          for texts, settings in ((TEXTS, SETTINGS), (TEXTS[1:], SETTINGS),
                                  (TEXTS, config.Tokenizer('bpe', 421)))}
  assert len(keys) == 3


def test_duplicates_and_empty_documents_are_counted(tmp_path):
  said = []
  prepared = prepare(Corpus((*TEXTS, *TEXTS[:7], '', ' \n')), SETTINGS,
                     tmp_path, said.append)
  assert prepared.report['duplicate_documents'] == 7
  assert prepared.report['empty_documents'] == 2
  assert any('7 duplicate documents' in line for line in said)
  plain = prepare(Corpus(TEXTS), SETTINGS, tmp_path, quiet)
  assert plain.corpus_hash == prepared.corpus_hash


@pytest.mark.parametrize('texts,message', [
    ((), 'the corpus is empty'), (('', ' '), 'the corpus is empty'),
    (('one small text',), 'split is empty: 1 documents'),
    (tuple('a' * n for n in range(1, 60)), 'supports')])
def test_too_little_text(tmp_path, texts, message):
  with pytest.raises(DataError, match=message):
    prepare(Corpus(texts), SETTINGS, tmp_path, quiet)
  assert not list((tmp_path / 'stores').glob('*.making'))


def test_an_empty_split_is_named(tmp_path):
  texts = tuple(text for text in TEXTS
                if split_of(Document('', text)) != 'test')
  said = []
  with pytest.raises(DataError, match='the test split is empty'):
    prepare(Corpus(texts), SETTINGS, tmp_path, said.append)
  # Before the tokenizer takes its time.
  assert not any('tokenizer' in line for line in said)


def test_what_a_kill_left_is_built_anew(tmp_path):
  corpus = Corpus(TEXTS)
  left = tmp_path / 'stores' / f'{module.key_of(corpus, SETTINGS)}.making'
  (left / 'train').mkdir(parents=True)
  (left / 'train' / 'ids.bin').write_bytes(b'half')
  prepared = prepare(corpus, SETTINGS, tmp_path, quiet)
  assert prepared.stores['train'].num_tokens > 1000 and not left.exists()


def test_a_cache_that_cannot_be_written(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(DataError, match='cannot write the cache.*PTM_JAX_CACHE'):
    prepare(Corpus(TEXTS), SETTINGS, tmp_path / 'file', quiet)


def test_text_that_spells_control_tokens_stays_text(tmp_path):
  texts = tuple(f'{text} <mask> </s> <pad> <s>' for text in TEXTS)
  prepared = prepare(Corpus(texts), SETTINGS, tmp_path, quiet)
  vocabulary = prepared.tokenizer.vocabulary
  for store in prepared.stores.values():
    assert store.ids.min() >= vocabulary.text_start
    assert store.ids.max() < vocabulary.text_end
