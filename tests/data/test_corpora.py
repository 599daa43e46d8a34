"""A user's files from disk to the stores: every form, every kind of damage,
and nothing dropped that is not counted.
"""

import bz2
import gzip
import io
import json
import lzma
import pathlib
import random
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptm_jax import config
from ptm_jax.data import clean
from ptm_jax.data.corpora.text import Corpus
from ptm_jax.data.documents import Document, split_of
from ptm_jax.data.prepare import prepare
from ptm_jax.errors import ConfigError, DataError

SPLITS = ('train', 'validation', 'test')
LEFT_OUT = 'files of another kind left out'


def read(path, documents_are='file', **fields):
  corpus = Corpus(str(path), documents_are, **fields)
  return [one.text for one in corpus.documents()], corpus.report.as_dict()


def parquet(texts):
  arrow = pytest.importorskip('pyarrow', reason='the extra parquet is missing')
  from pyarrow import parquet as format_
  held = io.BytesIO()
  format_.write_table(arrow.table({'text': texts}), held)
  return held.getvalue()


def zst(content):
  zstandard = pytest.importorskip('zstandard',
                                  reason='the extra zstd is missing')
  return zstandard.ZstdCompressor().compress(content)


# One document in each form, with a character that is not ASCII.
FORMS = {
    'txt': lambda: 'eins é'.encode(),
    'md': lambda: 'eins é'.encode(),
    'jsonl': lambda: b'{"text": "eins \\u00e9"}\n',
    'parquet': lambda: parquet(['eins é'])}
PACKERS = {'': bytes, '.gz': gzip.compress, '.xz': lzma.compress,
           '.bz2': bz2.compress, '.zst': zst}


def zip_of(name, content):
  held = io.BytesIO()
  with zipfile.ZipFile(held, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr(name, content)
  return held.getvalue()


def tar_of(name, content):
  held = io.BytesIO()
  with tarfile.open(fileobj=held, mode='w') as archive:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
  return held.getvalue()


@pytest.mark.parametrize('packer', PACKERS)
@pytest.mark.parametrize('form', FORMS)
def test_every_form_packed_and_in_archives(tmp_path, form, packer):
  name = f'a.{form}{packer}'
  content = PACKERS[packer](FORMS[form]())
  for number, (outer, whole) in enumerate([
      (name, content), ('b.zip', zip_of(name, content)),
      ('b.tar', tar_of(name, content)),
      (f'b.tar{packer}', PACKERS[packer](tar_of(name, content))),
      (f'b.zip{packer}', PACKERS[packer](zip_of(name, content)))]):
    folder = tmp_path / str(number)
    folder.mkdir()
    (folder / outer).write_bytes(whole)
    assert read(folder / outer) == (['eins é'], {}), outer
    assert read(folder) == (['eins é'], {}), outer


@pytest.mark.parametrize('packer', list(PACKERS)[1:])
def test_frames_one_after_the_other_are_one_file(tmp_path, packer):
  # As pigz, xz -T, pzstd and `cat a.gz b.gz` make them.
  raw = bytes(random.Random(0).choices(b'abcdefgh \n', k=300_000))
  parts = [raw[:100_000], b'', raw[100_000:]]
  path = tmp_path / f'a.txt{packer}'
  path.write_bytes(b''.join(map(PACKERS[packer], parts)))
  assert read(path)[0] == [raw.decode()]


@pytest.mark.parametrize('name,content', [
    ('a.parquet', b'PAR1 not really PAR1'), ('a.txt.gz', b'not gzip'),
    ('a.txt.xz', b'not xz'), ('a.txt.zst', b'not zstd'), ('a.zip', b''),
    ('a.tar', b'x' * 1000), ('a.tar.gz', b'not gzip'), ('a.parquet', b'')])
def test_a_damaged_file_is_named_in_one_line(tmp_path, name, content):
  for module, suffix in ('pyarrow', '.parquet'), ('zstandard', '.zst'):
    if name.endswith(suffix):
      pytest.importorskip(module)
  (tmp_path / name).write_bytes(content)
  with pytest.raises(DataError, match=f'cannot read .*{name}') as error:
    read(tmp_path / name)
  assert '\n' not in str(error.value)


def test_an_archive_that_ends_too_early(tmp_path):
  content = bytes(random.Random(0).choices(b'abc \n', k=200_000))
  for name, whole in (('a.tar', tar_of('a.txt', content)),
                      ('a.tar.gz', gzip.compress(tar_of('a.txt', content))),
                      ('a.zip', zip_of('a.txt', content))):
    (tmp_path / name).write_bytes(whole[:len(whole) // 2])
    with pytest.raises(DataError, match=f'cannot read .*{name}'):
      read(tmp_path / name)


def test_a_missing_extra_says_what_to_install(tmp_path, monkeypatch):
  import sys
  for module, name, extra in (('pyarrow', 'a.parquet', 'parquet'),
                              ('zstandard', 'a.txt.zst', 'zstd')):
    (tmp_path / name).write_bytes(b'x')
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf'pip install "ptm_jax\[{extra}\]"'):
      read(tmp_path / name)


def test_what_a_folder_holds_and_is_not_read_is_counted(tmp_path):
  (tmp_path / 'a.txt').write_text('a')
  (tmp_path / 'a.txt.bak').write_text('b')
  (tmp_path / 'gone.txt').symlink_to(tmp_path / 'nowhere')
  (tmp_path / 'linked.txt').symlink_to(tmp_path / 'a.txt')
  expected = {str(tmp_path / name): 1 for name in ('a.txt.bak', 'gone.txt')}
  for path in tmp_path, f'{tmp_path}/*':
    assert read(path) == (['a', 'a'], {LEFT_OUT: expected})


def test_a_glob_reads_its_files_in_order(tmp_path):
  for name in 'c.txt', 'a.md', 'b.txt', 'd.jsonl':
    (tmp_path / name).write_text(json.dumps({'text': name}))
  found, report = read(f'{tmp_path}/[a-c].*')
  assert [json.loads(one)['text'] for one in found] == [
      'a.md', 'b.txt', 'c.txt']
  assert not report


# A stream of pieces of every kind that `clean` deals with.
PIECES = st.lists(st.sampled_from([
    b'a', b'\n', b'\r', b'\r\n', b'\0', b'\xff', b'\xc3', b'\xe6\x97',
    b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\xef\xbb\xbf', 'é'.encode(),
    '日'.encode(), '👩'.encode(), '\ufffd'.encode()]), max_size=12)


@settings(max_examples=300, deadline=None)
@given(pieces=PIECES, chunk=st.integers(2, 9))
def test_cleaning_is_that_of_the_whole_at_once(pieces, chunk):
  content = b''.join(pieces)
  report, whole = clean.Report(), clean.Report()
  before, clean._CHUNK = clean._CHUNK, chunk
  try:
    found = ''.join(clean.clean_chunks('f', io.BytesIO(content), report))
  finally:
    clean._CHUNK = before
  text = content.decode('utf8', 'replace')
  expected = text.removeprefix('\ufeff').replace('\0', '\ufffd').replace(
      '\r\n', '\n').replace('\r', '\n')
  assert found == expected
  found.encode()  # valid Unicode
  for what, number in (
      ('byte-order marks', text.startswith('\ufeff')),
      ('NUL characters', text.count('\0')),
      ('CR line ends', text.count('\r')),
      (clean.BAD_BYTES, len(content)
       - len(content.decode('utf8', 'ignore').encode()))):
    whole.count(what, 'f', number)
  # A CRLF is counted once, whether or not a chunk ends in its middle.
  assert report.as_dict() == whole.as_dict()


def test_escapes_in_json_are_cleaned_too(tmp_path):
  path = tmp_path / 'a.jsonl'
  path.write_text('{"text": "a\\u0000b\\ud800c\\r\\nd"}\n')
  assert read(path) == (['a\ufffdb\ufffdc\nd'], {
      what: {str(path): 1} for what in (
          'lone surrogates', 'NUL characters', 'CR line ends')})


def test_the_summary_names_what_happened_and_where():
  report = clean.Report()
  report.count('NUL characters', 'b.txt', 1200)
  report.count('NUL characters', 'a.txt')
  report.count('NUL characters', 'never', 0)
  report.count('byte-order marks', 'b.txt')
  assert clean.summary(report.as_dict()) == (
      '1,201 NUL characters (b.txt and 1 more); 1 byte-order marks (b.txt)')
  assert clean.summary({}) == ''


SETTINGS = config.Tokenizer('bpe', 400)
LINES = [f'Sentence number {n} names the value {n * 7919 % 1000} of an array.'
         for n in range(300)]


def prepared(tmp_path, path, documents_are='line', **fields):
  said = []
  corpus = Corpus(str(path), documents_are, **fields)
  corpus.validate()
  return prepare(corpus, SETTINGS, tmp_path / 'cache', said.append), said


def texts_of(found):
  """Every document of every split, decoded."""
  return {split: [found.tokenizer.decode(store.ids[a:b]) for a, b in zip(
      store.document_starts, store.document_starts[1:], strict=False)]
          for split, store in found.stores.items()}


def test_every_line_is_stored_or_counted(tmp_path):
  folder = tmp_path / 'texts'
  folder.mkdir()
  awkward = ['<mask> </s> <pad> <s> [MASK] <extra_id_0> <99>', '\u2581\u241bs',
             '\u2585 \u241b\u241b', '  two  spaces ', 'tab\tand \x01\x7f',
             '日本語', 'x']
  (folder / 'a.txt').write_text('\n'.join([*LINES, *awkward, '', ' ', '']))
  # Again with CRLF, a mark, a NUL and a bad byte: most lines are duplicates.
  (folder / 'b.txt').write_bytes(
      b'\xef\xbb\xbf' + '\r\n'.join(LINES[:50]).encode()
      + b'\r\nwith \0 in it\r\nbad \xff\xfe bytes')
  (folder / 'c.txt').write_bytes(b'')
  (folder / 'd.pdf').write_bytes(b'%PDF')
  found, said = prepared(tmp_path, folder)
  texts = texts_of(found)
  expected = [*LINES, *awkward, 'with \ufffd in it', 'bad \ufffd\ufffd bytes']
  assert sorted(sum(texts.values(), [])) == sorted(expected)
  for split, stored in texts.items():
    assert stored == [one for one in expected
                      if split_of(Document('', one)) == split]
    assert found.report[f'{split}_bytes'] == sum(
        len(one.encode()) for one in stored)
  assert found.report['duplicate_documents'] == 50
  assert found.report['empty_documents'] == 2
  assert found.report['repairs'] == {
      'byte-order marks': {str(folder / 'b.txt'): 1},
      'bytes that are not UTF-8': {str(folder / 'b.txt'): 2},
      'NUL characters': {str(folder / 'b.txt'): 1},
      'CR line ends': {str(folder / 'b.txt'): 51},
      'empty files': {str(folder / 'c.txt'): 1},
      LEFT_OUT: {str(folder / 'd.pdf'): 1}}
  for part in ('50 duplicate documents left out', '2 empty documents left out',
               f'2 bytes that are not UTF-8 ({folder / "b.txt"})', 'd.pdf'):
    assert part in said[-1]
  assert '\n' not in said[-1]


def test_the_hash_is_of_the_text_not_of_its_wrapping(tmp_path):
  plain = tmp_path / 'a.txt'
  plain.write_text('\n'.join(LINES))
  rows = tmp_path / 'b.jsonl.gz'
  rows.write_bytes(gzip.compress('\n'.join(
      json.dumps({'body': one}) for one in LINES).encode()))
  one, _ = prepared(tmp_path, plain)
  other, _ = prepared(tmp_path, rows, field='body')
  assert one.corpus_hash == other.corpus_hash and one.key != other.key
  assert one.tokenizer.hash == other.tokenizer.hash
  assert texts_of(one) == texts_of(other)
  plain.write_text('\n'.join(LINES[::-1]))
  assert prepared(tmp_path, plain)[0].corpus_hash != one.corpus_hash


def test_a_copy_of_the_corpus_elsewhere_is_not_prepared_again(tmp_path):
  for name in 'one', 'two':
    (tmp_path / name).mkdir()
    (tmp_path / name / 'a.txt').write_text('\n'.join(LINES))
  first, said = prepared(tmp_path, tmp_path / 'one')
  second, nothing = prepared(tmp_path, tmp_path / 'two')
  assert first.key == second.key
  assert said and not nothing


@pytest.mark.parametrize('content,named', [
    (b'', 'empty files'), (b' \n\n', 'empty files'), (None, 'no text file')])
def test_a_corpus_without_text_is_one_line(tmp_path, content, named):
  folder = tmp_path / 'texts'
  folder.mkdir()
  if content is not None:
    (folder / 'a.txt').write_bytes(content)
  with pytest.raises(DataError, match=named) as error:
    prepared(tmp_path, folder)
  assert '\n' not in str(error.value) and str(folder) in str(error.value)


def long_line(tmp_path, size):
  """A file whose third line has `size` bytes, and that line."""
  words = [f'word{n * n % 9973} ' for n in range(2000)]
  line = ''.join(words) * (size // len(''.join(words)) + 1)
  path = tmp_path / 'a.txt'
  path.write_text('\n'.join([*LINES[:2], line[:size], *LINES[2:]]))
  return path, line[:size]


def test_a_line_of_2_megabytes_is_one_document(tmp_path):
  path, line = long_line(tmp_path, 2 * 2**20)
  found, _ = prepared(tmp_path, path)
  texts = texts_of(found)
  assert not found.report['repairs']
  assert line in texts[split_of(Document('', line))]
  assert sum(map(len, texts.values())) == len(LINES) + 1


@pytest.mark.slow
def test_a_line_of_50_megabytes_is_stored_in_one_split(tmp_path):
  path, line = long_line(tmp_path, 50 * 10**6)
  found, said = prepared(tmp_path, path)
  texts = texts_of(found)
  holders = [split for split in SPLITS
             if any(len(one) > 10**6 for one in texts[split])]
  assert len(holders) == 1
  parts = [one for one in texts[holders[0]] if len(one) > 10**6]
  assert len(parts) == 3 and ''.join(parts) == line
  assert '2 cuts of a text' in said[-1]


def test_the_documents_name_their_file(tmp_path):
  path = pathlib.Path(tmp_path / 'a.zip')
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('in/b.txt', 'one\ntwo')
  names = [one.name for one in Corpus(str(path), 'line').documents()]
  assert names == [f'{path}!in/b.txt:0', f'{path}!in/b.txt:1']
