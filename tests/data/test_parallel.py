"""Pairs of lines: read in step, kept together, refused where they are not."""

import dataclasses
import gzip

import numpy as np
import pytest

from ptm_jax import __main__, config, serialize
from ptm_jax.data.corpora import pairs, parallel
from ptm_jax.data.prepare import prepare
from ptm_jax.errors import ConfigError, DataError
from ptm_jax.sources import cipher
from tests.data.samples import WORDS


def files(folder, source, target):
  (folder / 'a.en').write_text(source, encoding='utf8')
  with gzip.open(folder / 'a.de.gz', 'wt', encoding='utf8') as file:
    file.write(target)
  return parallel.Corpus(str(folder / 'a.en'), str(folder / 'a.de.gz'))


def test_lines_belong_together(tmp_path):
  corpus = files(tmp_path, 'one\n\ntwo\n three\r\nfour\n',
                 'eins\nx\nzwei\n drei\n  \n')
  found = [(one.text, one.aligned) for one in corpus.documents()]
  assert found == [('one', 'eins'), ('two', 'zwei'), (' three', ' drei')]
  assert corpus.report.as_dict() == {
      'pairs with an empty line left out': {corpus.source: 2},
      'CR line ends': {corpus.source: 1}}
  changed = files(tmp_path, 'one\n', 'eins\n').fingerprint()
  assert changed != files(tmp_path, 'one\n', 'zwei\n').fingerprint()
  assert serialize.from_json(serialize.to_json(corpus)) == corpus


def test_both_sides_are_prepared_alike(tmp_path):
  draw = np.random.default_rng(0)
  source = [' '.join(draw.choice(WORDS, 5)) for _ in range(300)]
  # The same source in two translations stays in one split; twice the same
  # pair is one.
  source += source[:100] + source[:50]
  target = [f'{n} {line.upper()}' for n, line in enumerate(source[:400])]
  target += target[:50]
  corpus = files(tmp_path, '\n'.join(source), '\n'.join(target))
  prepared = prepare(corpus, config.Tokenizer(vocab_size=440, kind='bpe'),
                     tmp_path / 'cache', print)
  seen = {}
  for split, store in prepared.stores.items():
    def texts(one):
      return [prepared.tokenizer.decode(np.asarray(one.ids)[a:b])
              for a, b in zip(one.document_starts, one.document_starts[1:])]
    assert store.num_documents == store.aligned.num_documents > 3
    for a, b in zip(texts(store), texts(store.aligned), strict=True):
      assert b.split(' ', 1)[1] == a.upper()
      assert seen.setdefault(a, split) == split
  assert prepared.report['duplicate_documents'] == 50
  assert sum(store.num_documents for store in prepared.stores.values()) == 400


@pytest.mark.parametrize('source,target,found', [
    ('a\nb\nc\n', 'd\n', r'a.de.gz has 1 lines and .*a.en has 3'),
    ('a\n', 'd\ne\n', r'a.en has 1 lines and .*a.de.gz has 2')])
def test_misaligned_files_are_one_line(tmp_path, source, target, found):
  with pytest.raises(DataError, match=found):
    list(files(tmp_path, source, target).documents())


def test_pairs_of_known_law(tmp_path):
  corpus = pairs.Corpus(cipher.Source(words=4, sentence_length=3, noise=0.0),
                        num_documents=400)
  prepared = prepare(corpus, config.Tokenizer(), tmp_path, print)
  store = prepared.stores['train']
  first = np.asarray(store.ids) - prepared.tokenizer.vocabulary.text_start
  second = (np.asarray(store.aligned.ids)
            - prepared.tokenizer.vocabulary.text_start - 4)
  channel = corpus.law().channel
  assert np.all(channel[first, second] == 1) and len(first) > 60
  assert dataclasses.replace(
      corpus, seed=1).fingerprint() != corpus.fingerprint()
  for bad in {'num_documents': 0}, {'seed': -1}:
    with pytest.raises(ConfigError):
      dataclasses.replace(corpus, **bad).validate()


FILE = 'experiments/transformer.py'


@pytest.mark.parametrize('arguments,code,found', [
    ([f'--config={FILE}:small,corpus=parallel'], 2, 'corpus.source is empty'),
    ([f'--config={FILE}:multi30k', '--config.corpus.source=no.en',
      '--config.corpus.target=no.de'], 3, 'source=no.en: there is no such file'),
    ([f'--config={FILE}:tiny,corpus=python_docs'], 2, 'reads two languages'),
    ([f'--config={FILE}:tiny', '--config.data.packing=packed'], 2,
     'data.packing=whole, found pairs and packed')])
def test_what_cannot_be_translated_is_one_line(
    capsys, tmp_path, arguments, code, found):
  assert __main__.main(
      ['pretrain', *arguments, f'--workdir={tmp_path}']) == code
  assert found in capsys.readouterr().err
