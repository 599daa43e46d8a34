"""A source as a corpus: its symbols come back, and the same seed the same."""

import dataclasses

import numpy as np
import pytest

from ptm_jax import config, serialize
from ptm_jax.data.corpora import source
from ptm_jax.data.prepare import prepare
from ptm_jax.data.store import Store, Writer
from ptm_jax.data.symbols import Symbols, spell
from ptm_jax.data.tokenizer import Tokenizer
from ptm_jax.data.windows import Windows
from ptm_jax.errors import ConfigError, DataError
from ptm_jax.sources import topics, words, zipf

CORPUS = source.Corpus(zipf.Source(symbols=10), num_documents=300,
                       document_length=8)


def test_prepared_ids_are_the_symbols_drawn(tmp_path):
  prepared = prepare(CORPUS, config.Tokenizer(), tmp_path, print)
  again = prepare(CORPUS, config.Tokenizer(), tmp_path, print)
  assert again.corpus_hash == prepared.corpus_hash
  vocabulary = prepared.tokenizer.vocabulary
  assert vocabulary.text_end - vocabulary.text_start == 10
  store = prepared.stores['train']
  drawn = {tuple(row) for row in CORPUS.law().sample(
      np.random.default_rng(0), 300, 8).tolist()}
  rows = np.asarray(store.ids).reshape(-1, 8) - vocabulary.text_start
  assert {tuple(row) for row in rows.tolist()} <= drawn
  assert len(rows) > 200
  flags = np.asarray(store.flags).reshape(-1, 8)
  assert np.all(flags[:, 0] == 7) and np.all(flags[:, 1:] == 1)
  assert dataclasses.replace(
      CORPUS, seed=1).fingerprint() != CORPUS.fingerprint()
  assert serialize.from_json(serialize.to_json(CORPUS)) == CORPUS


def test_words_of_a_source_are_marked(tmp_path):
  corpus = source.Corpus(words.Source(), num_documents=200,
                         document_length=20)
  prepared = prepare(corpus, config.Tokenizer(), tmp_path, print)
  store = prepared.stores['train']
  symbols_ = np.asarray(store.ids).reshape(-1, 20) - 7
  flags = np.asarray(store.flags).reshape(-1, 20)
  assert np.array_equal(flags[:, 1:] & 1, symbols_[:, 1:] < 16)
  assert 0.3 < np.mean(flags & 1) < 0.8 and np.all(flags[:, 0] == 7)


def test_sentences_of_a_source_are_marked(tmp_path):
  corpus = source.Corpus(topics.Source(sentence_length=4), num_documents=200,
                         document_length=12)
  prepared = prepare(corpus, config.Tokenizer(), tmp_path, print)
  flags = np.asarray(prepared.stores['train'].flags).reshape(-1, 12)
  assert np.array_equal(flags, np.tile([7, 1, 1, 1, 3, 1, 1, 1, 3, 1, 1, 1],
                                       (len(flags), 1)))
  # A tokenizer that is read from disk marks them too.
  prepared.tokenizer.save(tmp_path)
  loaded = Tokenizer.load(tmp_path)
  assert loaded.encode_with_flags(spell(range(8)))[1].tolist() == [
      7, 1, 1, 1, 3, 1, 1, 1]
  assert loaded.hash != Symbols(64).hash


def test_symbols_come_back_and_nothing_else_goes_in(tmp_path):
  symbols = Symbols(5)
  symbols.save(tmp_path)
  loaded = Tokenizer.load(tmp_path)
  text = spell([4, 0, 3])
  ids = loaded.encode(text)
  assert ids.tolist() == [11, 7, 10] and loaded.decode(ids) == text
  assert loaded.pieces([4, 11]) == ['<4>', '4']
  assert loaded.hash == symbols.hash
  for wrong in 'a', spell([5]):
    with pytest.raises(DataError, match='5 symbols'):
      loaded.encode(wrong)


@pytest.mark.parametrize('fields,found', [
    ({'num_documents': 0}, 'num_documents=0'), ({'seed': -1}, 'seed=-1'),
    ({'source': zipf.Source(symbols=30_000)}, 'at most 20,000'),
    ({'source': topics.Source(), 'document_length': 63},
     'times source.sentence_length=8'),
    ({'source': topics.Source(), 'document_length': 8}, 'two or more')])
def test_bad_fields_are_one_line(fields, found):
  with pytest.raises(ConfigError, match=found):
    source.Corpus(**fields).validate()


@pytest.mark.parametrize('packing', ['packed', 'document', 'whole'])
def test_windows_are_alike_where_the_corpus_says_so(tmp_path, packing):
  for length in 3, 6:
    writer = Writer(tmp_path / f'{length}')
    writer.add(np.zeros(24 * length, np.int32),
               np.zeros(24 * length, np.uint8), np.full(24, length))
    writer.close()
    for raw_length in range(2, 15):
      windows = Windows(Store(tmp_path / f'{length}'), raw_length, packing)
      segments = windows.gather(np.arange(len(windows)))['segment_ids']
      alike = len(windows) and segments.max() == 1 and np.all(
          segments == segments[0])
      assert source.Corpus(document_length=length).alike(
          raw_length, packing) == bool(alike), (length, raw_length)
