"""Fine-tuning: it learns, resumes with the same bits, and is a checkpoint."""

import contextlib
import dataclasses
import json
import types

import jax
import numpy as np
import pytest
from flax.core import meta

import ptm_jax
from ptm_jax import (config, finetune, finetune_config, finetune_layers,
                     finetune_lora, finetune_step)
from ptm_jax.__main__ import main
from ptm_jax.convert import card
from ptm_jax.errors import CheckpointError, ConfigError, DataError, Stopped
from ptm_jax.finetune_config import Settings
from ptm_jax.find import find
from ptm_jax.models import heads
from ptm_jax.optimizers import schedule
from ptm_jax.tasks import base
from tests.objectives.cases import MODEL, bound
from tests.objectives.words import VOCABULARY, random_windows
from tests.tasks.runs import cola, tokenizer, untrained_run, write
from tests.tasks.test_published import FIXTURES
from tests.test_transfer import READERS

# One compiled shape for all tests of this file.
QUICK = dict(task='cola', seeds=2, epochs=6, batch_size=8, learning_rate=1e-2,
             max_length=16)


@pytest.fixture(scope='module')
def trunk(tmp_path_factory):
  return untrained_run(tmp_path_factory.mktemp('trunk'))


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  return cola(tmp_path_factory.mktemp('cola'))


@pytest.fixture(scope='module')
def tuned(trunk, data, tmp_path_factory):
  path = tmp_path_factory.mktemp('tuned') / 'run'
  results = finetune.finetune(
      trunk, Settings(data_dir=str(data), **QUICK), path, say=str)
  return path, results


def test_it_learns_and_says_how_sure_it_is(tuned, trunk, data):
  path, results = tuned
  assert results['estimates']['accuracy']['mean'] == 1.0
  assert results['constant']['accuracy'] == 0.5
  assert len(results['runs']) == results['estimates']['matthews']['seeds'] == 2
  report = (path / 'report.md').read_text()
  assert 'cola: matthews 1.000' in report and 'above the 0.000' in report
  entry, read = results['runs'][0], find('tasks', 'cola')().read(data)
  letters = ptm_jax.load(trunk).tokenizer
  assert entry['tokens_seen'] == 6 * sum(
      min(len(letters.encode(*one.texts)), 14) for one in read.train)
  assert 'tokens_with_loss' not in entry  # of a whole text no token has any
  # A seed has a report of its own.
  assert main(['report', f'--workdir={path / "seed-1"}']) == 0
  assert 'cola: matthews 1.000 of one seed, above the 0.000' in (
      path / 'seed-1' / 'report.md').read_text()
  assert 'of two seeds the 95 % interval is 6.4 times' in report
  lines = (path / 'seed-1' / 'predictions.jsonl').read_text().splitlines()
  first = json.loads(lines[0])
  assert first['where'].endswith('dev.tsv.gz line 1')
  assert [json.loads(line)['prediction'] for line in lines] == [
      str(number % 2) for number in range(100, 116)]


def test_it_is_a_checkpoint(tuned, trunk):
  path, _ = tuned
  run, before = ptm_jax.load(path / 'seed-0'), ptm_jax.load(trunk)
  assert run.params['task']['head']['kernel'].shape == (16, 2)
  states, _ = run.apply(['array data'])
  assert states.shape[2] == 16
  # The heads of pre-training are there, as they were.
  jax.tree.map(np.testing.assert_array_equal, run.params['head'],
               before.params['head'])
  assert np.any(states != before.apply(['array data'])[0])


def test_its_card_says_what_was_trained(tuned):
  path, _ = tuned
  said = card.text(ptm_jax.load(path / 'seed-0'),
                   types.SimpleNamespace(architecture='Ours'),
                   path / 'seed-0')
  assert '# Ours fine-tuned with ptm_jax' in said
  assert '- Budget: not trained here' in said  # the trunk has no update
  assert ('- Fine-tuned on: cola (full), 36 updates of 8 rows of at most 16 '
          'tokens') in said
  assert '- cola/matthews: 1.0000' in said


def test_it_is_scored_again_as_it_is(tuned, data, trunk, tmp_path, capsys):
  path, results = tuned
  seed = path / 'seed-1'
  assert finetune.evaluate(seed, say=str) == {
      name.removeprefix('cola/'): value
      for name, value in results['runs'][1]['metrics'].items()}
  # Of data whose answers are all wrong, none is right.
  turned = cola(tmp_path / 'turned')
  (turned / 'dev.tsv.gz').unlink()
  lines = (turned / 'train.tsv').read_text().splitlines()
  write(turned, 'dev.tsv', [
      line.replace('\t1\t', '\t0\t') if '\t1\t' in line
      else line.replace('\t0\t', '\t1\t') for line in lines])
  assert main(['finetune', '--evaluate', f'--checkpoint={seed}',
               f'--data_dir={turned}']) == 0
  assert 'accuracy: 0.0000' in capsys.readouterr().out
  with pytest.raises(CheckpointError, match='is no fine-tuned run'):
    finetune.evaluate(trunk)
  with pytest.raises(CheckpointError, match='one of them, such as .*/seed-0'):
    ptm_jax.load(path)


@pytest.mark.slow
def test_a_fine_tuned_trunk_is_fine_tuned_again(tuned, data, tmp_path):
  path, _ = tuned
  again = finetune.finetune(
      path / 'seed-0', Settings(data_dir=str(data), **{**QUICK, 'epochs': 1}),
      tmp_path / 'again', say=str)
  assert again['estimates']['accuracy']['mean'] > 0.8


class StopAt:
  """Signals that come at an update."""

  def __init__(self, update):
    self.asked, self.update = 0, update

  @property
  def received(self):
    self.asked += 1
    return 'SIGTERM' if self.asked > self.update else ''

  def deferred(self):
    return contextlib.nullcontext()


@pytest.mark.parametrize(
    'way', ['full', *(pytest.param(way, marks=pytest.mark.slow)
                      for way in ('lora', 'layer_prefix'))])
def test_a_stopped_run_ends_with_the_same_bits(
    way, tuned, trunk, data, tmp_path, monkeypatch):
  settings = Settings(data_dir=str(data), **{**QUICK, 'way': way})
  path = tuned[0] if way == 'full' else tmp_path / 'whole'
  if way != 'full':
    finetune.finetune(trunk, settings, path, say=str)
  with monkeypatch.context() as patch:
    patch.setattr(finetune.signals, 'watch',
                  lambda: contextlib.nullcontext(StopAt(40)))
    with pytest.raises(Stopped, match='its state saved'):
      finetune.finetune(trunk, settings, tmp_path / 'run', say=str)
  said = []
  finetune.finetune(trunk, settings, tmp_path / 'run', say=said.append)
  assert any(line.startswith('going on from step') for line in said)
  for seed in 'seed-0', 'seed-1':
    jax.tree.map(np.testing.assert_array_equal,
                 ptm_jax.load(path / seed).params,
                 ptm_jax.load(tmp_path / 'run' / seed).params)
    # Killed between the last save and the results, it is scored again.
    (tmp_path / 'run' / seed / 'results.json').unlink()
  (tmp_path / 'run' / 'results.json').unlink()
  again = finetune.finetune(trunk, settings, tmp_path / 'run', say=str)
  assert again['runs'][0]['metrics']['cola/accuracy'] > 0.5


def test_another_setting_needs_another_folder(tuned, trunk, data):
  with pytest.raises(ConfigError, match='epochs was 6, is 7'):
    finetune.finetune(trunk, Settings(data_dir=str(data), **{
        **QUICK, 'epochs': 7}), tuned[0])


def test_leaks_are_counted_and_left_out(trunk, tmp_path):
  lines = ['x\t1\t\tarray data', 'x\t0\t*\tnone data', 'x\t1\t\tarray shape']
  write(tmp_path, 'train.tsv', lines)
  write(tmp_path, 'dev.tsv', lines[1:2] * 2 + ['x\t1\t\tarray axis'])
  run, said = ptm_jax.load(trunk), []
  def prepared(**options):
    settings = Settings(data_dir=str(tmp_path), **QUICK, **options)
    task = find('tasks', 'cola')()
    return finetune.prepare(task, task.read(str(tmp_path)), run, trunk,
                            settings, said.append)
  kept = prepared()
  assert kept.facts['test_in_train'] == 2 and len(kept.train) == 3
  assert '2 of 3 test examples occur' in said[0]
  dropped = prepared(drop_leaked=True)
  assert dropped.facts['train_dropped'] == 1 and len(dropped.train) == 2
  assert dropped.facts['test_used'] == 3


def test_a_text_that_is_too_long_is_cut_and_counted_or_refused(
    trunk, tmp_path):
  write(tmp_path, 'train.tsv', ['x\t1\t\tarray', 'x\t0\t\t' + 'none ' * 30])
  write(tmp_path, 'dev.tsv', ['x\t1\t\tarray data'])
  run, said = ptm_jax.load(trunk), []
  task = find('tasks', 'cola')()
  examples = task.read(str(tmp_path))
  settings = Settings(data_dir=str(tmp_path), **QUICK)
  found = finetune.prepare(task, examples, run, trunk, settings, said.append)
  assert found.facts['train_truncated'] == 1
  assert len(found.train[1].tokens[0]) == 14
  assert 'longer than 14 tokens' in said[0]
  with pytest.raises(DataError, match='train.tsv line 2 has more than the 14'):
    finetune.prepare(task, examples, run, trunk, dataclasses.replace(
        settings, truncate=False), said.append)


@pytest.mark.parametrize('lines,said', [
    (['x\t1\tarray'], 'train.tsv line 1 has 3 columns, 4 are expected'),
    (['x\t2\t\tarray'], "train.tsv line 1: label '2' is not one of"),
    ([], 'train.tsv holds no example'),
])
def test_bad_data_ends_with_3_and_writes_nothing(
    lines, said, trunk, tmp_path, capsys):
  write(tmp_path / 'data', 'train.tsv', lines)
  write(tmp_path / 'data', 'dev.tsv', ['x\t1\t\tarray'])
  code = main(['finetune', f'--checkpoint={trunk}', '--task=cola',
               f'--data_dir={tmp_path / "data"}',
               f'--workdir={tmp_path / "run"}'])
  error = capsys.readouterr().err
  assert code == 3 and said in error and error.count('\n') == 1
  assert not (tmp_path / 'run').exists()


def test_pairs_are_cut_at_the_longer():
  def encoded(first, second, room):
    ids, cut = base.encode(tokenizer(), (first, second), room, 6)
    return ''.join('|' if one == 6 else tokenizer().decode([one])
                   for one in ids.tolist()), cut
  # One token a letter here.
  assert encoded('qq', 'zz', 5) == ('qq|zz', False)
  assert encoded('qqqqqq', 'zz', 5) == ('qq|zz', True)
  assert encoded('qq', 'zzzzzz', 7) == ('qq|zzzz', True)
  assert encoded('qqqqqq', 'zzzzzz', 7) == ('qqq|zzz', True)


def test_layers_further_down_learn_more_slowly(trunk):
  run = ptm_jax.load(trunk)
  optimizer = finetune_step.Optimizer(learning_rate=0.1, warmup_steps=4)
  recipe = finetune_step.Recipe(
      find('tasks', 'cola')(), run.objective, 2, 'full', 'mean', 2, 2, 0.5,
      1.0, optimizer, 10)
  ones = {'trunk': jax.tree.map(np.ones_like, run.params['trunk']),
          'task': np.ones(1)}
  found = finetune_layers.by_layer(recipe, 1, ones)
  def factor(*names):
    tree = found['trunk']
    for name in names:
      tree = tree[name]
    return float(jax.tree.leaves(tree)[0].ravel()[0])
  # Of 2 layers: the last is 1 below the head, the embeddings 3. In the second
  # of 4 updates of warm-up it is 2/4 for the head, 2/8 a layer below.
  assert factor('stack', 'final_norm') == 1
  assert factor('stack', 'layer_1') == pytest.approx(0.5 * (2 / 8) / (2 / 4))
  assert factor('token_embedding') == pytest.approx(
      0.5**3 * (2 / 16) / (2 / 4))
  assert float(found['task'][0]) == 1
  assert schedule(optimizer, 10)(1) == 0.5


@pytest.mark.parametrize('scan', [False, True])
@pytest.mark.parametrize('pooling, below', [
    ('mean', {'encoder': [2, 1], 'embedding': 3}),
    ('decoder', {'encoder': [4, 3], 'decoder': [2, 1], 'embedding': 5})])
def test_an_encoders_layers_are_below_a_decoders_that_is_read(
    scan, pooling, below):
  objective = bound('span_corruption', model=dataclasses.replace(
      MODEL, depth=4, scan_layers=scan))
  recipe = dataclasses.replace(
      recipe_for('cola', objective, pooling=pooling), layer_decay=0.5)
  trunk = meta.unbox(jax.eval_shape(
      objective.init, jax.random.key(0)))['trunk']
  found = finetune_layers.by_layer(recipe, 1, {'trunk': jax.tree.map(
      lambda leaf: np.ones(leaf.shape, np.float32), trunk)})['trunk']
  def halvings(leaf):
    return np.round(-np.log2(np.asarray(leaf).reshape(len(leaf), -1)[:, 0]))
  for side, expected in below.items():
    if side == 'embedding':
      leaf = found['token_embedding']['embedding']
      assert halvings(leaf)[0] == expected
    elif scan:
      leaf = found[side]['layers']['mlp']['up']['kernel']
      assert halvings(leaf).tolist() == expected
    else:
      assert [halvings(found[side][f'layer_{number}']['mlp']['up']['kernel'])[0]
              for number in range(2)] == expected


def test_of_two_texts_the_second_has_its_own_type(tmp_path):
  run = ptm_jax.load(untrained_run(
      tmp_path, 'next_sentence', num_token_types=2))
  windows = {name: np.asarray([values], np.int32) for name, values in {
      'tokens': [8, 9, 6, 8, 0], 'segment_ids': [1, 1, 1, 1, 0],
      'positions': [0, 1, 2, 3, 0]}.items()}
  windows.update(index=np.zeros(1, np.int32), epoch=np.zeros(1, np.int32),
                 flags=np.zeros((1, 5), np.uint8))
  stack = run.objective._stack_of_text(windows)
  assert stack['inputs'].tolist() == [[5, 8, 9, 6, 8, 6, 0]]
  assert stack['token_types'].tolist() == [[0, 0, 0, 0, 1, 1, 0]]


def test_lora_starts_as_the_trunk_and_moves_its_kernels_alone(trunk):
  params = ptm_jax.load(trunk).params['trunk']
  thin = finetune_lora.make(jax.random.key(0), params, 2)
  assert len(thin) == 2 * 6  # four of attention, two of the feed-forward
  jax.tree.map(np.testing.assert_array_equal,
               finetune_lora.adapted(params, thin), params)
  thin = {name: {**one, 'b': one['b'] + 1} for name, one in thin.items()}
  moved = jax.tree_util.tree_leaves_with_path(jax.tree.map(
      lambda new, old: bool(np.any(new != old)),
      finetune_lora.adapted(params, thin), params))
  for path, one in moved:
    name = jax.tree_util.keystr(path)
    assert one == ('layer_' in name and 'kernel' in name), name
  layer = params['stack']['layer_1']['attention']['output']['kernel']
  one = thin['stack.layer_1.attention.output.kernel']
  new = finetune_lora.adapted(params, thin)
  np.testing.assert_allclose(
      new['stack']['layer_1']['attention']['output']['kernel'] - layer,
      2 * np.einsum('ir,ro->io', one['a'], one['b']).reshape(layer.shape),
      atol=1e-5)


def recipe_for(task, objective, way='full', pooling='mean'):
  return finetune_step.Recipe(
      find('tasks', task)(), objective, 2, way, pooling, 2, 3, 1.0, 0.0,
      finetune_step.Optimizer(), 10)


@pytest.mark.parametrize('name', READERS.values())
def test_every_trunk_gives_what_a_head_needs(name):
  objective = find('objectives', name)().bind(
      config.Model(depth=2, width=16, num_heads=2), VOCABULARY, 16)
  offset = finetune_step.text_offset(objective)
  windows = random_windows(2, 8)
  read = jax.vmap(objective.read)(windows)['inputs'][:, offset:][:, :8]
  assert np.array_equal(read, windows['tokens'])
  params = jax.eval_shape(objective.init, jax.random.key(0))
  batch = {'tokens': np.ones((2, 3, 8), np.int32),
           'real': np.ones((2, 3, 8), bool)}
  def shape(task, batch, **options):
    recipe = recipe_for(task, objective, **options)
    def run(trunk):
      state = finetune_step.make_init(recipe)(jax.random.key(0), trunk)
      return finetune_step.outputs(
          recipe, offset, state['params'], batch, jax.random.key(1))
    return jax.eval_shape(run, meta.unbox(params)['trunk']).shape
  one = {name: value[:, :1] for name, value in batch.items()}
  assert shape('cola', one, way='lora', pooling='last') == (2, 2)
  assert shape('squad', one) == (2, 8, 2)
  if objective.model.form not in finetune_config.NO_PREFIX:
    for way in finetune_config.PREFIXED:
      assert shape('squad', one, way=way) == (2, 8, 2)


@pytest.mark.parametrize('place, pooling', [
    ('first', 'pooler'), ('last', 'pooler'), ('last', 'decoder')])
def test_a_pooler_is_that_of_the_published_model(place, pooling):
  rng = np.random.default_rng(0)
  def draw(*shape):
    return rng.normal(size=shape).astype(np.float32)
  task = {'pooler': {'dense': {'kernel': draw(16, 16), 'bias': draw(16)}}}
  states, mask = draw(2, 3, 16), np.arange(3)[None] < np.array([[3], [2]])
  model = config.Model(
      width=16, pooler_activation='gelu',
      pooler_place='first' if pooling == 'decoder' else place)
  recipe = recipe_for('cola', types.SimpleNamespace(model=model),
                      pooling=pooling)
  np.testing.assert_allclose(
      finetune_step._vectors(recipe, states, mask, task),
      heads.Pooler(model, place).apply(
          {'params': task['pooler']}, states, mask),
      atol=1e-5)
  read = states[:, 0] if place == 'first' else states[[0, 1], [2, 1]]
  np.testing.assert_array_equal(heads.state_at(place, states, mask), read)


class Seen:
  """A trunk that keeps what it is given to read."""

  def apply(self, variables, stack, keys):
    self.variables, self.stack = variables, stack
    return stack['decoder_inputs'][..., None]


@pytest.mark.parametrize('start, expected', [('bos', 1), ('eos', 2)])
def test_a_decoder_reads_the_text_shifted_right(start, expected):
  objective = find('objectives', 'denoising')().bind(
      config.Model(decoder_start=start), VOCABULARY, 4)
  windows = {name: np.asarray(rows) for name, rows in {
      'tokens': [[8, 9, 10], [8, 0, 0]], 'segment_ids': [[1, 1, 1], [1, 0, 0]],
      'positions': [[0, 1, 2], [0, 0, 0]]}.items()}
  seen = Seen()
  objective.trunk = lambda: seen
  states, mask = objective.decoded({'trunk': 3, 'prefix': 4}, windows)
  assert seen.variables == {'params': 3, 'prefix': 4}
  assert seen.stack['encoder_inputs'].tolist() == [[8, 9, 10, 2], [8, 2, 0, 0]]
  assert states[..., 0].tolist() == [[expected, 8, 9, 10], [expected, 8, 0, 0]]
  for name in 'segment_ids', 'positions':
    assert np.array_equal(seen.stack[f'decoder_{name}'],
                          seen.stack[f'encoder_{name}'])
  assert mask.tolist() == [[True] * 4, [True, True, False, False]]


@pytest.mark.parametrize('way, said', [
    ('full', 'is a trunk of model.form=encoder'), ('prefix', 'layer_prefix'),
    ('probe', 'trains no pooler')])
def test_the_decoder_is_read_where_there_is_one(way, said, trunk, data,
                                                tmp_path):
  with pytest.raises(ConfigError, match=said):
    finetune.finetune(trunk, Settings(
        data_dir=str(data), pooling='decoder', way=way, **QUICK),
                      tmp_path / 'run', say=str)
  assert not (tmp_path / 'run').exists()


def test_the_last_state_is_read_without_a_bias():
  """As published classifiers of decoders are."""
  objective = types.SimpleNamespace(model=config.Model(width=16))
  def head(task, pooling):
    trunk = {'kernel': jax.ShapeDtypeStruct((1,), np.float32)}
    made = jax.eval_shape(finetune_step.make_init(
        recipe_for(task, objective, pooling=pooling)), jax.random.key(0),
                          trunk)
    return set(made['params']['task']['head'])
  assert head('cola', 'last') == {'kernel'}
  for task, pooling in ('cola', 'mean'), ('squad', 'last'):
    assert head(task, pooling) == {'kernel', 'bias'}


def test_a_prefix_is_seen_by_the_text_and_changes_no_place():
  objective = find('objectives', 'masked')().bind(
      config.Model(depth=2, width=16, num_heads=2), VOCABULARY, 16)
  trunk = objective.init(jax.random.key(0))
  recipe = recipe_for('cola', objective, way='prefix', pooling='last')
  params = finetune_step.make_init(recipe)(
      jax.random.key(0), meta.unbox(trunk)['trunk'])['params']
  tokens = np.full((1, 1, 8), VOCABULARY.text_start, np.int32)
  run = jax.jit(lambda prefix, batch: finetune_step.outputs(
      recipe, 1, {**params, 'task': {**params['task'], 'prefix': prefix}},
      batch))
  def logits(prefix, real):
    return np.asarray(run(prefix, {
        'tokens': tokens, 'real': np.arange(8)[None, None] < real}))
  vectors = params['task']['prefix']
  before = logits(vectors, 5)
  assert np.all(logits(vectors + 1.0, 5) != before)
  tokens[0, 0, 5:] += 1  # padding
  np.testing.assert_array_equal(logits(vectors, 5), before)
  assert np.all(logits(vectors, 6) != before)


@pytest.mark.slow
@pytest.mark.parametrize('task,objective', [
    ('squad', 'masked'), ('stsb', 'autoregressive'), ('mnli', 'prefix_lm'),
    ('qqp', 'span_corruption'), ('qnli', 'permutation'),
    ('mnli', 'bidirectional_lm'), ('qqp', 'word2vec')])
def test_a_trunk_of_any_form_learns_invented_rows(task, objective, tmp_path):
  trunk = untrained_run(tmp_path / 'trunk', objective, max_length=512)
  results = finetune.finetune(trunk, Settings(
      task=task, data_dir=str(FIXTURES / task), seeds=2, epochs=40,
      batch_size=4, learning_rate=1e-2, max_length=200), tmp_path / 'run',
                              say=str)
  # The loss falls: ten rows are soon known by heart.
  for seed in 'seed-0', 'seed-1':
    losses = [json.loads(line)['loss'] for line in (
        tmp_path / 'run' / seed / 'metrics.jsonl').read_text().splitlines()]
    assert losses[-1] < 0.5 * losses[0]
  assert results['runs'][0]['flops'] > 0


@pytest.mark.parametrize('way', ['probe', 'mlp_probe'])
def test_a_probe_reads_every_depth_and_moves_nothing(
    way, trunk, data, tmp_path):
  said = []
  results = finetune.finetune(trunk, Settings(
      data_dir=str(data), **{**QUICK, 'way': way}), tmp_path, say=said.append)
  # Of 2 layers: embeddings and 2 depths. The first word tells the answer, and
  # so do the embeddings alone.
  metrics = results['runs'][1]['metrics']
  depths = [metrics[f'cola/depth_{depth}/accuracy'] for depth in range(3)]
  assert metrics['cola/accuracy'] == depths[2] and len(metrics) == 2 * 4
  assert results['runs'][1]['seconds'] == results['runs'][0]['seconds'] > 0
  name = results['metric']
  for depth in range(3):
    mean = np.mean([one['metrics'][f'cola/depth_{depth}/{name}']
                    for one in results['runs']])
    assert f'cola/depth_{depth}/{name}: {mean:.4f}' in said
  if way == 'probe':
    assert min(depths) > 0.8
  assert not list(tmp_path.glob('seed-*/checkpoints'))
  page = (tmp_path / 'report.html').read_text()
  assert 'Depths' in page and 'depth (0: embeddings)' in page


def test_a_probe_of_words_and_none_of_spans(trunk, tmp_path):
  lines = ['the\tO', 'array\tB-x', '', 'axis\tO', 'array\tB-x', 'is\tO', '']
  write(tmp_path, 'wnut17train.conll', lines * 6)
  write(tmp_path, 'emerging.test.annotated', lines)
  results = finetune.finetune(trunk, Settings(
      task='wnut17', data_dir=str(tmp_path), way='probe', seeds=1,
      batch_size=8, max_length=16), tmp_path / 'run', say=str)
  assert results['runs'][0]['metrics']['wnut17/depth_0/f1'] == 1.0
  with pytest.raises(ConfigError, match='does not fit --task=squad'):
    finetune.finetune(trunk, Settings(
        task='squad', data_dir=str(FIXTURES / 'squad'), way='probe'),
                      tmp_path / 'squad', say=str)
