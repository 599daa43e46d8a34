"""SentencePiece: lossless, and unable to spell a control token."""

import io

import hypothesis
import numpy as np
import pytest
import sentencepiece
from hypothesis import strategies

from ptm_jax import config
from ptm_jax.data import tokenizer, train_tokenizer
from ptm_jax.data.flags import (CAPITAL, DOCUMENT_START, SENTENCE_START,
                                WORD_START)
from ptm_jax.data.tokenizer import Tokenizer
from ptm_jax.data.vocabulary import NUM_CONTROL, Vocabulary
from ptm_jax.errors import ConfigError, DataError
from tests.data.samples import sentences

KINDS = ('unigram', 'bpe')
AWKWARD = [
    '', ' ', '  ', '\n', '\n\n', ' \n ', 'a  b   c', '\t', '\0', '\x01\x1f\x7f',
    '\u2581', '\u2581\u2581 \u2581', '\u241b', '\u241bs', '\u241b\u241b',
    '\u2585', '\ufeff', '\ufffd', 'é', 'e\u0301', '\u0130', 'ﬁ', '①', '日本語。',
    '👩‍👩‍👧', '\u200b\u202e', '\U0010ffff', '<s>', '</s>', '<pad>', '<mask>',
    '<unk>', '<0x41>', '<99>', '[MASK]', 'x' * 3000, '\r\n', ' lead', 'trail ']


@pytest.fixture(scope='module', params=KINDS)
def trained(request):
  return train_tokenizer.train(
      config.Tokenizer(request.param, 420), sentences(400))


@pytest.mark.parametrize('text', AWKWARD)
def test_awkward_strings_come_back(trained, text):
  ids = trained.encode(text)
  assert trained.decode(ids) == text
  assert ids.dtype == np.int32


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(text=strategies.text(
    strategies.characters(exclude_categories=('Cs',)), max_size=60))
def test_every_valid_string_comes_back(trained, text):
  ids = trained.encode(text)
  assert trained.decode(ids) == text
  vocabulary = trained.vocabulary
  # No text reaches a control id or a sentinel.
  assert np.all((ids >= vocabulary.text_start) & (ids < vocabulary.text_end))


def test_all_of_unicode_comes_back(trained):
  for start in range(0, 0x110000, 0x8000):
    text = ''.join(chr(one) for one in range(start, start + 0x8000)
                   if not 0xd800 <= one <= 0xdfff)
    assert trained.decode(trained.encode(text)) == text


def test_a_lone_surrogate_is_refused(trained):
  with pytest.raises(DataError, match='not valid Unicode'):
    trained.encode('a\ud800b')


def test_the_layout_of_the_ids(trained):
  vocabulary = trained.vocabulary
  assert vocabulary == Vocabulary(420) and trained.piece_bytes.shape == (420,)
  assert [vocabulary.pad_id, vocabulary.bos_id, vocabulary.eos_id,
          vocabulary.unk_id, vocabulary.mask_id, vocabulary.cls_id,
          vocabulary.sep_id] == list(range(NUM_CONTROL))
  assert vocabulary.sentinel_id(0) == 419
  assert vocabulary.sentinel_id(99) == 320 == vocabulary.text_end
  assert trained.decode([1, 0, 2, 4, 419]) == ''
  assert trained.pieces([0, 4, 419]) == ['<pad>', '<mask>', '<0>']


def test_ids_stand_for_their_bytes(trained):
  for text in sentences(20, seed=1) + ['日本語 é <0x41>', 'naïve']:
    assert trained.piece_bytes[trained.encode(text)].sum() == len(
        text.encode())
  assert not trained.piece_bytes[:NUM_CONTROL].any()
  assert not trained.piece_bytes[trained.vocabulary.text_end:].any()


def test_training_twice_gives_the_same_tokenizer():
  for name in KINDS:
    one, other = (train_tokenizer.train(
        config.Tokenizer(name, 400), sentences(200)) for _ in range(2))
    assert one.hash == other.hash
    different = train_tokenizer.train(
        config.Tokenizer(name, 400), sentences(200, seed=9))
    assert different.hash != one.hash


def test_saved_and_loaded(trained, tmp_path):
  trained.save(tmp_path)
  loaded = Tokenizer.load(tmp_path)
  text = sentences(1)[0]
  assert loaded.hash == trained.hash and loaded.lossless
  assert np.array_equal(loaded.encode(text), trained.encode(text))
  damaged = bytearray((tmp_path / 'tokenizer.model').read_bytes())
  damaged[20] ^= 1
  (tmp_path / 'tokenizer.model').write_bytes(damaged)
  with pytest.raises(DataError):
    Tokenizer.load(tmp_path)


def test_many_texts_at_once_are_each_alone(trained):
  texts = ['One two. Three.', '', 'Four\n\nfive', ' ']
  ids, flags, lengths = trained.encode_documents(texts)
  parts = np.split(ids, np.cumsum(lengths)[:-1])
  marks = np.split(flags, np.cumsum(lengths)[:-1])
  for text, part, mark in zip(texts, parts, marks, strict=True):
    alone, alone_flags = trained.encode_with_flags(text)
    assert np.array_equal(part, alone) and np.array_equal(mark, alone_flags)


def test_flags_mark_words_sentences_and_documents(trained):
  ids, flags = trained.encode_with_flags('The array. Value of int\nnone')
  words = [trained.decode(part).strip() for part in np.split(
      ids, np.flatnonzero(flags & WORD_START)[1:])]
  # A line's end is a word of its own.
  assert words == ['The', 'array.', 'Value', 'of', 'int', '', 'none']
  assert np.sum(flags & SENTENCE_START > 0) == 2
  assert np.flatnonzero(flags & DOCUMENT_START).tolist() == [0]


def test_a_long_text_is_cut_and_comes_back(trained, monkeypatch):
  monkeypatch.setattr(tokenizer, '_AT_ONCE', 100)
  for text in (''.join(sentences(50)), 'x' * 1001, ' ' * 500,
               'word ' * 100 + '\n' * 300):
    ids = trained.encode(text)
    assert trained.decode(ids) == text


def test_a_cut_changes_no_token(trained, monkeypatch):
  text = ' '.join(one.strip() for one in sentences(60))
  whole = trained.encode(text)
  monkeypatch.setattr(tokenizer, '_AT_ONCE', 200)
  assert np.array_equal(trained.encode(text), whole)


def test_long_lines_are_sampled_in_parts_not_skipped():
  line = ' '.join(one.strip() for one in sentences(300))
  parts = list(train_tokenizer.sample([line], 1.0, 10**9))
  assert ''.join(parts) == line and max(map(len, parts)) <= 1000


def test_the_sample_is_spread_over_all_of_the_text():
  texts = [f'text {number} of many, all of one length\n'.ljust(60)
           for number in range(100, 1000)]
  parts = [part for part in train_tokenizer.sample(texts, 0.1, 10**9)
           if part.strip()]
  numbers = [int(part.split()[1]) for part in parts]
  assert 80 <= len(numbers) <= 100
  assert min(numbers) < 120 and max(numbers) > 970


@pytest.mark.parametrize('kind', KINDS)
def test_a_vocabulary_larger_than_the_corpus_supports(kind):
  with pytest.raises(DataError, match=r'vocab_size=9000 .*at most \d+'
                     ) as caught:
    train_tokenizer.train(config.Tokenizer(kind, 9000), sentences(50))
  largest = int(str(caught.value).rsplit(' ', 1)[1])
  trained = train_tokenizer.train(
      config.Tokenizer(kind, largest), sentences(50))
  assert trained.vocabulary.size == largest


def test_a_vocabulary_without_room_for_bytes():
  with pytest.raises(ConfigError, match='use at least 396'):
    train_tokenizer.train(config.Tokenizer('bpe', 300), sentences(50))


def test_no_text_to_train_on():
  with pytest.raises(DataError, match='no text'):
    train_tokenizer.train(config.Tokenizer('bpe', 420), [])


def test_an_existing_model(tmp_path):
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
      sentence_iterator=iter(sentences(300)), model_writer=model,
      vocab_size=60, model_type='bpe', control_symbols=['<mask>'],
      minloglevel=3)
  path = tmp_path / 'their.model'
  path.write_bytes(model.getvalue())
  theirs = Tokenizer.read(path)
  text = 'the array returns a value'
  expected = sentencepiece.SentencePieceProcessor(
      model_proto=model.getvalue()).encode(text, out_type=str)
  assert theirs.pieces(theirs.encode(text)) == expected
  assert theirs.decode(theirs.encode(text)) == text
  # 60 pieces with an id each, and new sentinels behind them.
  vocabulary = theirs.vocabulary
  assert vocabulary.size == 60 + 100
  spelled = theirs.encode('<mask> <s> </s> é')
  assert not {vocabulary.bos_id, vocabulary.eos_id,
              vocabulary.mask_id} & set(spelled.tolist())
  assert vocabulary.unk_id in spelled  # their model knows no é


@pytest.mark.parametrize('content', [b'', b'not a model'])
def test_a_file_that_is_no_model(tmp_path, content):
  path = tmp_path / 'x.model'
  path.write_bytes(content)
  with pytest.raises(DataError, match=f'tokenizer.path={path}'):
    Tokenizer.read(path)
  with pytest.raises(DataError, match='No such file'):
    Tokenizer.read(tmp_path / 'missing.model')


@pytest.fixture(scope='module', params=KINDS)
def lower_cased(request):
  return train_tokenizer.train(
      config.Tokenizer(request.param, 420, lower_case=True), sentences(400))


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(text=strategies.text(
    strategies.characters(exclude_categories=('Cs',)), max_size=60))
def test_lower_case_comes_back_and_capitals_are_flags(lower_cased, text):
  ids, flags = lower_cased.encode_with_flags(text)
  found = lower_cased.decode(ids)
  assert len(found) == len(text)
  for one, lowered in zip(text, found, strict=True):
    # The Greek sigma has two lower cases; few capitals have two characters.
    assert (lowered == one.lower() or {one, lowered} <= set('ΣςI\u0307')
            or lowered == one and len(one.lower()) > 1)
  starts = np.flatnonzero(flags & WORD_START)
  spelled = [escaped.decode('utf8', 'replace') for escaped in (
      b''.join(lower_cased.spellings[one] for one in ids[start:end])
      for start, end in zip(starts, np.append(starts[1:], len(ids))[:len(starts)],
                               strict=True))]
  place, original = 0, tokenizer.escape(text)
  for start, word in zip(starts, spelled, strict=True):
    written = original[place:place + len(word)]
    place += len(word)
    first = next((i for i, one in enumerate(written) if one.isalpha()), None)
    expected = first is not None and written[first] != word[first]
    assert bool(flags[start] & CAPITAL) == expected, (text, written)


def test_the_words_of_the_card_and_its_sentences(lower_cased):
  text = 'Apple sells an apple. Then nobody buys. it (Perhaps) ends'
  ids, flags = lower_cased.encode_with_flags(text)
  assert lower_cased.decode(ids) == text.lower()
  words = [lower_cased.decode(part) for part in np.split(
      ids, np.flatnonzero(flags & WORD_START)[1:])]
  capital = flags[flags & WORD_START > 0] & CAPITAL > 0
  assert [word.strip() for word, one in zip(words, capital) if one] == [
      'apple', 'then', '(perhaps)']
  # All of a word has its flag.
  assert np.all((flags & CAPITAL > 0) == capital[
      np.cumsum(flags & WORD_START > 0) - 1])
  # A sentence begins with a capital, which the ids no longer show.
  assert int(np.sum(flags & SENTENCE_START > 0)) == 2


def test_lower_case_is_part_of_what_is_saved(lower_cased, tmp_path):
  lower_cased.save(tmp_path)
  found = Tokenizer.load(tmp_path)
  assert found.lower_case and found.hash == lower_cased.hash
  assert Tokenizer(lower_cased._model).hash != lower_cased.hash
  assert found.decode(found.encode('MiXed')) == 'mixed'


def test_lower_case_of_a_foreign_model_is_refused():
  with pytest.raises(ConfigError, match='tokenizer.path=some.model'):
    config.Tokenizer(path='some.model', lower_case=True).validate()
