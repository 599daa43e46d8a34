"""Tokenizers by training: the same every time, lossless at the awkward ends,
and unimpressed by text that spells control tokens.
"""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptm_jax import config
from ptm_jax.data.tokenizer import escape, unescape
from ptm_jax.data.train_tokenizer import sample, train, without_rare_characters
from ptm_jax.data.vocabulary import NUM_CONTROL
from ptm_jax.errors import DataError, PtmError
from tests.conftest import ROOT

KINDS = ('unigram', 'bpe')
WORDS = ('the array function returns a value of type int when axis is none '
         'and shape must match input output for each element').split()
SPELLED = ('<pad> <s> </s> <unk> <mask> <cls> <sep> [MASK] [CLS] [SEP] <0> '
           '<99> <extra_id_0> <0x41> <0x0A> ▁ ▁<mask>▁ ␛s ␛␛').split(' ')


def texts(count=300, words=WORDS):
  draw = random.Random(0)
  return [' '.join(draw.choices(words, k=draw.randint(3, 20))) + '.'
          for _ in range(count)]


@pytest.fixture(scope='module', params=KINDS)
def kind(request):
  return request.param


@pytest.fixture(scope='module')
def plain(kind):
  return train(config.Tokenizer(kind, 400), texts())


@pytest.fixture(scope='module')
def spelled(kind):
  """Trained on text that is full of control tokens."""
  return train(config.Tokenizer(kind, 420), texts(words=WORDS + SPELLED * 3))


# What SentencePiece and our escapes treat in a way of their own, in any order.
CONFUSING = st.text(st.sampled_from(
    '▁␛s \n\t\r\0\u2585\ufeff\ufffd\u00a0\u200b\u0301<>0x41/mask日👩'),
    max_size=30)
ANY = st.text(st.characters(exclude_categories=('Cs',)), max_size=30)


@settings(max_examples=400, deadline=None)
@given(text=CONFUSING)
def test_escapes_are_undone(text):
  escaped = escape(text)
  assert unescape(escaped) == text and '▁' not in escaped
  assert len(escaped) == len(text) + text.count('▁') + text.count('␛')


@settings(max_examples=200, deadline=None)
@given(text=CONFUSING | ANY | st.lists(st.sampled_from(
    SPELLED + [' ', '\n', '  ']), max_size=8).map(''.join),
       of_spelled=st.booleans())
def test_confusing_text_comes_back_byte_by_byte(plain, spelled, of_spelled,
                                                text):
  tokenizer = spelled if of_spelled else plain
  ids = tokenizer.encode(text)
  assert tokenizer.decode(ids) == text
  vocabulary = tokenizer.vocabulary
  assert ((ids >= NUM_CONTROL) & (ids < vocabulary.text_end)).all()
  # The bytes of a text are those of its ids; an escape takes some more.
  assert tokenizer.piece_bytes[ids].sum() == len(escape(text).encode())
  assert (tokenizer.piece_bytes[ids] > 0).all()
  assert np.array_equal(tokenizer.encode(text), ids)


def test_every_id_of_text_stands_for_its_own_bytes(plain):
  vocabulary = plain.vocabulary
  ids = np.arange(NUM_CONTROL, vocabulary.text_end)
  assert vocabulary.size == 400 and len(ids) == 400 - NUM_CONTROL - 100
  pieces = plain.pieces(ids)
  assert len(set(pieces)) == len(pieces)
  assert not set(pieces) & {'<pad>', '<s>', '</s>', '<unk>', '<mask>'}
  single = [one for one, piece in zip(ids, pieces, strict=True)
            if piece.startswith('<0x')]
  assert len(single) == 256 and (plain.piece_bytes[single] == 1).all()
  for one in sorted(set(ids) - set(single)):
    text = plain.decode([one])
    assert len(text.encode()) == plain.piece_bytes[one] and text


def test_control_tokens_and_sentinels_are_no_pieces(spelled):
  vocabulary = spelled.vocabulary
  for text in SPELLED:
    assert spelled.decode(spelled.encode(text)) == text
  # Ours have the same names and decode to nothing.
  ours = [*range(NUM_CONTROL), *range(vocabulary.text_end, vocabulary.size)]
  assert len(ours) == NUM_CONTROL + 100
  assert spelled.decode(ours) == ''
  assert [vocabulary.sentinel_id(k) for k in range(100)] == ours[:6:-1]
  ids = np.concatenate([[1, 5], spelled.encode('a <mask> b'), [4, 2, 419]])
  assert spelled.decode(ids) == 'a <mask> b'


TRAIN = '''
from ptm_jax import config
from ptm_jax.data.train_tokenizer import train
from tests.data.test_train_tokenizer import KINDS, texts
for kind in KINDS:
  print(train(config.Tokenizer(kind, 400), texts()).hash)
'''


def test_another_process_trains_the_same(plain):
  found = subprocess.run(
      [sys.executable, '-c', TRAIN], cwd=ROOT, text=True, check=True,
      stdout=subprocess.PIPE, env={**os.environ, 'PYTHONHASHSEED': '77'})
  assert plain.hash in found.stdout.split()
  assert len(set(found.stdout.split())) == 2


def test_the_hash_follows_kind_size_and_text():
  settings_of = [config.Tokenizer(kind, size) for kind in KINDS
                 for size in (396, 400)]
  hashes = {train(one, texts()).hash for one in settings_of}
  hashes.add(train(settings_of[0], texts(200)).hash)
  assert len(hashes) == 5


def test_a_long_line_is_learned_from(kind):
  # SentencePiece skips a line of more than 4192 bytes and says nothing.
  line = ' '.join(['zebrafish', *WORDS[:3]] * 2000)
  assert len(line) > 40_000
  trained = train(config.Tokenizer(kind, 420), [line])
  pieces = trained.pieces(np.arange(NUM_CONTROL, trained.vocabulary.text_end))
  assert any('zebra' in piece for piece in pieces)
  assert len(trained.encode('zebrafish')) < 5


@pytest.mark.parametrize('words', [
    ['数组', '函数', '返回', '一个', '类型', '为', '的', '值'],
    ['\u2585', 'a\0b', '\t', 'x\x7fy', '\ufeff', '▁', '␛s', 'plain', 'words'],
    ['👩‍👩‍👧', 'e\u0301', 'ﬁ', '\u00a0', 'plain', 'words']])
def test_text_of_any_writing_can_be_trained_on(kind, words):
  many = texts(words=words + WORDS)
  trained = train(config.Tokenizer(kind, 396), many)
  assert all(trained.decode(trained.encode(text)) == text for text in many)


def test_characters_of_whole_lines_are_kept_but_for_the_rare():
  lines = ['abab' * 50, 'abcab', 'ba\u2585ab']
  assert list(without_rare_characters(lines, 4)) == [
      'abab' * 50, 'ab', 'ab', 'ba', 'ab']
  # SentencePiece would skip the whole of a line with this character.
  assert list(without_rare_characters(['ab\u2585' * 9], 20)) == ['ab'] * 9
  many = ''.join(chr(0x4e00 + n) for n in range(50))
  kept = set(''.join(without_rare_characters([many, 'a' * 50], 20)))
  assert len(kept) == 10 and 'a' in kept


def test_the_sample_is_cut_by_bytes_and_ends():
  many = ['日' * 1500] * 10
  parts = list(sample(many, 1.0, 10_000))
  assert [len(part) for part in parts] == [1000, 500, 1000, 500, 1000]
  assert list(sample(many, 1.0, 10_000)) == parts


@pytest.mark.parametrize('size,few', [(30_000, 300), (2000, 2), (600, 1)])
def test_more_ids_than_the_text_supports_is_one_line(kind, size, few):
  with pytest.raises(PtmError) as error:
    train(config.Tokenizer(kind, size), texts(few))
  assert isinstance(error.value, DataError)
  message = str(error.value)
  assert '\n' not in message and len(message) < 200
  assert 'use at most' in message or 'too small' in message
