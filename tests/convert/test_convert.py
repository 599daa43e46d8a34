"""The verb `convert`, tensors on disk, and folders that do not fit."""

import copy
import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
import tokenizers
from flax.core import meta
from safetensors.numpy import load_file, save_file

from ptm_jax import __main__, config
from ptm_jax.command_line import load_config
from ptm_jax.convert import (card, encoder_decoders, export, family, folder,
                             importing, mapping, pooled, published, strips,
                             tensors, tokenizer_files)
from ptm_jax.data.corpora import text
from ptm_jax.data.vocabulary import Vocabulary
from ptm_jax.errors import CheckpointError, ConfigError, DataError
from ptm_jax.finetune_step import windows_of
from ptm_jax.load import Loaded, encode_windows, load
from ptm_jax.objectives import autoregressive, masked, replaced_token
from ptm_jax.objectives.reading import bound_to_read
from tests import small_runs
from tests.convert import cases


@pytest.fixture
def there(tmp_path):
  """A copy of a committed GPT-2, which may be damaged."""
  place = tmp_path / 'there'
  shutil.copytree(cases.FIXTURES / 'gpt2', place)
  return place


def convert(source, target, *more):
  return __main__.main(['convert', f'--source={source}', f'--target={target}',
                        *more])


# --- the verb ----------------------------------------------------------------


def test_the_verb_converts_in_and_out(there, tmp_path, capsys):
  assert convert(there, tmp_path / 'ours') == 0
  assert convert(tmp_path / 'ours', tmp_path / 'back') == 0
  assert 'GPT2LMHeadModel' in capsys.readouterr().out
  before = load_file(there / 'model.safetensors')
  after = load_file(tmp_path / 'back' / 'model.safetensors')
  assert before.keys() == after.keys()
  for name, one in before.items():
    np.testing.assert_array_equal(one, after[name])
  said = (tmp_path / 'back' / 'README.md').read_text()
  assert 'Objective: autoregressive' in said and 'Licence' in said
  assert '# GPT2LMHeadModel converted with ptm_jax' in said
  assert '- Data: not trained here: it was a published GPT2LMHeadModel' in said
  values = json.loads((tmp_path / 'back' / 'config.json').read_text())
  assert values['n_embd'] == 16 and values['summary_type'] == 'cls_index'


def test_the_card_says_what_was_trained_on_what_and_for_how_long(tmp_path):
  run = bound()
  run.config.corpus.path = '/home/me/books.txt'
  run.config.data.batch_size = 4
  made = export.plan(run)
  plain = card.text(run, made)
  assert '# GPT2LMHeadModel pre-trained' in plain
  assert '- Budget: 7 updates of 4 x 8 tokens' in plain
  assert '- Data: text (path=books.txt)' in plain
  assert 'Fine-tuned' not in plain and '/home' not in plain
  (tmp_path / 'results.json').write_text(json.dumps(
      {'runs': [{'metrics': {'cola/accuracy': .75, 'depth': None}}]}))
  run = dataclasses.replace(run, step=9, finetune={
      'task': 'cola', 'way': 'full', 'batch_size': 32, 'max_length': 64,
      'learning_rate': 1e-3, 'seed': 2, 'trunk_step': 7})
  tuned = card.text(run, made, tmp_path)
  assert '# GPT2LMHeadModel fine-tuned' in tuned
  assert '- Budget: 7 updates of 4 x 8 tokens' in tuned
  assert ('- Fine-tuned on: cola (full), 9 updates of 32 rows of at most 64 '
          'tokens, learning rate 0.001, seed 2') in tuned
  assert tuned.rstrip().endswith('- cola/accuracy: 0.7500')


def test_a_target_that_exists_is_kept(there, tmp_path, capsys):
  (tmp_path / 'kept').mkdir()
  (tmp_path / 'kept' / 'file').write_text('mine')
  assert convert(there, tmp_path / 'kept') == 2
  assert 'exists' in capsys.readouterr().err
  assert [one.name for one in (tmp_path / 'kept').iterdir()] == ['file']


def edit_config(**values):
  def change(place):
    path = place / 'config.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
  return change


def edit_tensors(change_them):
  def change(place):
    found = load_file(place / 'model.safetensors')
    change_them(found)
    save_file(found, place / 'model.safetensors')
  return change


def truncate(place):
  data = (place / 'model.safetensors').read_bytes()
  (place / 'model.safetensors').write_bytes(data[:len(data) // 2])


def scramble(place):
  data = bytearray((place / 'model.safetensors').read_bytes())
  data[8:40] = b'\xff' * 32
  (place / 'model.safetensors').write_bytes(bytes(data))


def pickle_alone(place):
  (place / 'model.safetensors').rename(place / 'pytorch_model.bin')


def index(file):
  def change(place):
    (place / 'model.safetensors').rename(place / 'a.safetensors')
    names = load_file(place / 'a.safetensors')
    (place / 'model.safetensors.index.json').write_text(json.dumps(
        {'weight_map': dict.fromkeys(names, file)}))
  return change


def without(name):
  return edit_tensors(lambda found: found.pop(name))


def beside(**more):
  return edit_tensors(lambda found: found.update(more))


BAD = {
    'architecture': (edit_config(architectures=['GPT2Banana']), 2,
                     'GPT2Banana'),
    'model_type': (edit_config(model_type='banana'), 2, 'known are albert'),
    'option': (edit_config(add_cross_attention=True), 2,
               'add_cross_attention=True'),
    'activation': (edit_config(activation_function='mish'), 2, 'gelu_new'),
    'width': (edit_config(n_embd='wide'), 2, "'wide'"),
    'heads': (edit_config(n_head=3), 2, 'does not divide'),
    'depth': (edit_config(n_layer=3), 4, 'transformer.h.2.'),
    'shape': (edit_config(n_inner=20), 4, '[20, 16]'),
    'json': (lambda place: (place / 'config.json').write_text('{"model_'), 2,
             'damaged'),
    'missing': (without('transformer.h.1.mlp.c_fc.weight'), 4,
                'lacks the tensor transformer.h.1.mlp.c_fc.weight'),
    'extra': (beside(banana=np.zeros(3, np.float32)), 4, 'banana'),
    'tied': (beside(**{'lm_head.weight': np.zeros((31, 16), np.float32)}), 4,
             'lm_head.weight and transformer.wte.weight'),
    'truncated': (truncate, 4, 'damaged'),
    'scrambled': (scramble, 4, 'damaged'),
    'pickle': (pickle_alone, 4, 'save_pretrained'),
    'no weights': (lambda place: (place / 'model.safetensors').unlink(), 4,
                   'holds no model.safetensors'),
    'shard elsewhere': (index('../a.safetensors'), 4, "'../a.safetensors'"),
    'shard absent': (index('b.safetensors'), 4, 'b.safetensors is missing'),
}


@pytest.mark.parametrize('case', BAD)
def test_what_does_not_fit_is_one_line(case, there, tmp_path, capsys):
  change, code, message = BAD[case]
  change(there)
  assert convert(there, tmp_path / 'ours') == code
  error = capsys.readouterr().err
  assert message in error.splitlines()[-1] and 'Traceback' not in error
  assert sorted(one.name for one in tmp_path.iterdir()) == ['there']


REFUSED = {
    'xlnet_sequence': {
        'attn_type': 'uni', 'bi_data': True, 'clamp_len': 8, 'd_head': 4,
        'untie_r': False, 'summary_type': 'mean', 'summary_use_proj': False,
        'summary_activation': 'relu'},
    'deberta_sequence': {
        'share_att_key': False, 'norm_rel_ebd': 'none',
        'position_biased_input': True, 'pos_att_type': 'c2p',
        'conv_groups': 2, 'conv_act': 'mish', 'embedding_size': 8,
        'position_buckets': 'x', 'pooler_hidden_act': 'mish',
        'relative_attention': False},
}


@pytest.mark.parametrize('family, field, value', [
    (family, *one) for family, fields in REFUSED.items()
    for one in fields.items()])
def test_what_a_family_says_and_we_lack_is_named(family, field, value,
                                                 tmp_path):
  place = tmp_path / 'there'
  shutil.copytree(cases.FIXTURES / family, place)
  edit_config(**{field: value})(place)
  with pytest.raises(ConfigError, match=field) as error:
    published.open_folder(place)
  assert str(value) in str(error.value) and '\n' not in str(error.value)


def test_a_published_discriminator_is_its_trunk(tmp_path, capsys):
  """As DeBERTa v3 is published: two heads beside a trunk and no class."""
  place = tmp_path / 'there'
  shutil.copytree(cases.FIXTURES / 'deberta_not_legacy', place)
  edit_config(architectures=None)(place)
  beside(**{'mask_predictions.dense.weight': np.zeros((16, 16), np.float32)})(
      place)
  assert convert(place, tmp_path / 'ours') == 0
  said = capsys.readouterr().out
  assert 'as DebertaV2Model has no use for them: lm_predictions' in said
  assert 'mask_predictions.dense.weight' in said
  assert set(load(tmp_path / 'ours').params) == {'trunk'}


def test_a_failure_half_way_leaves_nothing(there, tmp_path, monkeypatch):
  def fail(*_):
    raise OSError(28, 'No space left on device', 'model.safetensors')
  monkeypatch.setattr(mapping.Entry, 'to_ours', fail)
  assert convert(there, tmp_path / 'ours') == 3
  assert sorted(one.name for one in tmp_path.iterdir()) == ['there']


def test_a_full_disk_is_noticed_before_anything_is_written(
    there, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(tensors.shutil, 'disk_usage',
                      lambda _: shutil._ntuple_diskusage(9, 8, 1))
  assert convert(there, tmp_path / 'ours') == 3
  assert 'no space left: 0.0 GB are needed' in capsys.readouterr().err
  assert sorted(one.name for one in tmp_path.iterdir()) == ['there']


def test_wrong_numbers_on_disk_are_noticed(there, tmp_path, monkeypatch,
                                           capsys):
  put_all = importing._convert
  def damaged(one, out):
    put_all(one, out)
    with open(next(tmp_path.glob('.ours.*/model.safetensors')), 'r+b') as file:
      file.seek(-3, 2)
      file.write(b'banana'[:1])
  monkeypatch.setattr(importing, '_convert', damaged)
  assert convert(there, tmp_path / 'ours') == 4
  assert 'does not come back' in capsys.readouterr().err
  assert sorted(one.name for one in tmp_path.iterdir()) == ['there']


# --- what is published -------------------------------------------------------


def bound(**fields):
  """An autoregressive run with random parameters."""
  model = config.Model(**{**dict(depth=2, width=8, num_heads=2, max_length=8),
                          **fields})
  settings = config.Experiment(autoregressive.Objective(), text.Corpus(),
                               model, data=config.Data(raw_length=8))
  objective = settings.objective.bind(model, Vocabulary(120), 8)
  params = {}
  rng = np.random.default_rng(0)
  for leaf in mapping.leaves_of(objective.networks(), ['trunk', 'head']):
    params[leaf.path] = jnp.asarray(rng.normal(size=leaf.shape), jnp.float32)
  return Loaded(settings, None, objective, mapping.unflatten(params), 7)


def test_a_run_without_a_published_form_says_why():
  with pytest.raises(ConfigError, match='gpt2: it has no model.positions='
                                        'alibi, only learned'):
    export.plan(bound(positions='alibi'))
  with pytest.raises(ConfigError, match='bert: it has no decoder of auto'):
    export.plan(bound(), 'bert')
  with pytest.raises(ConfigError, match='--family=banana is none of'):
    export.plan(bound(), 'banana')


def test_a_refusal_speaks_of_the_nearest_families_alone():
  with pytest.raises(ConfigError) as alibi:
    export.plan(bound(positions='alibi'))
  assert str(alibi.value).count(': ') == 1 and 'The nearest' in str(alibi.value)
  with pytest.raises(ConfigError) as both:
    export.plan(bound(positions='alibi', norm='rms'), 'gpt2')
  assert 'positions=alibi, only learned' in str(both.value)
  assert 'norm=rms, only layer' in str(both.value)
  with pytest.raises(ConfigError, match='model: it has no two_tower of bidire'):
    export.plan(experiment('elmo'))


def test_a_head_with_more_than_it_needs_is_refused(tmp_path):
  place = tmp_path / 'there'
  shutil.copytree(cases.FIXTURES / 'gpt2_sequence', place)
  beside(**{'score.bias': np.zeros(3, np.float32)})(place)
  with pytest.raises(CheckpointError, match='holds the tensor score.bias'):
    published.open_folder(place)


@pytest.mark.parametrize('kept', [False, True])
def test_of_an_error_no_folder_stays_that_was_made_for_it(kept, tmp_path):
  place = tmp_path / 'a' / 'b'
  if kept:
    place.mkdir(parents=True)
    (tmp_path / 'a' / 'mine').touch()
  with pytest.raises(ZeroDivisionError), folder.new(place / 'c') as made:
    (made / 'half').touch()
    1 / 0
  assert [one.name for one in tmp_path.iterdir()] == ['a'] * kept
  assert (tmp_path / 'a' / 'b').exists() == kept


def test_of_a_fine_tuned_run_what_it_answers_with_is_published():
  run = bound()
  def tuned(**task):
    return dataclasses.replace(run, params={**run.params, 'task': task},
                               finetune={'task': 'sst2', 'parameters': {}})
  # A prompt or a text is answered by the language model itself.
  assert export.plan(tuned()).architecture == 'GPT2LMHeadModel'
  with pytest.raises(ConfigError, match='with a prefix has no published form'):
    export.plan(tuned(prefix=np.ones((2, 8)), head={}))


def encoder(objective, **fields):
  """An encoder's run with random parameters."""
  model = config.Model(depth=2, width=16, num_heads=2, max_length=16,
                       norm_position='post', embedding_norm=True, **fields)
  settings = config.Experiment(objective, text.Corpus(), model,
                               data=config.Data(raw_length=12))
  bound_ = objective.bind(model, Vocabulary(120), 12)
  params = meta.unbox(jax.eval_shape(bound_.init, jax.random.key(0)))
  rng = np.random.default_rng(0)
  params = jax.tree.map(lambda leaf: jnp.asarray(
      rng.normal(size=leaf.shape), jnp.float32), params)
  return Loaded(settings, None, bound_, params, 7)


def test_electra_is_two_published_models():
  run = encoder(replaced_token.Objective(generator_width=.5),
                embedding_width=8)
  made = export.plan(run)
  assert made.architecture == 'ElectraForPreTraining'
  assert made.left == ['generator', 'generator_head']
  other = export.plan(export.generator_of(run), 'electra')
  assert other.architecture == 'ElectraForMaskedLM'
  assert other.values['hidden_size'] == 8 and made.values['hidden_size'] == 16
  # Its tables are the trunk's.
  np.testing.assert_array_equal(
      other.params['trunk/token_embedding/embedding'],
      run.params['trunk']['token_embedding']['embedding'])
  with pytest.raises(ConfigError, match='replaced_token'):
    export.generator_of(bound())


def test_an_electra_classifier_of_texts_has_a_gelu():
  run = encoder(replaced_token.Objective(), embedding_width=8)
  wanted = 'ElectraForSequenceClassification'
  electra = published.families()['electra']
  for activation, name in (('tanh', 'ElectraForPreTraining'), ('gelu', wanted)):
    model = config.Model(**{**vars(run.objective.model),
                            'pooler_activation': activation})
    values = electra.from_model(model, run.objective.vocabulary, 120, name)
    assert electra.to_model(values).pooler_activation == 'gelu'
  with pytest.raises(ConfigError, match='pooler_activation=tanh, only gelu'):
    electra.from_model(run.objective.model, run.objective.vocabulary, 120,
                       wanted)


@pytest.mark.parametrize('verb, name, more', [
    ('embed', 'bert_pretraining', ['--input={}/in', '--output={}/out.npz']),
    ('fill', 'bert_pretraining', ['--text=a[MASK]']),
    ('generate', 'gpt2', ['--prompt=a']),
    ('generate', 'gpt2', ['--prompt=a', '--beam=2']),
    ('evaluate', 'gpt2', ['--tasks=lambada', '--data_dir={}']),
    ('finetune', 'gpt2', ['--task=own_classes', '--data_dir={}',
                          '--workdir={}/run'])])
def test_what_brings_no_tokenizer_reads_no_text(verb, name, more, tmp_path,
                                                capsys):
  (tmp_path / 'in').write_text('a\n')
  for split in 'train', 'test':
    (tmp_path / f'{split}.tsv').write_text('label\ttext_a\nx\ta\ny\tb\n')
  assert __main__.main([
      verb, f'--checkpoint={cases.FIXTURES / name}',
      *(one.format(tmp_path) for one in more)]) == 2
  assert 'brings no tokenizer' in capsys.readouterr().err
  assert not (tmp_path / 'run').exists()


def experiment(name):
  """A run of an experiment's smallest size, its parameters 0."""
  settings = load_config(str(small_runs.ROOT / f'experiments/{name}.py:tiny'))
  bound_ = settings.objective.bind(
      settings.model, Vocabulary(120), settings.data.raw_length)
  params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32),
                        meta.unbox(jax.eval_shape(
                            bound_.init, jax.random.key(0))))
  return Loaded(settings, None, bound_, params, 7)


@pytest.mark.parametrize('name, expected', [
    ('bart', 'BartForConditionalGeneration'), ('bert', 'BertForPreTraining'),
    ('electra', 'ElectraForPreTraining'), ('gpt2', 'GPT2LMHeadModel'),
    ('pegasus', 'PegasusForConditionalGeneration'),
    ('roberta', 'RobertaForMaskedLM'), ('t5', 'T5ForConditionalGeneration')])
def test_our_experiments_are_published_as_what_they_are(name, expected):
  assert export.plan(experiment(name)).architecture == expected


def test_our_xlnet_is_the_published_one_if_its_fields_say_so():
  run = experiment('xlnet')
  bound_ = run.objective
  made = export.plan(run)
  assert made.architecture == 'XLNetLMHeadModel' and not made.left
  for part, field, value in [
      ('model', 'relative_types', False), ('model', 'query_embedding', False),
      ('model', 'output_bias', None), ('model', 'pooler_place', 'first'),
      ('objective', 'closing', False)]:
    other = copy.copy(bound_)
    target = other
    if part == 'model':
      target = other.model = dataclasses.replace(bound_.model)
    setattr(target, field, value)
    with pytest.raises(ConfigError, match=f'xlnet: it has no {part}.{field}='):
      export.plan(dataclasses.replace(run, objective=other), 'xlnet')


@pytest.mark.parametrize('task, labels, outputs, problem', [
    ('stsb', [], 1, 'regression'), ('c3', [], 1, 'regression'),
    ('own_marks', ['a', 'b'], 2, 'multi_label_classification'),
    ('cola', ['no', 'yes'], 2, None), ('squad', [], 2, None)])
def test_a_head_says_what_its_outputs_are(task, labels, outputs, problem):
  run = encoder(masked.Objective())
  pooled_ = task != 'squad'
  dense = {'kernel': [16, 16], 'bias': [16]}
  shapes = {'head': {'kernel': [16, outputs], 'bias': [outputs]},
            **({'pooler': {'dense': dense}} if pooled_ else {})}
  run = dataclasses.replace(
      run, finetune={'task': task, 'labels': labels, 'parameters': shapes},
      params={**run.params, 'task': jax.tree.map(
          np.ones, shapes, is_leaf=lambda one: isinstance(one, list))})
  # What it was published as before does not count.
  origin = {'model_type': 'bert', 'config': {
      'id2label': {'0': 'x', '1': 'y', '2': 'z'}, 'problem_type': 'x'}}
  values = export.plan(run, origin=origin).values
  names = labels or [f'LABEL_{number}' for number in range(outputs)]
  assert values['id2label'] == {
      str(number): name for number, name in enumerate(names)}
  assert values['label2id'] == {
      name: number for number, name in enumerate(names)}
  assert values['problem_type'] == problem
  run.finetune['task'] = 'cola,sst2'
  with pytest.raises(ConfigError, match='head of several tasks has no publish'):
    export.plan(run, origin=origin)


@pytest.mark.parametrize('made, pooling', [
    (lambda: encoder(masked.Objective(), pooler_activation='gelu'), 'pooler'),
    (lambda: bound(), 'last')])
def test_a_classifier_of_the_mean_has_no_published_form(made, pooling):
  head = {'kernel': (made().config.model.width, 2), 'bias': (2,)}
  run = dataclasses.replace(made(), finetune={
      'kind': 'sequence', 'parameters': {'head': head}})
  run.params['task'] = {'head': {name: jnp.zeros(shape)
                                 for name, shape in head.items()}}
  with pytest.raises(ConfigError, match=f'fine-tuned with --pooling={pooling}'):
    export.plan(run)


@pytest.mark.parametrize('kind, pooling, said', [
    ('sequence', 'pooler', 'decoder'), ('sequence', 'mean', 'decoder'),
    ('span', 'mean', 'decoder'), ('span', 'decoder', '')])
def test_an_encoder_decoder_is_published_with_its_decoder_read(
    kind, pooling, said):
  run = load(cases.FIXTURES / 'bart_sequence')
  task = dict(run.params['task'])
  if kind == 'span' or pooling == 'mean':
    del task['pooler']
  facts = {'kind': kind, 'pooling': pooling, 'parameters': jax.tree.map(
      lambda leaf: list(leaf.shape), task)}
  run = dataclasses.replace(run, finetune=facts, params={
      'trunk': run.params['trunk'], 'task': task})
  if not said:
    assert export.plan(run).architecture == 'BartForQuestionAnswering'
    return
  with pytest.raises(ConfigError, match=f'fine-tuned with --pooling={said}'):
    export.plan(run, 'bart')


def drawn(run):
  """The same run with random parameters."""
  rng = np.random.default_rng(0)
  return dataclasses.replace(run, params=jax.tree.map(
      lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), run.params))


def test_the_encoder_of_an_encoder_decoder_goes_out_alone(tmp_path):
  whole = drawn(experiment('t5'))
  run = export.encoder_of(whole)
  made = export.plan(run)
  assert made.architecture == 'T5EncoderModel' and not made.left
  assert made.values['num_layers'] == whole.objective.model.depth // 2
  assert made.values['is_encoder_decoder'] is False
  export.write(run, made, tmp_path / 'out')
  assert not any('decoder' in name or 'lm_head' in name
                 for name in tensors.Tensors(tmp_path / 'out').shapes)
  again = load(tmp_path / 'out')
  tokens = np.array([[20, 30, 40, 50], [60, 70, 0, 0]], np.int32)
  windows = windows_of(tokens, tokens > 0)
  for expected, found in zip(whole.objective.features(whole.params, windows),
                             again.objective.features(again.params, windows),
                             strict=True):
    np.testing.assert_array_equal(expected, found)


def test_a_masked_lm_of_t5s_shape_goes_out_as_t5s_encoder(tmp_path):
  fields = {name: value for name, value in vars(
      experiment('t5').objective.model).items() if name != 'form'}
  model = config.Model(**fields)
  settings = config.Experiment(masked.Objective(), text.Corpus(), model,
                               data=config.Data(raw_length=12))
  bound_ = settings.objective.bind(model, Vocabulary(120), 12)
  run = drawn(Loaded(settings, None, bound_, meta.unbox(jax.eval_shape(
      bound_.init, jax.random.key(0))), 7))
  made = export.plan(run)
  assert (made.architecture, made.left) == ('T5EncoderModel', ['head'])
  export.write(run, made, tmp_path / 'out')
  again = load(tmp_path / 'out')
  assert again.objective.model.depth == model.depth
  for path, one in mapping.flatten({'trunk': run.params['trunk']}).items():
    np.testing.assert_array_equal(mapping.flatten(again.params)[path], one)


def test_no_mt5_reads_scaled_states():
  with pytest.raises(ConfigError, match='no model.scale_head=True, only False'):
    export.plan(experiment('t5'), 't5_multilingual')


def test_what_reads_an_encoder_alone_does_not_train_it():
  settings = experiment('t5').config
  settings.model.form = 'encoder'
  assert bound_to_read(settings, Vocabulary(120)).ways() == {}
  with pytest.raises(ConfigError, match='does not fit model.form=encoder'):
    settings.objective.bind(settings.model, Vocabulary(120), 64)


@pytest.mark.parametrize('name, facts, message', [
    ('gpt2', None, 'this one is a decoder'),
    ('bart_sequence', 'its own', 'whose states its task reads')])
def test_no_encoder_goes_out_alone_where_none_answers(name, facts, message):
  run = load(cases.FIXTURES / name)
  assert bool(run.finetune) == bool(facts)
  with pytest.raises(ConfigError, match=message):
    export.encoder_of(run)


def test_a_classifier_of_tokens_reads_the_encoder_alone():
  run = load(cases.FIXTURES / 't5')
  head = {'kernel': np.ones((16, 3)), 'bias': np.ones(3)}
  run = dataclasses.replace(run, params={**run.params, 'task': {'head': head}},
                            finetune={'kind': 'token', 'parameters': {
                                'head': {'kernel': [16, 3], 'bias': [3]}}})
  assert export.reads_encoder(run)
  assert export.plan(export.encoder_of(run)).architecture == (
      'T5ForTokenClassification')
  run.finetune['pooling'] = 'decoder'
  assert not export.reads_encoder(run)


def words_of_bart(place, before):
  """A tokenizer with the ids of a BART, `before` in front of a text."""
  library = tokenizers.Tokenizer(tokenizers.models.WordLevel(
      {name: one for one, name in enumerate(
          ['<s>', '<pad>', '</s>', '<unk>', '<mask>', 'a', 'b'])}, '<unk>'))
  library.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
  library.post_processor = tokenizers.processors.TemplateProcessing(
      f'{before} $A </s>'.strip(), special_tokens=[('<s>', 0), ('</s>', 2)])
  library.save(str(place / 'tokenizer.json'))


@pytest.mark.parametrize('before, ids', [('<s>', [0, 5, 6, 2]),
                                         ('', [5, 6, 2])])
def test_a_bart_reads_in_front_of_a_text_what_its_tokenizer_puts(
    before, ids, tmp_path):
  place = tmp_path / 'there'
  shutil.copytree(cases.FIXTURES / 'bart', place)
  words_of_bart(place, before)
  assert convert(place, tmp_path / 'ours') == 0
  for run in load(place), load(tmp_path / 'ours'):
    windows = encode_windows(run.tokenizer, ['a b'])
    stack = jax.vmap(run.objective.read)(windows)
    assert stack['inputs'].tolist() == [ids]
    assert stack['positions'].tolist() == [[*range(len(ids))]]
    # What is scored behind 'a' is 'b </s>', whatever the decoder begins with.
    (way,) = run.objective.ways().values()
    window = {name: values[0] for name, values in windows.items()}
    example, origins = way.example(
        window, np.int32([0, 1]), np.float32([0, 1]))
    assert example['targets'].tolist() == ids
    assert example['decoder_inputs'].tolist() == [2, *ids[:-1]]
    place_of_b = ids.index(6)
    assert origins['seq2seq'][place_of_b] == 1
    assert origins['seq2seq'][place_of_b - 1] != 1


def test_a_tokenizer_that_does_not_say_opens_a_text(tmp_path):
  assert tokenizer_files.opens(tmp_path)
  (tmp_path / 'tokenizer.json').write_text('{"version": ')
  with pytest.raises(DataError, match='tokenizer.json is damaged'):
    tokenizer_files.opens(tmp_path)


SAID = 'generation_config.json'


@pytest.mark.parametrize('said, ends', [
    ({'eos_token_id': 5, 'num_beams': 4}, True), ({'eos_token_id': 6}, False),
    ({'eos_token_id': [6, 5]}, True), ({}, False), (None, False)])
def test_what_is_said_of_writing_is_kept_and_heard(said, ends, there, tmp_path):
  edit_config(eos_token_id=5)(there)
  if said is not None:
    (there / SAID).write_text(json.dumps(said))
  assert load(there).objective.writes_end == ends
  assert convert(there, tmp_path / 'ours') == 0
  assert load(tmp_path / 'ours').objective.writes_end == ends
  assert convert(tmp_path / 'ours', tmp_path / 'back') == 0
  assert (tmp_path / 'back' / SAID).exists() == bool(said)
  if said:
    assert json.loads((tmp_path / 'back' / SAID).read_text()) == said


def test_a_decoder_that_learnt_to_end_says_so(tmp_path):
  run = bound()
  export.write(run, export.plan(run), tmp_path / 'plain')
  assert not (tmp_path / 'plain' / SAID).exists()
  ended = dataclasses.replace(run, objective=run.objective.ending())
  export.write(ended, export.plan(ended), tmp_path / 'out')
  assert json.loads((tmp_path / 'out' / SAID).read_text()) == {
      'bos_token_id': 1, 'eos_token_id': 2, 'pad_token_id': 0}
  assert load(tmp_path / 'out').objective.writes_end
  # Where another end was said, ours is.
  other = export.plan(ended)
  other.generation.update(eos_token_id=9, num_beams=4)
  export.write(ended, other, tmp_path / 'other')
  said = json.loads((tmp_path / 'other' / SAID).read_text())
  assert (said['eos_token_id'], said['num_beams']) == (2, 4)


def test_a_classifier_says_nothing_of_writing(tmp_path):
  run = load(cases.FIXTURES / 'bart_sequence')
  assert run.objective.writes_end
  export.write(run, export.plan(run), tmp_path / 'out')
  assert not (tmp_path / 'out' / SAID).exists()


@pytest.mark.parametrize('values, role', [
    ({'decoder_start_token_id': 2, 'eos_token_id': 2}, 'eos'),
    ({'decoder_start_token_id': 0, 'bos_token_id': 0, 'eos_token_id': 2},
     'bos'), ({}, 'eos'),
    ({'decoder_start_token_id': 7, 'eos_token_id': 2}, None)])
def test_a_decoder_starts_from_what_config_json_says(values, role):
  model = config.Model()
  if role is None:
    with pytest.raises(ConfigError, match='decoder_start_token_id=7, which is'):
      encoder_decoders.read_start(values, model, 'eos')
    return
  encoder_decoders.read_start(values, model, 'eos')
  assert model.decoder_start == role
  assert encoder_decoders.start(model, Vocabulary(120)) == {
      'decoder_start_token_id': {'eos': 2, 'bos': 1}[role]}


def test_an_encoder_of_sentences_has_a_mean_and_no_head(tmp_path):
  run = encoder(masked.Objective())
  made = export.plan(run, bare=True)
  export.write(run, made, tmp_path / 'out', encoder=pooled.Pooled())
  assert made.architecture == 'BertModel'
  assert not any('cls' in name for name in tensors.Tensors(
      tmp_path / 'out').shapes)
  pooling = json.loads((tmp_path / 'out/1_Pooling/config.json').read_text())
  assert pooling['pooling_mode_mean_tokens'] is True
  assert pooling['word_embedding_dimension'] == 16
  modules = json.loads((tmp_path / 'out/modules.json').read_text())
  assert [one['path'] for one in modules] == ['', '1_Pooling']
  again = load(tmp_path / 'out')
  assert again.encoder == pooled.Pooled(max_length=16)
  for path, one in mapping.flatten({'trunk': run.params['trunk']}).items():
    np.testing.assert_array_equal(mapping.flatten(again.params)[path], one)


SENTENCE_MODULES = ['base.modules.transformer.Transformer',
                    'sentence_transformer.modules.pooling.Pooling',
                    'base.modules.normalize.Normalize']


def sentence_folder(place, modules=SENTENCE_MODULES, paths=('', '1_Pooling'),
                    pooling=None, **files):
  """A copy of a committed BERT with what the library's newest release
  writes."""
  shutil.copytree(cases.FIXTURES / 'bert_pretraining', place)
  (place / '1_Pooling').mkdir()
  for name, values in {
      'modules': [{'type': f'sentence_transformers.{one}', 'path': path}
                  for one, path in zip(modules, (*paths, '2_Normalize'))],
      '1_Pooling/config': pooling or {'pooling_mode': 'cls'},
      'sentence_bert_config': {'max_seq_length': 9}, **files}.items():
    (place / f'{name}.json').write_text(json.dumps(values))
  return place


def test_an_encoder_of_sentences_comes_back_as_it_was(tmp_path):
  there = sentence_folder(tmp_path / 'there')
  edit_config(architectures=['BertModel'])(there)
  assert convert(there, tmp_path / 'ours') == 0
  expected = pooled.Pooled('cls', True, 9)
  assert load(tmp_path / 'ours').encoder == expected
  assert convert(tmp_path / 'ours', tmp_path / 'back') == 0
  assert load(tmp_path / 'back').encoder == expected
  assert 'pooler.dense.weight' in tensors.Tensors(tmp_path / 'back').shapes


@pytest.mark.parametrize('pooling, expected', [
    ({'pooling_mode_mean_tokens': True, 'pooling_mode_max_tokens': False},
     'mean'), ({'pooling_mode': 'mean'}, 'mean')])
def test_both_ways_to_say_the_pooling_are_read(pooling, expected, tmp_path):
  there = sentence_folder(tmp_path / 'there', pooling=pooling)
  assert pooled.read(there).pooling == expected


@pytest.mark.parametrize('said, expected', [(7, 7), (10**30, None)])
def test_the_longest_text_may_be_told_by_the_tokenizer(said, expected,
                                                       tmp_path):
  there = sentence_folder(tmp_path / 'there', sentence_bert_config={},
                          tokenizer_config={'model_max_length': said})
  assert pooled.read(there).max_length == expected


def test_a_prompt_that_is_no_name_is_none(tmp_path):
  there = sentence_folder(tmp_path / 'there', config_sentence_transformers={
      'default_prompt_name': ['query'], 'prompts': {'query': 'q: '}})
  assert pooled.read(there).pooling == 'cls'


@pytest.mark.parametrize('said, message', [
    ({'modules': SENTENCE_MODULES[:2] + ['models.Dense']},
     'modules Transformer, Pooling, Dense'),
    ({'paths': ('', '../1_Pooling')}, 'in other folders'),
    ({'paths': ('0_Transformer', '1_Pooling')}, 'in other folders'),
    ({'pooling': {'pooling_mode': 'weightedmean'}}, 'weightedmean'),
    ({'pooling': {'pooling_mode_mean_tokens': True,
                  'pooling_mode_cls_token': True}}, 'pooling_mode_cls_token'),
    ({'modules': ['models.Transformer']}, 'modules Transformer, where'),
    ({'sentence_bert_config': {'max_seq_length': 'x'}}, "max_seq_length='x'"),
    ({'sentence_bert_config': {'do_lower_case': True}}, 'do_lower_case=true'),
    ({'config_sentence_transformers': {
        'default_prompt_name': 'query', 'prompts': {'query': 'q: '}}},
     "the prompt 'q: '")])
def test_what_an_encoder_has_and_we_lack_is_named(said, message, tmp_path):
  there = sentence_folder(tmp_path / 'there', **said)
  with pytest.raises(ConfigError, match=message) as error:
    pooled.read(there)
  assert '\n' not in str(error.value)


def test_layers_that_were_scanned_are_written_one_by_one(tmp_path):
  plain = bound()
  scanned = bound(scan_layers=True)
  layers = scanned.params['trunk']['stack']['layers']
  second = mapping.flatten(layers)['mlp/up/kernel'][1]
  made = export.plan(scanned)
  assert sorted(one.name for one in made.entries) == sorted(
      one.name for one in export.plan(plain).entries)
  export.write(scanned, made, tmp_path / 'out')
  found = tensors.Tensors(tmp_path / 'out').read(
      'transformer.h.1.mlp.c_fc.weight')
  np.testing.assert_array_equal(found, second)


def test_optional_fields_are_compared_by_what_they_mean():
  plain = config.Model(width=64, num_heads=4)
  said = config.Model(width=64, num_heads=4, head_dim=16, num_kv_heads=4,
                      mlp_dim=256, embedding_width=64, qkv_bias=True)
  assert family.canonical(plain) == family.canonical(said)
  other = config.Model(width=64, num_heads=4, head_dim=8)
  assert family.canonical(other).head_dim == 8


# --- tensors on disk ---------------------------------------------------------


@pytest.mark.parametrize('shard_bytes', [10**9, 50])
def test_tensors_come_back_from_shards(shard_bytes, tmp_path):
  rng = np.random.default_rng(0)
  arrays = {'a': rng.normal(size=(3, 4)).astype(np.float32),
            'b.c': rng.normal(size=(5,)).astype(np.float32),
            'd': np.asarray(jnp.ones((2, 2), jnp.bfloat16)),
            'e': rng.normal(size=(2, 3, 4)).astype(np.float32)}
  with tensors.Writer(
      tmp_path, {name: (one.shape, one.dtype) for name, one in arrays.items()},
      {'e': (2, 0, 1)}, shard_bytes) as out:
    for name, one in reversed(arrays.items()):
      out.put(name, one)
  assert len(list(tmp_path.glob('*.safetensors'))) == (
      1 if shard_bytes > 50 else 3)
  found = tensors.Tensors(tmp_path)
  assert set(found.shapes) == set(arrays)
  for name, one in arrays.items():
    assert strips.same(found.read(name), one)
  assert found.read('e').transpose(2, 0, 1).flags.c_contiguous


def test_damaged_axes_are_noticed(tmp_path):
  for axes, say in (('{"a": [0, 2]}', 'a has 2 axes'), ('[1]', 'its axes'),
                    ('{"a": 1}', 'its axes')):
    save_file({'a': np.zeros((2, 3), np.float32)},
              tmp_path / 'model.safetensors', metadata={'axes': axes})
    with pytest.raises(CheckpointError, match=say):
      tensors.Tensors(tmp_path)


def test_an_index_that_lies_is_noticed(tmp_path):
  save_file({'a': np.zeros(2, np.float32)}, tmp_path / 'x.safetensors')
  (tmp_path / 'model.safetensors.index.json').write_text(json.dumps(
      {'weight_map': {'a': 'x.safetensors', 'b': 'x.safetensors'}}))
  with pytest.raises(CheckpointError, match='b is in one of them alone'):
    tensors.Tensors(tmp_path)


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_any_order_of_memory_is_put_into_order_and_compared(dtype):
  matrix = np.arange(300 * 520).reshape(520, 300).astype(jnp.dtype(dtype))
  views = [
      matrix, matrix.T, matrix[:, :100], matrix.T.reshape(300, 4, 130),
      matrix.T.reshape(10, 30, 520), matrix[::2, ::2], matrix[3],
      matrix.T[7], matrix[:1].T, matrix[0, 0], matrix[:, :0],
      np.moveaxis(matrix.reshape(4, 130, 300), 2, 1)]
  for view in views:
    plain = np.array(view, order='C')
    made = strips.ordered(view)
    assert made.flags.c_contiguous and made.shape == plain.shape
    np.testing.assert_array_equal(made, plain)
    assert strips.same(view, plain) and strips.same(plain, view)
    if view.size:
      plain.reshape(-1)[-1:] += plain.dtype.type(2**17)
      assert not strips.same(view, plain) and not strips.same(plain, view)
    assert view.transpose(strips.axes(view)).flags.c_contiguous or (
        strips.axes(view) == tuple(range(view.ndim)))
  assert not strips.same(matrix, matrix.T)
  assert strips.axes(matrix.T.reshape(300, 4, 130)) == (1, 2, 0)


def test_parameters_of_another_model_are_refused(there, tmp_path):
  assert convert(there, tmp_path / 'ours') == 0
  values = load_file(tmp_path / 'ours' / 'model.safetensors')
  values.pop('trunk/stack/final_norm/scale')
  with safetensors.safe_open(tmp_path / 'ours/model.safetensors', 'np') as one:
    metadata = one.metadata()
  save_file(values, tmp_path / 'ours' / 'model.safetensors', metadata)
  with pytest.raises(CheckpointError, match='final_norm/scale'):
    load(tmp_path / 'ours')
