"""How much of a test split the trunk may have read before."""

import pathlib

import numpy as np

from ptm_jax import serialize
from ptm_jax.data.documents import cache_dir
from ptm_jax.data.prepare import key_of
from ptm_jax.data.store import Store, read_report
from ptm_jax.errors import DataError, PtmError

RUN = 13  # tokens in a row that count as having been read
_AT_ONCE = 2**20


def hashes(ids):
  """A 64-bit hash of every `RUN` tokens in a row, uint64 `[n - RUN + 1]`.

  Args:
    ids: int `[n]`.
  """
  count = max(len(ids) - RUN + 1, 0)
  found = np.zeros(count, np.uint64)
  factor, mixed = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
  for place in range(RUN):
    part = np.asarray(ids[place:place + count]).astype(np.uint64)
    found = (found ^ ((part + np.uint64(1)) * mixed)) * factor
    found ^= found >> np.uint64(29)
  return found


def shared(examples, corpus):
  """Which examples share `RUN` tokens in a row with a corpus.

  Args:
    examples: list of int arrays, the tokens of each.
    corpus: int `[tokens]`, may be memory-mapped.

  Returns:
    bool `[examples]`.
  """
  own = [hashes(ids) for ids in examples]
  wanted = np.unique(np.concatenate([np.zeros(0, np.uint64), *own]))
  met = np.zeros(len(wanted), bool)
  for start in range(0, len(corpus), _AT_ONCE):
    part = hashes(corpus[start:start + _AT_ONCE + RUN - 1])
    place = np.minimum(np.searchsorted(wanted, part), max(len(wanted) - 1, 0))
    if len(wanted):
      met[place[wanted[place] == part]] = True
  return np.asarray([bool(np.any(met[np.searchsorted(wanted, one)]))
                     for one in own])


def with_pretraining(run, checkpoint, examples, say):
  """The share of test examples that share `RUN` tokens in a row with what the
  trunk was pre-trained on; nothing where that is not at hand.

  Args:
    run: `load.Loaded`.
    checkpoint: its folder, which names the prepared corpus.
    examples: list of `base.Example`.
    say: takes one line for the user.
  """
  try:
    facts = serialize.read_json(pathlib.Path(checkpoint) / 'config.json')
    if 'corpus_hash' not in facts:
      raise DataError('nothing says what a published trunk has read')
    folder = cache_dir() / 'stores' / key_of(
        run.config.corpus, run.config.tokenizer)
    if facts['corpus_hash'] != read_report(folder)['corpus_hash']:
      raise DataError('the corpus has changed since')
    store = Store(folder / 'train')
  except (PtmError, KeyError, AttributeError) as error:
    say('overlap with the pre-training text is not known: '
        f'{" ".join(str(error).split())[:200]}')
    return {'test_in_pretraining': None}
  found = shared(
      [np.concatenate([run.tokenizer.encode(text) for text in one.texts])
       for one in examples], store.ids)
  share = float(np.mean(found))
  say(f'{100 * share:.1f} % of the test examples share {RUN} tokens in a row '
      'with the pre-training text')
  return {'test_in_pretraining': share}
