"""Zero-shot tasks read what is published and count as they say."""

import json
import math

import numpy as np
import pytest

from ptm_jax import __main__
from ptm_jax.convert.pooled import Pooled
from ptm_jax.errors import ConfigError, DataError
from ptm_jax.find import find
from ptm_jax.scoring import evaluation, stream
from ptm_jax.scoring.embedder import Embedder, word_vectors
from ptm_jax.scoring.scorer import Score, Scorer
from ptm_jax.scoring.trunk import Trunk
from ptm_jax.tasks import word_analogy
from tests.scoring.runs import Letters, run_of
from tests.tasks.test_published import FIXTURES


class Told:
  """A trunk whose score of a text is its length in characters."""

  def __init__(self):
    self.asked = []

  def score(self, texts):
    self.asked += texts
    return [Score(np.full(2, len(text) / 2), np.asarray([True, 'x' in text]),
                  1, len(text.encode())) for text, _, _ in texts]


def write(path, *rows):
  path.write_text(''.join(json.dumps(row) + '\n' for row in rows))


def pair(good, bad, paradigm, field='syntax'):
  return {'sentence_good': good, 'sentence_bad': bad, 'UID': paradigm,
          'field': field}


@pytest.mark.parametrize('name,folder,count', [
    ('blimp', 'blimp', 50_000), ('lambada', 'lambada', 4869),
    ('ptb', 'en_ptb', 3761), ('word_similarity', 'word_similarity', 11_901),
    ('word_analogy', 'word_similarity', 27_544),
    ('c3_by_score', 'zh_tencentpretrain/datasets/c3', 3816)])
def test_the_published_files_are_read_whole(name, folder, count, shared_data):
  assert len(find('tasks', name)().read(shared_data / folder)) == count


def test_minimal_pairs_are_counted_by_paradigm(tmp_path):
  write(tmp_path / 'a.jsonl', pair('ab', 'abc', 'one'), pair('ab', 'a', 'one'),
        pair('ab', 'cd', 'one'), pair('a', 'abc', 'one'))
  write(tmp_path / 'b.jsonl', pair('a', 'ab', 'two', 'semantics'))
  write(tmp_path / 'c.jsonl', pair('a', 'ab', 'three', 'syntax_semantics'),
        pair('ab', 'b', 'four', 'syntax/semantics'))  # two spellings
  task, trunk = find('tasks', 'blimp')(), Told()
  assert task.measure(trunk, task.read(tmp_path)) == {
      'accuracy': 0.625, 'field/semantics': 1.0, 'field/syntax': 0.5,
      'field/syntax_semantics': 0.5, 'paradigm/four': 0.0, 'paradigm/one': 0.5,
      'paradigm/three': 1.0, 'paradigm/two': 1.0}
  assert trunk.asked[0] == ('ab', '', f'{tmp_path}/a.jsonl line 1')


def test_last_words_are_asked_for_behind_their_passage(tmp_path):
  (tmp_path / 'lambada_test_plain_text.txt').write_text(
      'he saw the fox\nshe ran home\n\n')
  task, trunk = find('tasks', 'lambada')(), Told()
  found = task.measure(trunk, task.read(tmp_path))
  assert [(text, context) for text, context, _ in trunk.asked] == [
      (' fox', 'he saw the'), (' home', 'she ran')]
  assert found == {'accuracy': 0.5, 'perplexity': pytest.approx(
      math.exp(4.5))}


def test_choices_are_compared_by_sum_and_by_bytes(tmp_path):
  write(tmp_path / 'choice.jsonl',
        {'prompt': 'q', 'choices': ['aaaa', 'bb'], 'answer': 1},
        {'prompt': 'q', 'choices': ['aaaa', 'bb'], 'answer': 0})
  task, trunk = find('tasks', 'choice')(), Told()
  # A nat a byte: by bytes all are equal, and the first is taken.
  assert task.measure(trunk, task.read(tmp_path)) == {
      'accuracy': 0.5, 'accuracy_per_token': 0.5, 'accuracy_per_byte': 0.5}
  only = task.measure(trunk, task.read(tmp_path)[1:])
  assert only['accuracy'] == 0 and only['accuracy_per_byte'] == 1


def test_language_modelling_counts_words_and_bytes(tmp_path):
  (tmp_path / 'ptb.test.txt').write_text(' a b <unk>\n N c \n')
  task = find('tasks', 'ptb')()
  trunk = Told()
  trunk.stream = lambda text: (14.0, len(text))
  trunk.scorer = Scorer(run_of('autoregressive'))
  found = task.measure(trunk, task.read(tmp_path))
  assert found['words'] == 3 + 1 + 2 + 1 and found['bytes'] == 14
  assert found['perplexity_per_word'] == pytest.approx(math.exp(2))
  assert found['bits_per_byte'] == pytest.approx(1 / math.log(2))
  trunk.scorer = Scorer(run_of('masked'))
  assert 'pseudo_perplexity_per_word' in task.measure(
      trunk, task.read(tmp_path))


def test_wikitext_in_the_published_layout():
  task, trunk, texts = find('tasks', 'wikitext')(), Told(), []
  trunk.scorer = Scorer(run_of('autoregressive'))
  def stream(text):
    texts.append(text)
    return 300.0, 100
  trunk.stream = stream
  examples = task.read(FIXTURES / 'wikitext')
  found = task.measure(trunk, examples)
  # Of four empty lines an `<eos>` each; of the others 4, 21, 5 and 18 words.
  assert len(examples) == 8 and found['words'] == 8 + 4 + 21 + 5 + 18
  assert texts[0].startswith('\n= Harbour bell =\n\nThe harbour')
  assert found['bytes'] == len(texts[0]) + 1 == 211  # 'ü' has two
  assert found['perplexity_per_word'] == pytest.approx(math.exp(300 / 56))
  assert found['bits_per_byte'] == pytest.approx(300 / math.log(2) / 211)
  assert found['nats_per_token'] == 3.0


class Tiles:
  """A scorer that says of each token how many it was given before it."""

  room = 5
  run = run_of('autoregressive')

  def score_ids(self, texts, show):
    del show
    self.seen = [(''.join(Letters().decode(one.ids)), one.context)
                 for one in texts]
    return [(np.ones(len(one.ids) - one.context), None) for one in texts]


def test_windows_score_every_token_once():
  tiles = Tiles()
  assert stream.nats(tiles, 'abcdefghi', window=4, stride=2) == (9.0, 9)
  assert tiles.seen == [('abcd', 0), ('cdef', 2), ('efgh', 2), ('fghi', 3)]


def test_analogies_leave_the_given_words_out():
  vectors = np.eye(4)[[0, 1, 2, 3]]
  vectors = np.concatenate([vectors, [(vectors[1] - vectors[0] + vectors[2])
                                      / math.sqrt(3)]])
  assert word_analogy.solve(vectors, np.asarray([[0, 1, 2]])).tolist() == [4]


def test_vectors_come_in_the_order_of_the_texts_and_are_means():
  run, texts = run_of('masked'), ['abcdefgh' * 2, 'a', 'bc', 'a']
  vectors = Embedder(run).embed(texts)
  assert vectors.shape == (4, 8)
  alone = Embedder(run).embed(['bc'])
  assert vectors[2] == pytest.approx(alone[0], rel=1e-3, abs=1e-4)
  assert np.array_equal(vectors[1], vectors[3])
  table = run.params['trunk']['token_embedding']['embedding']
  ids = Letters().encode('bc')
  assert word_vectors(run, ['bc'])[0] == pytest.approx(
      np.mean(np.asarray(table)[ids], 0))
  with pytest.raises(ConfigError, match='--layer=7: there are 0 to 2'):
    Embedder(run, layer=7).embed(['a'])
  with pytest.raises(ConfigError, match='mean and cls'):
    Embedder(run, 'max')


def test_a_published_encoder_says_how_texts_are_pooled():
  run = run_of('masked')
  run.encoder = Pooled('cls', True, 5)
  embedder = Embedder(run)
  assert embedder.room == 3  # beside two special tokens
  first = Embedder(run, 'cls').embed(['abc'])
  assert embedder.embed(['abcd']) == pytest.approx(
      first / np.linalg.norm(first), rel=1e-4)
  assert embedder.cut == 1
  run.encoder = Pooled(max_length=512)
  assert Embedder(run).room == 30  # of 32 positions


@pytest.mark.parametrize('name,text,found', [
    ('blimp', '{"sentence_good": "a"}', "a.jsonl line 1 has no column"),
    ('blimp', '\n{"sentence_good": ""}', "a.jsonl line 2: 'sentence_good'"),
    ('blimp', '{', 'a.jsonl line 1 is not JSON'),
    ('choice', '{"prompt": "p", "choices": ["a"], "answer": 0}',
     'line 1: choices are no list of two'),
    ('choice', '{"prompt": "p", "choices": ["a", "b"], "answer": 2}',
     'line 1: answer 2 is no number of a choice, 0 to 1'),
    ('lambada', '', 'has no lambada_test.jsonl or'),
    ('blimp', '\n', 'a.jsonl holds no example'),
    ('ptb', '', 'has no ptb.test.txt')])
def test_what_is_malformed_is_one_line_with_its_place(
    tmp_path, name, text, found):
  (tmp_path / 'a.jsonl').write_text(text)
  with pytest.raises(DataError, match=found.replace('.', r'\.')):
    find('tasks', name)().read(tmp_path)


def test_the_folder_above_is_not_the_data(tmp_path):
  (tmp_path / 'data').mkdir()
  (tmp_path / 'data' / 'a.jsonl').write_text('{}')
  with pytest.raises(DataError, match='the folder that holds them'):
    find('tasks', 'blimp')().read(tmp_path)


@pytest.mark.parametrize('name,file,text,said', [
    ('ptb', 'ptb.test.txt', '', 'is empty'),
    ('lambada', 'lambada_test_plain_text.txt', 'one\n', 'no passage of two'),
    ('lambada', 'lambada_test.jsonl', '{"text": null}', "'text' is null")])
def test_what_is_empty_is_named(tmp_path, name, file, text, said):
  (tmp_path / file).write_text(text)
  with pytest.raises(DataError, match=f'{file}.* {said}'):
    find('tasks', name)().read(tmp_path)


def test_a_task_takes_no_score_that_it_cannot_use(tmp_path):
  with pytest.raises(ConfigError, match='lambada needs a likelihood or bound '
                     'or pseudo, and energy of substituted_token'):
    Trunk(run_of('substituted_token'), find('tasks', 'lambada')())
  trunk = Trunk(run_of('masked'), find('tasks', 'lambada')())
  assert trunk.scorer.name == 'within_word'
  with pytest.raises(ConfigError, match='use the verb finetune'):
    evaluation.tasks_of(['cola'], [str(tmp_path)])


def test_tasks_that_make_their_own_data_need_no_folder(tmp_path):
  names = ['identifier_cloze', 'blimp', 'lambada']
  (tmp_path / 'lambada').mkdir()
  def folders(names, *given):
    return [str(folder) for _, folder in evaluation.tasks_of(
        names, given, None).values()]
  assert folders(names, str(tmp_path)) == [
      '', str(tmp_path), f'{tmp_path}/lambada']
  assert folders(names, f'{tmp_path}/lambada', str(tmp_path)) == [
      '', f'{tmp_path}/lambada', str(tmp_path)]
  assert folders(names[:1], '') == ['']
  with pytest.raises(ConfigError, match='data_dir is missing: blimp reads'):
    folders(names, '')
  with pytest.raises(ConfigError, match='identifier_cloze needs none'):
    folders(names[:1], str(tmp_path))
  with pytest.raises(ConfigError, match='3 folders for 2 tasks'):
    folders(names, 'a', 'b', 'c')


def test_results_are_kept_and_name_their_scorer(tmp_path):
  write(tmp_path / 'a.jsonl', pair('ab', 'abc', 'one'), pair('ab', 'c', 'one'))
  run = run_of('masked')
  run.step = 3
  tasks = evaluation.tasks_of(['blimp'], [str(tmp_path)])
  output, said = tmp_path / 'out.json', []
  results = evaluation.evaluate(run, tmp_path, tasks, output=output,
                                say=said.append)
  assert json.loads(output.read_text())['tasks'] == results['tasks']
  assert results['tasks']['blimp']['scorer'] == 'pseudo_likelihood'
  results['tasks']['blimp']['metrics']['words'] = 1234
  first, *lines = evaluation.table(results)
  assert 'each token given all others' in first
  assert [line.split()[-1] for line in lines if 'words' in line] == ['1,234']
  del results['tasks']['blimp']['metrics']['words']
  again = evaluation.evaluate(run, tmp_path, tasks, output=output,
                              say=said.append)
  assert again['tasks'] == results['tasks'] and 'taken from' in said[-1]
  other = evaluation.evaluate(run, tmp_path, tasks, 'within_word',
                              output=output, say=said.append)
  assert other['tasks']['blimp']['scorer'] == 'within_word'


@pytest.mark.parametrize('arguments,code,found', [
    (['evaluate'], 2, '--checkpoint is missing'),
    (['evaluate', '--checkpoint=x', '--tasks=blimb', '--data_dir=y'], 2,
     "did you mean 'blimp'"),
    (['evaluate', '--checkpoint=x', '--tasks=blimp', '--data_dir=/nowhere'],
     3, '/nowhere is no folder'),
    (['embed', '--checkpoint=x', '--input=y', '--output=z.bin'], 2,
     'ends in .safetensors or .npz')])
def test_bad_flags_are_one_line(capsys, arguments, code, found):
  assert __main__.main(arguments) == code
  assert found in capsys.readouterr().err


@pytest.mark.parametrize('suffix', ['npz', 'safetensors'])
def test_vectors_are_written_whole(tmp_path, suffix):
  from safetensors.numpy import load_file
  from ptm_jax.verbs import embed
  (tmp_path / 'in.txt').write_text('one\n\ntwo\r\n')
  assert embed.read_lines(tmp_path / 'in.txt') == ['one', '', 'two']
  path, vectors = tmp_path / f'out.{suffix}', np.eye(3, dtype=np.float32)
  embed.write(path, vectors)
  found = np.load(path) if suffix == 'npz' else load_file(path)
  assert np.array_equal(found['vectors'], vectors)
  assert sorted(one.name for one in tmp_path.iterdir()) == [
      'in.txt', path.name]
