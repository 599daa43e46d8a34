"""From a corpus to a tokenizer and token stores, once, under a hash.

The result depends on the corpus and on the tokenizer's settings alone. It is
written into a folder of another name and renamed, so that a kill leaves
nothing half made; a lock makes a second process wait for the first. What
cannot be read any more is made anew.
"""

import collections
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import pathlib
import shutil
import sys

from ptm_jax.data import clean
from ptm_jax.data.documents import cache_dir, split_of
from ptm_jax.data.store import (Store, Writer, check, hashes, read_report,
                                write_report)
from ptm_jax.data.tokenizer import Tokenizer
from ptm_jax.data.train_tokenizer import train
from ptm_jax.data.vocabulary import Vocabulary
from ptm_jax.errors import DataError
from ptm_jax.find import name_of
from ptm_jax.progress import bar
from ptm_jax.serialize import to_json

SPLITS = ('train', 'validation', 'test')
_FORMAT = 4  # of the store; a change makes old ones unused
_ALIGNED = '-aligned'  # behind a split's name: the other language's store
_AT_ONCE = 2**21  # characters encoded in one go


@dataclasses.dataclass
class Prepared:
  """A corpus ready for training.

  Attributes:
    tokenizer: `tokenizer.Tokenizer`.
    stores: `Store` by split.
    corpus_hash: of every document's text, in order.
    report: what was counted: documents, duplicates, repairs, tokens.
    key: name of the stores in the cache.
  """

  tokenizer: Tokenizer
  stores: dict[str, Store]
  corpus_hash: str
  report: dict
  key: str


def prepare(corpus, config, root=None, say=None, key=None):
  """Prepares a corpus, or reuses what an earlier run prepared.

  Args:
    corpus: a component of `data/corpora/`.
    config: `config.Tokenizer`.
    root: the cache; None is `documents.cache_dir()`.
    say: takes one line for the user; stderr by default.
    key: of an earlier run's stores. Where the cache has them they are used
      as they are, even if the corpus has changed since.

  Returns:
    `Prepared`.

  Raises:
    DataError: the corpus cannot be read, is empty, or is too small.
    ConfigError: a setting cannot work.
  """
  say = say or (lambda line: print(line, file=sys.stderr, flush=True))
  stores = pathlib.Path(root or cache_dir()) / 'stores'
  if key:
    with contextlib.suppress(DataError):
      return _read(stores / key)
  corpus.validate()
  config.validate()
  folder = stores / key_of(corpus, config)
  with contextlib.suppress(DataError):
    return _read(folder)
  with _alone(folder, say):
    try:
      return _read(folder)  # another process made it meanwhile
    except DataError as error:
      if folder.exists():
        say(f'{error}; it is made anew')
        shutil.rmtree(folder, ignore_errors=True)
    _build(corpus, config, folder, say)
  return _read(folder)


def _read(folder):
  """What a folder of the cache holds; raises DataError if it is damaged."""
  report = read_report(folder)
  check(folder, report['files'])
  stores = {split: Store(folder / split) for split in SPLITS}
  for split, store in stores.items():
    if (folder / (split + _ALIGNED)).is_dir():
      store.aligned = Store(folder / (split + _ALIGNED))
  return Prepared(Tokenizer.load(folder / 'tokenizer'), stores,
                  report['corpus_hash'], report, folder.name)


def key_of(corpus, config):
  """Hash of all that the stores depend on; where files lie is not part."""
  settings = to_json(config)
  if config.path:
    settings = {'path': Tokenizer.read(config.path).hash}
  return hashlib.blake2b(json.dumps(
      [_FORMAT, name_of(corpus), corpus.fingerprint(), settings],
      sort_keys=True).encode(), digest_size=16).hexdigest()


def expected_vocabulary(config):
  """The vocabulary that a `config.Tokenizer` will give, before any corpus is
  read; raises DataError if the files it names cannot be used."""
  if config.path:
    return Tokenizer.read(config.path).vocabulary
  return Vocabulary(config.vocab_size)


@contextlib.contextmanager
def _alone(folder, say):
  """Waits until no other process makes `folder`; a kill frees the lock."""
  try:
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_suffix('.lock').open('w')
  except OSError as error:
    raise DataError(f'cannot write the cache {folder.parent}: '
                    f'{error.strerror}; set PTM_JAX_CACHE') from error
  with lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      say('waiting for another process that prepares the same corpus')
      fcntl.flock(lock, fcntl.LOCK_EX)
    yield


def _build(corpus, config, folder, say):
  work = folder.with_suffix('.making')
  shutil.rmtree(work, ignore_errors=True)  # a killed process left it
  try:
    work.mkdir()
    say(f'preparing the corpus {name_of(corpus)[1]} (once; it is kept)')
    tokenizer = _tokenizer(corpus, config, say)
    tokenizer.save(work / 'tokenizer')
    report = _encode(corpus, tokenizer, work)
    write_report(work, {**report, 'files': hashes(work)})
    say(_summary(report))
    work.rename(folder)
  except OSError as error:
    raise DataError(f'cannot write the cache {folder.parent}: '
                    f'{error.strerror}; set PTM_JAX_CACHE') from error
  finally:
    shutil.rmtree(work, ignore_errors=True)


def _unique(corpus, counts):
  """Yields `(document, bytes)` without empty ones and exact duplicates, which
  are counted."""
  seen = set()
  for document in corpus.documents():
    raw = '\0'.join(_texts(document)).encode()
    digest = hashlib.blake2b(raw, digest_size=12).digest()
    if not document.text.strip():
      counts['empty_documents'] += 1
    elif digest in seen:
      counts['duplicate_documents'] += 1
    else:
      seen.add(digest)
      yield document, raw


def _texts(document):
  """A document's text, and the same in another language if it has one."""
  return filter(None, (document.text, document.aligned))


def _tokenizer(corpus, config, say):
  if hasattr(corpus, 'tokenizer'):  # it has ids of its own
    return corpus.tokenizer()
  if config.path:
    return Tokenizer.read(config.path)
  # A first pass finds the size of the train split, so that the tokenizer's
  # sample is spread over all of it, and whether there is anything to train on.
  total, counts = 0, collections.Counter()
  with bar('reading', unit='MB') as advance:
    for document, raw in _unique(corpus, collections.Counter()):
      split = split_of(document)
      counts[f'{split}_documents'] += 1
      total += len(raw) * (split == 'train')
      advance(len(raw) / 1e6)
  if not counts:
    found = clean.summary(_repairs(corpus))
    raise DataError('the corpus is empty' + (f': {found}' if found else ''))
  _check_splits(counts, 'documents')
  say(f'training the tokenizer: {config.kind}, {config.vocab_size:,} ids, on '
      f'{min(total, config.train_bytes) / 1e6:,.1f} MB')
  texts = (text for document, _ in _unique(corpus, collections.Counter())
           if split_of(document) == 'train' for text in _texts(document))
  return train(config, texts, total)


def _encode(corpus, tokenizer, work):
  """Writes the stores; returns what was counted."""
  counts = collections.Counter()
  digest = hashlib.blake2b(digest_size=16)
  writers = {split: Writer(work / split) for split in SPLITS}
  waiting, held = collections.defaultdict(list), 0

  def write():
    for (split, side), texts in waiting.items():
      ids, flags, lengths = tokenizer.encode_documents(texts)
      if split + side not in writers:
        writers[split + side] = Writer(work / (split + side))
      writers[split + side].add(ids, flags, lengths)
      counts[f'{split}_tokens'] += len(ids)
    waiting.clear()

  with bar('encoding', unit='MB') as advance:
    for document, raw in _unique(corpus, counts):
      digest.update(len(raw).to_bytes(8, 'big') + raw)
      split = split_of(document)
      for side, text in zip(('', _ALIGNED), _texts(document)):
        waiting[split, side].append(text)
      counts[f'{split}_documents'] += 1
      counts[f'{split}_bytes'] += len(raw)
      held += len(raw)
      if held >= _AT_ONCE:
        write()
        held = 0
      advance(len(raw) / 1e6)
    write()
  for writer in writers.values():
    writer.close()
  _check_splits(counts, 'tokens')
  return {'corpus_hash': digest.hexdigest(), **counts,
          'repairs': _repairs(corpus)}


def _check_splits(counts, unit):
  documents = sum(counts[f'{split}_documents'] for split in SPLITS)
  for split in SPLITS:
    if not counts[f'{split}_{unit}']:
      raise DataError(
          f'the {split} split is empty: {documents} documents are too few (90 '
          '% train, 5 % validation, 5 % test, by a hash of the text); use '
          'smaller documents, such as --config.corpus.documents_are=block')


def _repairs(corpus):
  """What the corpus counted on its last pass, `{what: {file: number}}`."""
  report = getattr(corpus, 'report', None)
  return report.as_dict() if report else {}


def _summary(report):
  """One line: the hash, the splits, and all that was dropped or repaired."""
  parts = [f'{split} {report.get(f"{split}_documents", 0):,} documents, '
           f'{report.get(f"{split}_tokens", 0):,} tokens' for split in SPLITS]
  for name in 'duplicate_documents', 'empty_documents':
    if report.get(name):
      parts.append(f'{report[name]:,} {name.replace("_", " ")} left out')
  repairs = clean.summary(report['repairs'])
  return f'corpus {report["corpus_hash"][:12]}: ' + '; '.join(
      parts + ([repairs] if repairs else []))
