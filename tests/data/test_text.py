"""Text from disk in every form, and what becomes of bad bytes."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile

import pytest

from ptm_jax.data.corpora import text
from ptm_jax.data.corpora.text import Corpus
from ptm_jax.data.documents import Document, split_of
from ptm_jax.errors import ConfigError, DataError


def read(path, documents_are='file', **fields):
  corpus = Corpus(str(path), documents_are, **fields)
  corpus.validate()
  found = [document.text for document in corpus.documents()]
  return found, corpus.report.as_dict()


def write(path, content):
  content = content.encode() if isinstance(content, str) else content
  path.write_bytes(content)
  return path


BLOCKS = 'One line.\nTwo.\n\n\nThree.\n'


@pytest.mark.parametrize('documents_are,expected', [
    ('file', [BLOCKS]), ('line', ['One line.', 'Two.', '', '', 'Three.']),
    ('block', ['One line.\nTwo.', 'Three.'])])
@pytest.mark.parametrize('name', ['a.txt', 'a.md', 'a.TXT'])
def test_one_document_per_file_line_or_block(tmp_path, name, documents_are,
                                             expected):
  found, report = read(write(tmp_path / name, BLOCKS), documents_are)
  assert found == expected and not report


def test_rows_of_jsonl(tmp_path):
  rows = [{'text': 'one\ntwo', 'other': 1}, {'text': ''}, {'text': 'é'}]
  path = write(tmp_path / 'a.jsonl', '\n'.join(map(json.dumps, rows)) + '\n\n')
  assert read(path)[0] == ['one\ntwo', '', 'é']
  path = write(tmp_path / 'b.jsonl', '{"body": "x"}\n')
  assert read(path, field='body')[0] == ['x']
  with pytest.raises(DataError, match=r'b.jsonl line 1 has no text field '
                     "'text', found body"):
    read(path)
  with pytest.raises(DataError, match='line 2 is not JSON'):
    read(write(tmp_path / 'c.jsonl', '{"text": "x"}\n{"text": \n'))
  with pytest.raises(DataError, match='found list'):
    read(write(tmp_path / 'd.jsonl', '[1]\n'))


def test_rows_of_parquet(tmp_path):
  arrow = pytest.importorskip('pyarrow', reason='the extra parquet is missing')
  from pyarrow import parquet
  table = arrow.table({'text': ['one', None, 'two'], 'n': [1, 2, 3]})
  parquet.write_table(table, tmp_path / 'a.parquet')
  assert read(tmp_path / 'a.parquet')[0] == ['one', '', 'two']
  with pytest.raises(DataError, match=r"no column of strings 'n', found text"):
    read(tmp_path / 'a.parquet', field='n')
  packed = write(tmp_path / 'b.parquet.gz', gzip.compress(
      (tmp_path / 'a.parquet').read_bytes()))
  assert read(packed)[0] == ['one', '', 'two']


def zst(content):
  zstandard = pytest.importorskip('zstandard',
                                  reason='the extra zstd is missing')
  return zstandard.ZstdCompressor().compress(content)


PACKERS = {'.gz': gzip.compress, '.xz': lzma.compress, '.bz2': bz2.compress,
           '.zst': zst}


@pytest.mark.parametrize('suffix', PACKERS)
def test_compressed_files(tmp_path, suffix):
  packed = PACKERS[suffix](BLOCKS.encode())
  path = write(tmp_path / f'a.txt{suffix}', packed)
  assert read(path)[0] == [BLOCKS]
  rows = PACKERS[suffix](b'{"text": "x"}\n')
  assert read(write(tmp_path / f'a.jsonl{suffix}', rows))[0] == ['x']
  with pytest.raises(DataError, match=f'cannot read .*cut.txt{suffix}'):
    read(write(tmp_path / f'cut.txt{suffix}', packed[:len(packed) // 2]))


def tar_of(files, mode):
  held = io.BytesIO()
  with tarfile.open(fileobj=held, mode=mode) as archive:
    for name, content in files.items():
      info = tarfile.TarInfo(name)
      info.size = len(content)
      archive.addfile(info, io.BytesIO(content))
    link = tarfile.TarInfo('link.txt')
    link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
    archive.addfile(link)
  return held.getvalue()


@pytest.mark.parametrize('name,mode', [
    ('a.tar', 'w'), ('a.tar.gz', 'w:gz'), ('a.tgz', 'w:gz'),
    ('a.tar.xz', 'w:xz'), ('a.tar.bz2', 'w:bz2')])
def test_archives(tmp_path, name, mode):
  files = {'b/one.txt': b'one', 'b/two.txt.gz': gzip.compress(b'two'),
           'b/three.jsonl': b'{"text": "three"}\n', 'b/four.png': b'\x89',
           '../../up.txt': b'never a path', 'in.zip': b'PK'}
  found, report = read(write(tmp_path / name, tar_of(files, mode)))
  assert found == ['one', 'two', 'three', 'never a path']
  # A link, a picture and an archive in the archive, by name.
  left_out = report['files of another kind left out']
  assert {one.rpartition('!')[2] for one in left_out} == {
      'b/four.png', 'in.zip', 'link.txt'}
  assert not (tmp_path.parent.parent / 'up.txt').exists()


def test_a_zip(tmp_path):
  with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
    archive.writestr('b.txt', 'two')
    archive.writestr('a.txt', 'one')
    archive.writestr('c.bin', b'\0')
  found, report = read(tmp_path / 'a.zip')
  assert found == ['one', 'two']
  assert sum(report['files of another kind left out'].values()) == 1
  with pytest.raises(DataError, match='cannot read'):
    read(write(tmp_path / 'bad.zip', b'PK not really'))


def test_folders_and_globs(tmp_path):
  (tmp_path / 'sub').mkdir()
  write(tmp_path / 'b.txt', 'b')
  write(tmp_path / 'sub' / 'a.md', 'a')
  write(tmp_path / 'c.png', b'\x89')
  found, report = read(tmp_path)
  assert found == ['b', 'a']
  assert list(report['files of another kind left out']) == [
      str(tmp_path / 'c.png')]
  assert read(f'{tmp_path}/**/*.md')[0] == ['a']
  # A file that is named itself is read, whatever its name.
  assert read(write(tmp_path / 'README', 'r'))[0] == ['r']


@pytest.mark.parametrize('path', ['missing.txt', '*.none', 'missing/'])
def test_a_path_that_names_nothing(tmp_path, path):
  with pytest.raises(DataError, match='names no text file') as caught:
    read(tmp_path / path)
  assert '\n' not in str(caught.value)


def test_settings_that_cannot_work():
  with pytest.raises(ConfigError, match='corpus.path is empty'):
    Corpus().validate()
  with pytest.raises(ConfigError, match='did you mean block'):
    Corpus('x', 'blok').validate()


@pytest.mark.parametrize('content,expected,what,number', [
    (b'a\xff\xfeb\xc3', 'a\ufffd\ufffdb\ufffd', 'bytes that are not UTF-8', 3),
    (b'a\0b', 'a\ufffdb', 'NUL characters', 1),
    (b'\xef\xbb\xbfa\xef\xbb\xbf', 'a\ufeff', 'byte-order marks', 1),
    (b'a\r\nb\rc\n', 'a\nb\nc\n', 'CR line ends', 2),
    (b'', '', 'empty files', 1), (b' \n', ' \n', 'empty files', 1)])
def test_bad_bytes_are_counted_by_file(tmp_path, content, expected, what,
                                       number):
  path = write(tmp_path / 'a.txt', content)
  found, report = read(path)
  assert ''.join(found) == expected
  assert report == {what: {str(path): number}}


def test_bad_bytes_at_the_edge_of_a_chunk(tmp_path, monkeypatch):
  from ptm_jax.data import clean
  monkeypatch.setattr(clean, '_CHUNK', 5)
  content = 'aé日👩\r\nb'.encode() * 20 + b'\xff\r'
  found, report = read(write(tmp_path / 'a.txt', content))
  assert found == ['aé日👩\nb' * 20 + '\ufffd\n']
  assert sum(report['bytes that are not UTF-8'].values()) == 1
  assert sum(report['CR line ends'].values()) == 21


def test_utf16_is_named(tmp_path):
  with pytest.raises(DataError, match='is UTF-16: convert it'):
    read(write(tmp_path / 'a.txt', 'text'.encode('utf-16')))


def test_control_tokens_in_text_are_text(tmp_path):
  content = '<mask> </s> <pad> [MASK] <extra_id_0>'
  assert read(write(tmp_path / 'a.txt', content))[0] == [content]


def test_a_text_that_is_too_long_is_cut_and_stays_in_one_split(
    tmp_path, monkeypatch):
  monkeypatch.setattr(text, '_LONGEST', 1000)
  for documents_are in 'file', 'line', 'block':
    path = write(tmp_path / 'a.txt', 'word ' * 2**20 + '\nend\n')
    corpus = Corpus(str(path), documents_are)
    documents = list(corpus.documents())
    long = [one for one in documents if one.name.endswith(':0')]
    assert len(long) > 1 and len({split_of(one) for one in long}) == 1
    joined = ''.join(one.text for one in documents)
    assert joined.replace('\n', '') == 'word ' * 2**20 + 'end'
    assert sum(corpus.report.as_dict()[
        'cuts of a text at 1,000 characters'].values()) == len(long) - 1


@pytest.mark.slow
def test_a_line_of_50_megabytes(tmp_path):
  path = write(tmp_path / 'a.txt', b'word ' * 10**7)
  corpus = Corpus(str(path), 'line')
  documents = list(corpus.documents())
  assert len(documents) == 3
  assert sum(len(one.text) for one in documents) == 5 * 10**7


def test_splits_follow_the_text():
  documents = [Document('', f'text number {n}') for n in range(3000)]
  splits = [split_of(one) for one in documents]
  assert splits == [split_of(one._replace(name='other')) for one in documents]
  for split, share in ('train', 0.9), ('validation', 0.05), ('test', 0.05):
    assert abs(splits.count(split) / 3000 - share) < 0.02
  grouped = {split_of(one._replace(group='same')) for one in documents}
  assert len(grouped) == 1


def test_the_fingerprint_follows_names_bytes_and_settings(tmp_path):
  path = write(tmp_path / 'a.txt', 'one')
  first = Corpus(str(path)).fingerprint()
  assert Corpus(str(path)).fingerprint() == first
  assert Corpus(str(path), 'line').fingerprint() != first
  write(path, 'two')
  assert Corpus(str(path)).fingerprint() != first
