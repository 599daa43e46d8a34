"""Tasks whose answers a trunk writes: it learns to, ends, and writes again."""

import json
import types

import jax
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import finetune, finetune_step
from ptm_jax.__main__ import main
from ptm_jax.config import Model
from ptm_jax.data.vocabulary import Listed
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.finetune_config import Settings
from ptm_jax.finetune_writing import Scribe
from ptm_jax.generation.beam import Search, Searcher
from ptm_jax.generation.sampling import Sampling
from ptm_jax.generation.writing import Writer
from ptm_jax.objectives import base as base_head
from ptm_jax.tasks import base, batches, writing
from tests.eager import eager
from tests.objectives.cases import bound
from tests.scoring.runs import run_of
from tests.tasks.runs import tokenizer, untrained_run, write
from tests.tasks.test_published import FIXTURES

WORDS = ('array', 'data', 'shape', 'none')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  """The summary is the text's first word."""
  folder = tmp_path_factory.mktemp('data')
  def rows(numbers):
    return ['text\tsummary', *(
        f'{WORDS[number % 4]} is {WORDS[number // 4 % 4]} here\t'
        f'{WORDS[number % 4]}' for number in numbers)]
  write(folder, 'train.tsv', rows(range(32)))
  return write(folder, 'test.tsv', rows(range(8)))


def settings(data, **changed):
  return Settings(**{
      'task': 'summarisation', 'data_dir': str(data), 'seeds': 1, 'epochs': 30,
      'batch_size': 8, 'learning_rate': 1e-2, 'max_length': 48,
      'answer_length': 8, **changed})


@pytest.mark.slow
@pytest.mark.parametrize('name', ['autoregressive', 'span_corruption',
                                  'prefix_lm'])
def test_it_learns_and_writes_again(name, data, tmp_path, capsys):
  trunk, path = untrained_run(tmp_path / 'trunk', name), tmp_path / 'run'
  results = finetune.finetune(trunk, settings(data), path, say=str)
  assert results['estimates']['rouge1']['mean'] > 0.9
  assert results['constant'] == {}
  seed = path / 'seed-0'
  lines = [json.loads(line) for line in (
      seed / 'predictions.jsonl').read_text().splitlines()]
  assert lines[1]['prediction'] == 'data'
  assert finetune.evaluate(seed, say=str) == {
      name: one['mean'] for name, one in results['estimates'].items()}
  # It ends by itself, in another command.
  capsys.readouterr()
  prompt = 'summarisation text: shape is data here answer:'
  assert main(['generate', f'--checkpoint={seed}', '--beam=1',
               '--max_tokens=8', f'--prompt={prompt}']) == 0
  said = capsys.readouterr().out.strip()
  assert said.removeprefix(prompt).strip() == 'shape'


@pytest.mark.parametrize('name', ['autoregressive', 'span_corruption'])
def test_the_loss_is_of_what_is_written_and_its_end(name):
  run = run_of(name)
  task = find('tasks', 'summarisation')().of(run.objective, 4)
  ids = run.tokenizer.encode
  eos = run.tokenizer.vocabulary.eos_id
  row = base.Row((np.append(ids('abcde'), eos),), np.float32(3), 0,
                 asked=((3, 6),))
  batch = batches.collate([row], np.asarray([0]), 8, 1)
  recipe = finetune_step.Recipe(
      task, run.objective, 0, 'full', 'mean', 2, 2, 1.0, 0.0,
      finetune_step.Optimizer(), 5)
  model, bos = run.objective.model, run.objective.vocabulary.bos_id
  def stack(inputs):
    return {'inputs': np.asarray([inputs], np.int32),
            'segment_ids': np.ones((1, len(inputs)), np.int32),
            'positions': np.arange(len(inputs), dtype=np.int32)[None]}
  if model.form == 'encoder_decoder':
    read = stack([*ids('abc'), eos]), stack([bos, *ids('de')])
    asked = {f'{side}_{field}': values for side, one in zip(
        ('encoder', 'decoder'), read, strict=True)
             for field, values in one.items()}
  else:
    asked = stack([bos, *ids('abcde')])
  @jax.jit
  def both(params):
    states = run.objective.trunk().apply(
        {'params': params['trunk']}, asked)[:, -3:]
    features, table, _ = base_head.apply_head(
        run.objective._head(), params, states, model)
    logits = jax.nn.log_softmax(features @ table.T)[0]
    nats = -logits[np.arange(3), np.asarray([*ids('de'), eos])].mean()
    return task.loss(finetune_step.outputs(recipe, 1, params, batch),
                     batch['targets'])[0], nats
  found, expected = both(run.params)
  assert float(found) == pytest.approx(float(expected), rel=1e-4)


def test_rows_are_the_lines_of_the_text_to_text_way():
  words, task = tokenizer(), find('tasks', 'summarisation')().of(
      bound('autoregressive'), 8)
  short, long = task.rows(words, [
      base.Example(('array of data',), 'the', ''),
      base.Example(('array of data ' * 20,), 'shape of the data ' * 9, '')],
                          60, ())
  begin, end = short.asked[0]
  assert words.decode(short.tokens[0][:begin]) == (
      'summarisation text: array of data answer:')
  assert words.decode(short.tokens[0][begin:]).strip() == 'the'
  assert (short.cut, short.target) == (False, end - begin)
  # A text is cut before what follows it, and an answer before its end.
  begin, end = long.asked[0]
  assert (begin, end) == (52, 60) and long.cut and long.target == 8
  assert words.decode(long.tokens[0][:begin]).endswith(' answer:')
  for row in short, long:
    assert row.tokens[0][-1] == words.vocabulary.eos_id


@pytest.mark.parametrize('name', ['autoregressive', pytest.param(
    'translation', marks=pytest.mark.slow)])
def test_rows_of_any_length_are_answered_as_alone(name):
  run, task = run_of(name), types.SimpleNamespace(answer_length=4)
  run = types.SimpleNamespace(**{
      **vars(run), 'objective': run.objective.ending()})
  texts = ['abc', 'abcdefgh' * 2 + 'a', 'd']
  rows = [base.Row((run.tokenizer.encode(text + 'xyz'),), 0, 0,
                   asked=((len(text), len(text) + 3),)) for text in texts]
  scribe = Scribe(run, task)
  found = scribe.texts(run.params, rows, 2)
  for text, one in zip(texts, found, strict=True):
    ids, _ = scribe._searcher.write([text, ''], 4, 24)
    assert one == run.tokenizer.decode(ids[0]).strip()
  # With other parameters it writes something else.
  other = jax.tree.map(lambda leaf: -leaf, run.params)
  assert scribe.texts(other, rows, 2) != found
  # The longest may be the first, and the last batch of short ones not full.
  order = [1, 0, 2, 2]
  assert scribe.texts(run.params, [rows[one] for one in order], 2) == [
      found[one] for one in order]


class Digits:
  """A published tokenizer whose first piece has the id 0."""

  vocabulary = Listed(12, (('bos', 10), ('eos', 11)), (), tuple(range(10)))

  def encode(self, text):
    return np.asarray([int(one) for one in text], np.int32)

  def decode(self, tokens):
    return ''.join(str(one) for one in tokens if one < 10)


def test_a_piece_of_text_may_have_the_id_of_padding():
  objective = find('objectives', 'autoregressive')().bind(
      Model(depth=1, width=8, num_heads=2, max_length=32), Digits.vocabulary,
      12).ending()
  params = jax.tree.map(lambda leaf: 8 * leaf, meta.unbox(
      eager(objective.init, jax.random.key(10))))
  run = types.SimpleNamespace(tokenizer=Digits(), objective=objective,
                              params=params)
  texts = ['1001', '5', '20']
  scribe = Scribe(run, types.SimpleNamespace(answer_length=6))
  found = scribe.texts(params, [base.Row(
      (run.tokenizer.encode(text + '9'),), 0, 0, asked=((len(text), 0),))
                                for text in texts], 3)
  # The second one ends after three tokens, the first of which is 0.
  assert found[1] == '055' and len(found[0]) == len(found[2]) == 6
  written, _ = Searcher(run, Search(1, 0.0)).write(texts, 6)
  drawn = np.stack([*Writer(run, Sampling(0.0)).write(texts, 6)], 1)
  for rows in written, drawn:
    assert [run.tokenizer.decode(row) for row in rows] == found


def test_what_writes_nothing_is_refused(data, tmp_path):
  for name in 'masked', 'permutation', 'blank_infilling':
    with pytest.raises(ConfigError, match='write'):
      writing.way_of(bound(name))
  trunk = untrained_run(tmp_path / 'trunk')
  with pytest.raises(ConfigError, match='masked as encoder does not write'):
    finetune.finetune(trunk, settings(data), tmp_path / 'run', say=str)
  assert not (tmp_path / 'run').exists()
  for changed in ({'way': 'probe'}, {'prompt': 'default'}, {'way': 'prefix'},
                  {'task': 'summarisation,cola'}):
    with pytest.raises(ConfigError, match='answers are written'):
      settings(data, **changed).validate()
  with pytest.raises(ConfigError, match='leaves less than 16'):
    settings(data, answer_length=40).validate()
  # The trunk's positions may be fewer than the tokens that are asked for.
  trunk = untrained_run(tmp_path / 'short', 'autoregressive', max_length=24)
  with pytest.raises(ConfigError, match='leaves 12 of the 22 tokens'):
    finetune.finetune(trunk, settings(data, answer_length=10),
                      tmp_path / 'run', say=str)
  assert not (tmp_path / 'run').exists()


def test_invented_rows_in_the_published_layout():
  found = find('tasks', 'summarisation')().read(FIXTURES / 'summarisation')
  assert len(found.train) == len(found.test) == 10 and found.labels == ()
  assert found.test[8].label == (
      'A parcel with a wool hat arrived in Sill twenty three years late.')
  assert found.train[0].where.endswith('train.jsonl line 1')
