"""What `prepare` keeps: used as it is, and made anew where it is damaged."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from ptm_jax import config
from ptm_jax.data import prepare as module
from ptm_jax.data.corpora.text import Corpus
from ptm_jax.data.prepare import prepare
from ptm_jax.data.store import Store
from ptm_jax.data.tokenizer import Tokenizer
from ptm_jax.errors import DataError
from tests.conftest import ROOT

SPLITS = ('train', 'validation', 'test')
SETTINGS = config.Tokenizer('bpe', 400)
LINES = [f'Sentence number {n} names the value {n * 7919 % 1000} of an array.'
         for n in range(200)]


def quiet(line):
  del line


@pytest.fixture
def corpus(tmp_path):
  (tmp_path / 'a.txt').write_text('\n'.join(LINES))
  return Corpus(str(tmp_path / 'a.txt'), 'line')


def assert_equal(one, other):
  assert one.report == other.report and one.key == other.key
  assert one.tokenizer.hash == other.tokenizer.hash
  for split in SPLITS:
    for name in 'ids', 'flags', 'document_starts':
      assert np.array_equal(getattr(one.stores[split], name),
                            getattr(other.stores[split], name))


def test_ids_and_flags_are_mapped_and_those_of_each_document(corpus, tmp_path):
  found = prepare(corpus, SETTINGS, tmp_path / 'cache', quiet)
  for store in found.stores.values():
    assert store.ids.dtype == np.int32 and store.flags.dtype == np.uint8
    for values in store.ids, store.flags:
      assert isinstance(values, np.memmap) and not values.flags.writeable
    for begin, end in zip(store.document_starts, store.document_starts[1:],
                          strict=False):
      text = found.tokenizer.decode(store.ids[begin:end])
      ids, flags = found.tokenizer.encode_with_flags(text)
      assert np.array_equal(ids, store.ids[begin:end])
      assert np.array_equal(flags, store.flags[begin:end])


def test_the_second_time_nothing_is_read_or_trained(corpus, tmp_path,
                                                    monkeypatch):
  first = prepare(corpus, SETTINGS, tmp_path / 'cache', quiet)
  monkeypatch.setattr(Corpus, 'documents', None)
  monkeypatch.setattr(module, 'train', None)
  monkeypatch.setattr(module, '_alone', None)  # and nobody is waited for
  said = []
  assert_equal(prepare(corpus, SETTINGS, tmp_path / 'cache', said.append),
               first)
  assert not said


def test_two_caches_are_equal_to_the_byte(corpus, tmp_path):
  one, other = (prepare(corpus, SETTINGS, tmp_path / name, quiet)
                for name in ('one', 'other'))
  assert_equal(one, other)
  for split in SPLITS:
    for name in 'ids.bin', 'flags.bin', 'document_starts.npy':
      place = f'stores/{one.key}/{split}/{name}'
      assert (tmp_path / 'one' / place).read_bytes() == (
          tmp_path / 'other' / place).read_bytes()


def damaged(path, how):
  content = path.read_bytes()
  # A file of its own: what is mapped already must stay as it is.
  path.unlink()
  if how == 'bit':
    bits = bytearray(content)
    bits[len(bits) // 2] ^= 16
    path.write_bytes(bits)
  elif how != 'missing':
    path.write_bytes(content[:-9] if how == 'cut' else b'')


@pytest.mark.parametrize('how', ['missing', 'empty', 'cut', 'bit'])
@pytest.mark.parametrize('name', [
    'train/ids.bin', 'test/flags.bin', 'validation/document_starts.npy',
    'report.json', 'tokenizer/tokenizer.model', 'tokenizer/tokenizer.json'])
def test_a_damaged_store_is_made_anew_and_said(corpus, tmp_path, name, how):
  first = prepare(corpus, SETTINGS, tmp_path / 'cache', quiet)
  folder = tmp_path / 'cache' / 'stores' / first.key
  damaged(folder / name, how)
  said = []
  assert_equal(prepare(corpus, SETTINGS, tmp_path / 'cache', said.append),
               first)
  assert 'made anew' in said[0] and '\n' not in said[0]
  said.clear()
  assert_equal(prepare(corpus, SETTINGS, tmp_path / 'cache', said.append),
               first)
  assert not said


@pytest.mark.parametrize('values', ['[]', '{}', 'null'])
def test_a_report_without_a_hash_is_no_report(corpus, tmp_path, values):
  first = prepare(corpus, SETTINGS, tmp_path / 'cache', quiet)
  (tmp_path / 'cache' / 'stores' / first.key / 'report.json').write_text(values)
  assert_equal(prepare(corpus, SETTINGS, tmp_path / 'cache', quiet), first)


def test_damage_and_another_corpus_do_not_share_a_key(corpus, tmp_path):
  first = prepare(corpus, SETTINGS, tmp_path / 'cache', quiet)
  (tmp_path / 'a.txt').write_text('\n'.join(LINES[:-1]))
  kept = prepare(corpus, SETTINGS, tmp_path / 'cache', quiet, key=first.key)
  assert_equal(kept, first)
  (tmp_path / 'cache' / 'stores' / first.key / 'report.json').unlink()
  other = prepare(corpus, SETTINGS, tmp_path / 'cache', quiet, key=first.key)
  assert other.key != first.key
  assert other.corpus_hash != first.corpus_hash


def test_a_store_that_is_damaged_is_one_line(tmp_path):
  np.save(tmp_path / 'document_starts.npy', np.zeros(0, np.int64))
  with pytest.raises(DataError, match='not a usable token store') as error:
    Store(tmp_path)
  assert '\n' not in str(error.value) and str(tmp_path) in str(error.value)


def test_a_full_disk_is_one_line_and_leaves_nothing(corpus, tmp_path,
                                                    monkeypatch):
  def fail(self):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
  with monkeypatch.context() as patch:
    patch.setattr(module.Writer, 'close', fail)
    with pytest.raises(DataError,
                       match='No space left.*PTM_JAX_CACHE') as error:
      prepare(corpus, SETTINGS, tmp_path / 'cache', quiet)
    assert '\n' not in str(error.value)
  assert {path.suffix for path in (tmp_path / 'cache' / 'stores').iterdir()
          } == {'.lock'}
  prepare(corpus, SETTINGS, tmp_path / 'cache', quiet)


PREPARE = '''
import os, signal, sys
from ptm_jax import config
from ptm_jax.data import prepare
from ptm_jax.data.corpora.text import Corpus
if sys.argv[3:]:
  prepare.Writer.close = lambda self: os.kill(os.getpid(), signal.SIGKILL)
found = prepare.prepare(Corpus(sys.argv[1], 'line'),
                        config.Tokenizer('bpe', 400), sys.argv[2],
                        lambda line: print(line, flush=True))
print(found.tokenizer.hash, found.stores['train'].num_tokens)
'''


def start(corpus, root, *arguments):
  return subprocess.Popen(
      [sys.executable, '-c', PREPARE, corpus.path, str(root), *arguments],
      cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_what_a_killed_process_left_does_no_harm(corpus, tmp_path):
  process = start(corpus, tmp_path / 'cache', 'killed')
  process.communicate(timeout=60)
  assert process.returncode == -signal.SIGKILL
  stores = tmp_path / 'cache' / 'stores'
  assert {path.suffix for path in stores.iterdir()} == {'.lock', '.making'}
  found = prepare(corpus, SETTINGS, tmp_path / 'cache', quiet)
  assert_equal(found, prepare(corpus, SETTINGS, tmp_path / 'other', quiet))
  assert not list(stores.glob('*.making'))


def test_of_two_processes_one_repairs_a_damaged_store(corpus, tmp_path):
  first = prepare(corpus, SETTINGS, tmp_path / 'cache', quiet)
  folder = tmp_path / 'cache' / 'stores' / first.key
  (folder / 'train' / 'flags.bin').unlink()
  running = [start(corpus, tmp_path / 'cache') for _ in range(2)]
  said = [process.communicate(timeout=60)[0] for process in running]
  assert [process.returncode for process in running] == [0, 0]
  assert sum('training the tokenizer' in text for text in said) == 1
  expected = f'{first.tokenizer.hash} {first.stores["train"].num_tokens}'
  assert all(text.splitlines()[-1] == expected for text in said)


def test_a_second_one_waits_and_says_so(corpus, tmp_path):
  folder = tmp_path / 'cache' / 'stores' / module.key_of(corpus, SETTINGS)
  said, found = [], []
  thread = threading.Thread(target=lambda: found.append(
      prepare(corpus, SETTINGS, tmp_path / 'cache', said.append)))
  with module._alone(folder, quiet):
    thread.start()
    end = time.monotonic() + 30
    while not said and time.monotonic() < end:
      time.sleep(0.01)
    assert said == ['waiting for another process that prepares the same corpus']
    assert not folder.exists()
  thread.join(60)
  assert found[0].stores['train'].num_tokens


def test_an_existing_model_is_used_and_not_trained(corpus, tmp_path,
                                                   monkeypatch):
  first = prepare(corpus, SETTINGS, tmp_path / 'cache', quiet)
  model = tmp_path / 'cache' / 'stores' / first.key / 'tokenizer'
  for name in 'one.model', 'two.model':
    (tmp_path / name).write_bytes((model / 'tokenizer.model').read_bytes())
  monkeypatch.setattr(module, 'train', None)
  found = [prepare(corpus, config.Tokenizer(path=str(tmp_path / name)),
                   tmp_path / 'cache', quiet)
           for name in ('one.model', 'two.model')]
  # The key is of the model's bytes, not of its place.
  assert found[0].key == found[1].key != first.key
  assert not found[0].tokenizer.lossless
  # Its ids are the file's own; ours come behind 7 control ids but no <unk>.
  assert np.array_equal(found[0].stores['train'].ids + 6,
                        first.stores['train'].ids)
  assert found[0].tokenizer.hash == Tokenizer.read(tmp_path / 'one.model').hash
  with pytest.raises(DataError, match='tokenizer.path=.*No such file'):
    prepare(corpus, config.Tokenizer(path=str(tmp_path / 'gone.model')),
            tmp_path / 'cache', quiet)
