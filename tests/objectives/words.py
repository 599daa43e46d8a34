"""A vocabulary of single letters, to write hand examples with."""

import numpy as np

from ptm_jax.data.vocabulary import Vocabulary

VOCABULARY = Vocabulary(7 + 26 + 100)
_SPECIAL = {'.': 0, '<s>': 1, '</s>': 2, '[M]': 4, '[CLS]': 5, '[SEP]': 6,
            '<X>': VOCABULARY.size - 1, '<Y>': VOCABULARY.size - 2,
            '<Z>': VOCABULARY.size - 3}

PLANES = ('frequency', *(f'cooccurrence_{d}' for d in range(1, 11)))


def ids(text):
  """'a b [M]' -> int32 ids; '.' is padding."""
  return np.asarray([
      _SPECIAL[word] if word in _SPECIAL
      else VOCABULARY.text_start + ord(word) - ord('a')
      for word in text.split()], np.int32)


def show(values):
  """Ids -> 'a b [M]'."""
  names = {value: name for name, value in _SPECIAL.items()}
  return ' '.join(
      names[int(v)] if int(v) in names
      else chr(int(v) - VOCABULARY.text_start + ord('a'))
      for v in np.asarray(values))


def window(text, segments=None, index=0):
  """A raw window; `segments` such as '1 1 2 2' packs documents."""
  tokens = ids(text)
  if segments is None:
    segment_ids = (tokens > 0).astype(np.int32)
  else:
    segment_ids = np.asarray(segments.split(), np.int32)
  positions = np.zeros_like(segment_ids)
  for i in range(1, len(positions)):
    same = segment_ids[i] == segment_ids[i - 1] and segment_ids[i] > 0
    positions[i] = positions[i - 1] + 1 if same else 0
  return {'tokens': tokens, 'flags': np.zeros(len(tokens), np.uint8),
          'segment_ids': segment_ids, 'positions': positions,
          'index': np.int32(index), 'epoch': np.int32(0)}


def sentences(text, partner=''):
  """A raw window of 'a b | c d', sentences between bars, and its partner."""
  result = _sentences(text)
  length = len(result['tokens'])
  other = _sentences(partner) if partner else window('. ' * length)
  return {**result, **{f'partner_{name}': other[name]
                       for name in ('tokens', 'segment_ids', 'flags')}}


def _sentences(text):
  parts = [part.split() for part in text.split('|')]
  result = window(' '.join(word for part in parts for word in part))
  result['flags'] = np.asarray(
      [3 if i == 0 else 1 for part in parts for i in range(len(part))],
      np.uint8) * (result['tokens'] > 0).astype(np.uint8)
  result['flags'][0] = 7
  return result


def random_windows(count, length, segments=1, padding=0, seed=0):
  """A batch of random windows, `segments` documents each, padded at the end;
  two tokens in three start a word, and a third of these a sentence. Each
  brings a partner of one document, and the planes of words' frequencies and of
  pairs' counts.
  """
  windows = _random_texts(count, length, segments, padding, seed)
  partners = _random_texts(count, length, 1, 0, seed + 1000)
  for one in windows, partners:
    for field in PLANES:
      one[field] = (4 * (one['tokens'] % 24)).astype(np.uint8)
  return {**windows, **{f'partner_{name}': partners[name] for name in (
      'tokens', 'segment_ids', 'flags', *PLANES)}}


def _random_texts(count, length, segments, padding, seed):
  rng = np.random.default_rng(seed)
  rows = []
  for index in range(count):
    text = ' '.join(chr(97 + c) for c in rng.integers(0, 26, length - padding))
    cut = np.sort(rng.choice(np.arange(1, length - padding), segments - 1,
                             replace=False))
    ids_ = 1 + np.searchsorted(cut, np.arange(length - padding), 'right')
    rows.append(window(text + ' .' * padding,
                       ' '.join(map(str, [*ids_, *[0] * padding])), index))
    flags = np.random.default_rng([seed, index]).choice(
        [0, 1, 3], length, p=[0.35, 0.45, 0.2])
    flags[rows[-1]['positions'] == 0] = 7
    rows[-1]['flags'] = (flags * (rows[-1]['segment_ids'] > 0)).astype(
        np.uint8)
  return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
