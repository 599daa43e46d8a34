"""Our tokenizer in the field's files has the same ids."""

import dataclasses
import json
import unicodedata

import numpy as np
import pytest
import tokenizers

from ptm_jax import config
from ptm_jax.convert import tokenizer_files
from ptm_jax.data import train_tokenizer
from ptm_jax.data.published import Published
from ptm_jax.data.symbols import Symbols
from ptm_jax.errors import DataError
from ptm_jax.objectives import (autoregressive, denoising, masked, permutation,
                                span_corruption)
from tests.convert import lines
from tests.data.samples import sentences


@pytest.fixture(scope='module', params=[
    ('unigram', False), ('bpe', False), ('unigram', True)])
def written(request, tmp_path_factory):
  """Our tokenizer, and the folder of its published files."""
  kind, lower_case = request.param
  text = sentences(200) + lines.invented(300, 1) + [
      '中文的文字。 <i>tags</i> ====', 'xxxxxx  e\u0301 caf\u00e9']
  made = train_tokenizer.train(
      config.Tokenizer(kind, 640, lower_case=lower_case), text)
  folder = tmp_path_factory.mktemp('published')
  tokenizer_files.write(made, folder, ([5], [6], [6]))
  return made, folder


def _lines(made, count):
  found = lines.invented(count) + sentences(40)
  if made.lower_case:
    # The lower case of a letter that is younger than this Python's Unicode is
    # known to one library and not to the other.
    found = [''.join(one for one in line if unicodedata.category(one) != 'Cn')
             for line in found]
  return found


def test_the_library_gives_our_ids_and_our_text(written):
  made, folder = written
  theirs = tokenizers.Tokenizer.from_file(str(folder / 'tokenizer.json'))
  theirs.encode_special_tokens = True
  assert theirs.get_vocab_size() == made.vocabulary.size
  texts = _lines(made, 400)
  for text, found in zip(texts, theirs.encode_batch(
      texts, add_special_tokens=False), strict=True):
    ids = made.encode(text).tolist()
    assert found.ids == ids, text
    assert theirs.decode(ids) == made.decode(ids)


def test_special_tokens_stand_around_a_text(written):
  made, folder = written
  theirs = tokenizers.Tokenizer.from_file(str(folder / 'tokenizer.json'))
  one, other = made.encode('the array').tolist(), made.encode('type').tolist()
  assert theirs.encode('the array').ids == [5, *one, 6]
  pair = theirs.encode('the array', 'type')
  assert pair.ids == [5, *one, 6, *other, 6]
  assert pair.type_ids == [0] * (len(one) + 2) + [1] * (len(other) + 1)


def test_two_special_tokens_stand_behind_all_texts(written, tmp_path):
  made, _ = written
  tokenizer_files.write(made, tmp_path, ((), (6,), (6, 5)),
                        padding_side='left')
  theirs = tokenizers.Tokenizer.from_file(str(tmp_path / 'tokenizer.json'))
  one, other = made.encode('the array').tolist(), made.encode('type').tolist()
  single, pair = theirs.encode('the array'), theirs.encode('the array', 'type')
  assert single.ids == [*one, 6, 5]
  assert single.type_ids == [0] * (len(one) + 1) + [2]
  assert pair.ids == [*one, 6, *other, 6, 5]
  assert pair.type_ids == [0] * (len(one) + 1) + [1] * (len(other) + 1) + [2]
  said = json.loads((tmp_path / 'tokenizer_config.json').read_text())
  assert said['padding_side'] == 'left'


def test_what_was_written_is_ours_again(written):
  made, folder = written
  again = tokenizer_files.read(folder)
  assert again.hash == made.hash and again.lower_case == made.lower_case
  assert np.array_equal(again.encode('the Array'), made.encode('the Array'))


@pytest.mark.parametrize('objective, expected', [
    (masked.Objective(), ([5], [6], [6])),
    (autoregressive.Objective(), ([1], [6], [])),
    (span_corruption.Objective(), ([], [6], [2])),
    (denoising.Objective(), ([], [6], [2])),
    (denoising.Objective(opening=True), ([1], [6], [2])),
    (permutation.Objective(closing=True), ([], [6], [6, 5]))])
def test_the_template_is_what_the_trunk_reads(written, objective, expected):
  made, _ = written
  bound = objective.bind(config.Model(max_length=512), made.vocabulary, 64)
  assert tokenizer_files.around_texts(made, bound) == expected


@pytest.fixture
def published():
  """A tokenizer without anything around a text, as GPT-2's."""
  library = tokenizers.Tokenizer(tokenizers.models.WordLevel(
      {'a': 0, 'b': 1, '</s>': 2, '<unk>': 3}, unk_token='<unk>'))
  library.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
  library.add_special_tokens(['</s>'])
  return Published({
      'tokenizer.json': library.to_str().encode(),
      'tokenizer_config.json': json.dumps({
          'tokenizer_class': 'GPT2Tokenizer', 'eos_token': '</s>',
          'pad_token': None}).encode()})


def test_what_a_trunk_has_read_stands_around_published_text(
    published, tmp_path):
  tokenizer_files.write(published, tmp_path, ([2], [2], []), types=True)
  made = tokenizers.Tokenizer.from_file(str(tmp_path / 'tokenizer.json'))
  assert made.encode('a b').ids == [2, 0, 1]
  assert made.encode('a', 'b').ids == [2, 0, 2, 1]
  settings = json.loads((tmp_path / 'tokenizer_config.json').read_text())
  assert settings['tokenizer_class'] == 'PreTrainedTokenizerFast'
  assert 'token_type_ids' in settings['model_input_names']
  assert settings['pad_token'] == '</s>'


def test_types_and_the_side_of_padding_are_told_to_what_stays(published,
                                                              tmp_path):
  tokenizer_files.write(published, tmp_path, types=True, padding_side='left')
  assert (tmp_path / 'tokenizer.json').read_bytes() == published.files[
      'tokenizer.json']
  settings = json.loads((tmp_path / 'tokenizer_config.json').read_text())
  assert settings['tokenizer_class'] == 'GPT2Tokenizer'
  assert settings['padding_side'] == 'left'
  assert 'token_type_ids' in settings['model_input_names']


@pytest.mark.parametrize('around, trained', [
    (([2], [2], []), False), (((), (), ()), True)])
def test_a_published_tokenizer_stays_as_it_is(published, around, trained,
                                              tmp_path):
  published.vocabulary = dataclasses.replace(
      published.vocabulary, roles=(*published.vocabulary.roles, ('pad', 2)))
  tokenizer_files.write(published, tmp_path, around, trained=trained)
  for name, content in published.files.items():
    assert (tmp_path / name).read_bytes() == content


def test_types_of_tokens_are_read_where_the_trunk_has_some(written, tmp_path):
  made, _ = written
  for types in False, True:
    tokenizer_files.write(made, tmp_path, ([5], [6], [6]), types)
    names = json.loads((tmp_path / 'tokenizer_config.json').read_text())[
        'model_input_names']
    assert ('token_type_ids' in names) == types


def test_symbols_have_no_published_form(tmp_path):
  with pytest.raises(DataError, match='of symbols'):
    tokenizer_files.write(Symbols(5), tmp_path)


def test_sums_of_scores_are_exact_wherever_a_text_stands(written):
  made, _ = written
  if not made.is_unigram:
    pytest.skip('scores are ranks')
  scores = made.scores() * 256
  assert np.array_equal(scores, np.round(scores)) and np.any(scores)
  # Both ways to cut a run are equally likely, here and behind a long text.
  for run in 'xxxxxxx', '=====':
    alone = made.encode(run)
    behind = made.encode('the array function ' * 300 + '\u4e2d' + run)
    assert np.array_equal(behind[-len(alone):], alone)


@pytest.mark.peers
def test_auto_tokenizer_gives_our_ids_on_2000_lines(written):
  transformers = pytest.importorskip('transformers')
  made, folder = written
  theirs = transformers.AutoTokenizer.from_pretrained(folder)
  texts = (lines.published(450) + _lines(made, 2000))[:2000]
  found = theirs(texts, add_special_tokens=False)['input_ids']
  for text, ids in zip(texts, found, strict=True):
    assert ids == made.encode(text).tolist(), text
  control = range(7)
  typed = theirs(list(lines.TYPED), add_special_tokens=False)['input_ids']
  for ids in typed:
    assert not set(ids) & {*control, *range(made.vocabulary.text_end,
                                            made.vocabulary.size)}
  assert [theirs.pad_token_id, theirs.bos_token_id, theirs.eos_token_id,
          theirs.unk_token_id, theirs.mask_token_id, theirs.cls_token_id,
          theirs.sep_token_id] == list(control)
  assert theirs('the array')['input_ids'] == [
      5, *made.encode('the array').tolist(), 6]
  assert len(theirs) == made.vocabulary.size


@pytest.mark.peers
@pytest.mark.parametrize('model_type', [
    'bert', 'roberta', 'gpt2', 't5', 'bart', 'xlnet', 'deberta-v2'])
def test_the_family_does_not_change_the_ids(written, model_type):
  transformers = pytest.importorskip('transformers')
  made, folder = written
  (folder / 'config.json').write_text(json.dumps({'model_type': model_type}))
  try:
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
  finally:
    (folder / 'config.json').unlink()
  for text in _lines(made, 100):
    assert theirs(text)['input_ids'] == [5, *made.encode(text).tolist(), 6]
