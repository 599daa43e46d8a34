"""Published tokenizers: their own ids, and no way to a control token."""

import io
import json

import numpy as np
import pytest
import sentencepiece
import tokenizers

from ptm_jax import config, rng
from ptm_jax.data.flags import SENTENCE_START, WORD_START
from ptm_jax.data.prepare import expected_vocabulary
from ptm_jax.data.published import Published
from ptm_jax.data.tokenizer import Tokenizer
from ptm_jax.errors import ConfigError, DataError
from ptm_jax.objectives import masked, noise, span_corruption
from tests.convert import lines
from tests.data.samples import sentences

BERT = ['[PAD]', '[unused0]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '[', ']',
        'mask', 'cls', 'un', '##aff', '##able', 'the', '.', '(', ')', '"',
        'run', '##s', '中', '<', '>']


@pytest.fixture
def bert(tmp_path):
  path = tmp_path / 'vocab.txt'
  path.write_text('\n'.join(BERT) + '\n', encoding='utf8')
  return path


@pytest.fixture
def gpt2(tmp_path):
  """Letters, two merges, and `<|endoftext|>` last."""
  letters = tokenizers.pre_tokenizers.ByteLevel.alphabet()
  pieces = [*sorted(letters), 'th', '\u0120th', '<|endoftext|>']
  (tmp_path / 'vocab.json').write_text(json.dumps(
      {piece: one for one, piece in enumerate(pieces)}))
  (tmp_path / 'merges.txt').write_text('#version: 0.2\nt h\n\u0120 th\n',
                                       encoding='utf8')
  return tmp_path, pieces


def unigram(folder, **settings):
  """A SentencePiece model with T5's control ids, and its folder."""
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
      sentence_iterator=iter(sentences(300)), model_writer=model,
      vocab_size=60, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=3)
  (folder / 'spiece.model').write_bytes(model.getvalue())
  (folder / 'tokenizer_config.json').write_text(json.dumps(settings))
  return model.getvalue()


def test_word_pieces_keep_their_ids(bert):
  made = Published.read(bert)
  ids = made.encode('Unaffable (the) runs.')
  assert ids.tolist() == [10, 11, 12, 15, 13, 16, 18, 19, 14]
  assert made.decode(ids) == 'unaffable ( the ) runs.'
  assert made.pieces([3, 10, 11]) == ['[CLS]', 'un', '##aff']
  vocabulary = made.vocabulary
  assert [vocabulary.pad_id, vocabulary.unk_id, vocabulary.cls_id,
          vocabulary.bos_id, vocabulary.sep_id, vocabulary.eos_id,
          vocabulary.mask_id] == [0, 2, 3, 3, 4, 4, 5]
  assert vocabulary.size == len(BERT)
  assert vocabulary.text_ids == (1, *range(6, 23))


def test_words_and_sentences_are_those_of_the_text_as_written(bert):
  text = 'The runs. (the "un" runs). Unaffable the'
  ids, flags, lengths = Published.read(bert).encode_documents([text, '', 'the'])
  assert lengths.tolist() == [len(ids) - 1, 0, 1]
  words = [0, 1, 4, 6, 9, 13, 16]
  found = np.flatnonzero(flags[:-1] & WORD_START)
  starts = [Published.read(bert).pieces([ids[one]])[0] for one in found]
  assert starts == ['the', 'run', '(', '"', 'run', 'un', 'the'], words
  assert np.flatnonzero(flags & SENTENCE_START)[0] == 0
  # The second sentence begins with a small letter behind a bracket.
  assert [Published.read(bert).pieces([ids[one]])[0] for one in
          np.flatnonzero(flags & SENTENCE_START)] == ['the', '(', 'un', 'the']


@pytest.mark.parametrize('text', [
    '[MASK]', 'the [MASK] the', '[CLS][SEP]', '[PAD] <mask>', 'a[UNK]'])
def test_typed_control_tokens_are_text(bert, text):
  made = Published.read(bert)
  assert not set(made.encode(text).tolist()) & {0, 3, 4, 5}


def test_bytes_keep_their_ids(gpt2):
  folder, pieces = gpt2
  made = Published.read(folder / 'vocab.json')
  ids = made.encode('the th\u00e9\n\U0001f44d')
  assert made.decode(ids) == 'the th\u00e9\n\U0001f44d'
  assert [pieces[one] for one in ids[:4]] == ['th', 'e', '\u0120th', '\u00c3']
  assert b''.join(made.spellings[one] for one in ids) == (
      'the th\u00e9\n\U0001f44d'.encode())
  assert made.piece_bytes[ids].sum() == 13
  vocabulary = made.vocabulary
  assert vocabulary.bos_id == vocabulary.eos_id == vocabulary.cls_id == 258
  typed = made.encode('<|endoftext|>')
  assert 258 not in typed and made.decode(typed) == '<|endoftext|>'


def test_what_is_missing_says_so_or_is_added(gpt2):
  folder, _ = gpt2
  bare = Published.read(folder)
  with pytest.raises(ConfigError, match='259 ids has no mask token'):
    bare.vocabulary.mask_id  # pylint: disable=pointless-statement
  with pytest.raises(ConfigError, match='no sentinels'):
    bare.vocabulary.sentinel_id(0)
  assert bare.vocabulary.id_of('mask') is None
  with pytest.raises(ConfigError, match='sentinels'):
    span_corruption.Objective().bind(config.Model(), bare.vocabulary, 32)
  whole = Published.read(folder, complete=True).vocabulary
  assert (whole.mask_id, whole.size) == (259, 360)
  assert [int(whole.sentinel_id(k)) for k in (0, 1, 99)] == [359, 358, 260]
  assert int(whole.mark_id(0)) == 260
  assert whole.text_ids == bare.vocabulary.text_ids == tuple(range(258))
  # Rows that a published model has beyond its tokenizer stay without text.
  assert Published.read(folder, rows=300).vocabulary.size == 300


def test_a_tokenizer_of_more_ids_than_the_model_has_rows(gpt2):
  with pytest.raises(DataError, match='has 259 ids, and the model 200'):
    Published.read(gpt2[0], rows=200)


def test_a_unigram_model_finds_no_control_piece_in_text(tmp_path):
  """In the library all pieces are alike: `</s>` as a text is one of them."""
  made = tokenizers.Tokenizer(tokenizers.models.Unigram(
      [('<pad>', 0.0), ('</s>', 0.0), ('<unk>', 0.0), ('a', -1.0),
       ('<', -5.0), ('/', -5.0), ('s', -5.0), ('>', -5.0)], unk_id=2))
  path = tmp_path / 'tokenizer.json'
  made.save(str(path))
  assert made.encode('a</s>a').ids == [3, 1, 3]
  found = Published.read(path)
  assert found.encode('a</s>a').tolist() == [3, 4, 5, 6, 7, 3]
  assert found.encode('</s></s>').tolist() == [4, 5, 6, 7] * 2
  assert found.encode_documents(['a</s>'])[2].tolist() == [5]


def test_sentencepiece_keeps_its_ids_and_t5_its_sentinels(tmp_path):
  model = unigram(tmp_path, tokenizer_class='T5Tokenizer', extra_ids=10)
  made = Published.read(tmp_path)
  theirs = sentencepiece.SentencePieceProcessor(model_proto=model)
  for text in sentences(20, 5) + ['</s> <pad>', 'a  b', '\u00e9']:
    assert made.encode(text).tolist() == theirs.encode(text)
  flags = made.encode_with_flags('type \u00e9\u4e2d\U0001f44d int. Axis')[1]
  assert np.sum(flags & WORD_START > 0) == 4
  assert np.sum(flags & SENTENCE_START > 0) == 2
  vocabulary = made.vocabulary
  assert vocabulary.size == 70
  assert [int(vocabulary.sentinel_id(k)) for k in (0, 9)] == [69, 60]
  # T5 starts to write from its padding.
  assert (vocabulary.pad_id, vocabulary.eos_id, vocabulary.bos_id) == (0, 1, 0)
  assert 1 not in made.encode('</s>') and 69 not in made.encode('<extra_id_0>')


def test_saved_and_loaded_whole(tmp_path, gpt2):
  made = Published.read(gpt2[0], complete=True)
  made.save(tmp_path / 'saved')
  again = Tokenizer.load(tmp_path / 'saved')
  assert (again.hash, again.vocabulary) == (made.hash, made.vocabulary)
  assert np.array_equal(again.encode('the th'), made.encode('the th'))
  # A run's tokenizer is a path too.
  assert Tokenizer.read(tmp_path / 'saved').hash == made.hash
  merges = tmp_path / 'saved' / 'merges.txt'
  merges.write_text(merges.read_text().replace('t h', 'h e'))
  with pytest.raises(DataError, match='usable|hash'):
    Tokenizer.load(tmp_path / 'saved')


def test_masked_lm_draws_random_tokens_that_are_text(bert):
  vocabulary = expected_vocabulary(config.Tokenizer(path=str(bert)))
  tokens = np.full(4000, 13, np.int32)
  key = rng.stream(__import__('jax').random.key(0), 'x')
  shown, _ = noise.show_channel(
      key, tokens, np.ones(4000, bool), 0.0, 1.0, vocabulary)
  assert set(np.unique(shown).tolist()) == set(vocabulary.text_ids)
  assert masked.Objective().bind(
      config.Model(), vocabulary, 32).vocabulary.mask_id == 5


@pytest.mark.parametrize('files, message', [
    ({}, 'no tokenizer.json'), ({'vocab.json': '{}'}, 'needs merges.txt'),
    ({'tokenizer.json': '{"a": '}, 'not a tokenizer'),
    ({'tokenizer.json': '[]'}, 'no model of pieces'),
    ({'tokenizer.json': '{"model": {}}'}, 'not a tokenizer'),
    ({'vocab.txt': 'a\na\n'}, 'a piece twice'),
    ({'vocab.json': '{"a": 0}', 'merges.txt': 'a b c\n'}, 'two pieces'),
    ({'vocab.txt': '[UNK]\n', 'tokenizer_config.json': '{'}, 'cannot be read'),
    ({'vocab.txt': '[UNK]\n', 'added_tokens.json': '{"x": 9}'}, 'follow'),
    ({'x.model': 'no model'}, 'not a tokenizer'),
    ({'x.model': 'x', 'tokenizer_config.json':
      '{"tokenizer_class": "PegasusTokenizer"}'}, 'numbers the pieces')])
def test_files_that_are_none(tmp_path, files, message):
  for name, content in files.items():
    (tmp_path / name).write_text(content)
  with pytest.raises(DataError, match=message) as caught:
    Tokenizer.read(tmp_path)
  assert '\n' not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_path_that_is_not_there(tmp_path):
  with pytest.raises(DataError, match='tokenizer.path=.*No such file'):
    Tokenizer.read(tmp_path / 'missing.model')


def test_a_lone_surrogate_is_refused(gpt2):
  with pytest.raises(DataError, match='not valid Unicode'):
    Published.read(gpt2[0]).encode('a\ud800b')


def _gpt2_files(folder):
  import gzip
  data = lines.DATA / 'vocab_files'
  if not data.exists():
    pytest.skip(f'{data} is absent')
  def read(name):
    return gzip.decompress((data / name).read_bytes()).decode('utf8')
  pieces = read('huggingface_gpt2_vocab.txt.gz').rstrip('\n').split('\n')
  (folder / 'vocab.json').write_text(json.dumps(
      {piece: one for one, piece in enumerate(pieces)}))
  (folder / 'merges.txt').write_text(read('huggingface_gpt2_merges.txt.gz'))
  return read


@pytest.mark.peers
def test_transformers_gives_the_same_ids_on_2000_lines(tmp_path):
  transformers = pytest.importorskip('transformers')
  read = _gpt2_files(tmp_path)
  texts = (lines.published(450) + lines.invented(2000))[:2000]
  cases = [(transformers.GPT2Tokenizer, tmp_path, {})]
  for name, lower in (('google_uncased_en', True), ('google_zh', True)):
    folder = tmp_path / name
    folder.mkdir()
    (folder / 'vocab.txt').write_text(read(f'{name}_vocab.txt.gz'),
                                      encoding='utf8')
    (folder / 'tokenizer_config.json').write_text(
        json.dumps({'do_lower_case': lower}))
    cases.append((transformers.BertTokenizer, folder, {}))
  for kind, folder, options in cases:
    theirs = kind.from_pretrained(folder, **options)
    made = Published.read(folder)
    control = {one for _, one in made.vocabulary.roles} - {
        made.vocabulary.id_of('unk')}
    for text in texts:
      ids = made.encode(text).tolist()
      assert ids == theirs.encode(
          text, add_special_tokens=False, split_special_tokens=True), text
      assert not control & set(ids)
