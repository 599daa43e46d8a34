"""From a corpus to a tokenizer and token stores, once, under a hash.

The result depends on the corpus and on the tokenizer's settings alone. It is
written into a temporary folder and renamed, so that a kill leaves nothing
half made and two processes can prepare at the same time.
"""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile

from ptm_jax.data import tokenizer as tokenizers
from ptm_jax.data.documents import cache_dir, split_of
from ptm_jax.data.store import Store, Writer, read_report, write_report
from ptm_jax.errors import DataError
from ptm_jax.serialize import to_json

SPLITS = ('train', 'validation', 'test')
_FORMAT = 1  # of the store; a change makes old ones unused


@dataclasses.dataclass
class Prepared:
  """A corpus ready for training.

  Attributes:
    tokenizer: `tokenizer.Tokenizer`.
    stores: `Store` by split.
    corpus_hash: of every document's text, in order.
    report: what was counted: documents, duplicates, repairs, tokens.
  """

  tokenizer: tokenizers.Tokenizer
  stores: dict[str, Store]
  corpus_hash: str
  report: dict


def prepare(corpus, config, root=None, say=None):
  """Prepares a corpus, or reuses what an earlier run prepared.

  Args:
    corpus: a component of `data/corpora/`.
    config: `config.Tokenizer`.
    root: the cache; None is `documents.cache_dir()`.
    say: takes one line for the user; stderr by default.

  Returns:
    `Prepared`.

  Raises:
    DataError: the corpus cannot be read, is empty, or is too small.
  """
  say = say or (lambda line: print(line, file=sys.stderr, flush=True))
  corpus.validate()
  settings = to_json(config)
  if config.path:  # what counts is the model, not where it lies
    settings['path'] = tokenizers.Tokenizer.read(config.path).hash
  digest = hashlib.blake2b(json.dumps(
      [_FORMAT, to_json(corpus), corpus.fingerprint(), settings],
      sort_keys=True).encode(), digest_size=16).hexdigest()
  folder = pathlib.Path(root or cache_dir()) / 'stores' / digest
  if not folder.exists():
    _build(corpus, config, folder, say)
  report = read_report(folder)
  return Prepared(
      tokenizers.Tokenizer.load(folder / 'tokenizer'),
      {split: Store(folder / split) for split in SPLITS},
      report['corpus_hash'], report)


def _build(corpus, config, folder, say):
  try:
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix='making-'))
  except OSError as error:
    raise DataError(f'cannot write the cache {folder.parent}: '
                    f'{error.strerror}; set PTM_JAX_CACHE') from error
  try:
    say(f'preparing the corpus {type(corpus).__module__.split(".")[-1]} '
        '(once; it is kept)')
    if config.path:
      tokenizer = tokenizers.Tokenizer.read(config.path)
    else:
      tokenizer = tokenizers.train(config, _train_texts(corpus, config))
    tokenizer.save(work / 'tokenizer')
    report = _encode(corpus, tokenizer, work)
    write_report(work, report)
    for line in _summary(report):
      say(line)
    try:
      os.rename(work, folder)
    except OSError:
      if not folder.exists():  # another process was faster otherwise
        raise
  finally:
    shutil.rmtree(work, ignore_errors=True)


def _unique(corpus, counts):
  """Documents without exact duplicates, which are counted."""
  seen = set()
  for document in corpus.documents():
    digest = hashlib.blake2b(document.text.encode(), digest_size=12).digest()
    if not document.text.strip():
      counts['empty_documents'] += 1
    elif digest in seen:
      counts['duplicate_documents'] += 1
    else:
      seen.add(digest)
      yield document


def _train_texts(corpus, config):
  """Train texts for the tokenizer: a sample spread over the corpus.

  A first pass over the train split is needed to know its size; every text
  then gives the same share of its bytes, taken from its beginning.
  """
  total = sum(len(document.text.encode()) for document
              in _unique(corpus, collections.Counter())
              if split_of(document) == 'train')
  share = min(1.0, config.train_bytes / max(total, 1))
  for document in _unique(corpus, collections.Counter()):
    if split_of(document) == 'train':
      yield document.text[:max(1, round(share * len(document.text)))]


def _encode(corpus, tokenizer, work):
  """Writes the stores; returns what was counted."""
  from ptm_jax.progress import bar
  counts = collections.Counter()
  digest = hashlib.blake2b(digest_size=16)
  writers = {split: Writer(work / split) for split in SPLITS}
  with bar('encoding', unit='MB') as advance:
    for document in _unique(corpus, counts):
      raw = document.text.encode()
      digest.update(len(raw).to_bytes(8, 'big') + raw)
      split = split_of(document)
      ids, flags = tokenizer.encode_with_flags(document.text)
      writers[split].add(ids, flags)
      counts[f'{split}_documents'] += 1
      counts[f'{split}_tokens'] += len(ids)
      counts[f'{split}_bytes'] += len(raw)
      advance(len(raw) / 1e6)
  for writer in writers.values():
    writer.close()
  for split in SPLITS:
    if not counts[f'{split}_tokens']:
      raise DataError(
          f'the {split} split is empty: {sum(counts[f"{s}_documents"] for s in SPLITS)} '
          'documents are too few (90 % train, 5 % validation, 5 % test, by a '
          'hash of the text); use smaller documents, such as '
          'corpus.documents=block')
  return {'corpus_hash': digest.hexdigest(), **counts,
          'repairs': dict(getattr(corpus, 'report', {}))}


def _summary(report):
  counted = ', '.join(
      f'{split} {report[f"{split}_documents"]:,} documents '
      f'{report[f"{split}_tokens"]:,} tokens' for split in SPLITS)
  yield f'corpus {report["corpus_hash"][:12]}: {counted}'
  for name in 'duplicate_documents', 'empty_documents':
    if report.get(name):
      yield f'{report[name]:,} {name.replace("_", " ")} left out'
  for name, value in report['repairs'].items():
    yield f'{name}: {value}'
