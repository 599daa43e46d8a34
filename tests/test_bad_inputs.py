"""Files and settings that no run can use: one line, the right exit code, and
nothing that was there before is lost.
"""

import gzip
import json
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ptm_jax import __main__, metrics, serialize
from ptm_jax.errors import PtmError
from tests import small_runs


@pytest.fixture(scope='module')
def place(tmp_path_factory):
  """A complete run of two updates: `run`, and its corpus `lines.txt`."""
  path = tmp_path_factory.mktemp('bad')
  small_runs.write_corpus(path / 'lines.txt')
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('PTM_JAX_CACHE', str(path / 'cache'))
    patch.chdir(small_runs.ROOT)
    assert __main__.main(command(path, path / 'run')) == 0
    yield path


def command(place, workdir, **changed):
  """Arguments behind `python -m ptm_jax`."""
  return small_runs.command(
      place / 'lines.txt', workdir, num_steps=2, every=1,
      **{'evaluation.tasks': '', **changed})[3:]


def files(path):
  """Contents of all files of a folder, but for locks."""
  return {str(file.relative_to(path)): file.read_bytes()
          for file in sorted(path.rglob('*'))
          if file.is_file() and file.name != 'lock'}


def refused(capsys, arguments, code, found):
  """Runs a command that must fail, in one line that holds `found`."""
  capsys.readouterr()
  assert __main__.main(arguments) == code
  error = capsys.readouterr().err.strip().splitlines()
  last = error[-1] if error else ''
  assert last.startswith('ptm_jax: ') and found in last, error
  assert 'Traceback' not in ''.join(error)


def edit(name, change):
  """Damage: one JSON file of the run after `change(values)`."""
  def damage(run):
    values = json.loads((run / name).read_text())
    values = change(values) or values
    (run / name).write_text(json.dumps(values, indent=1) + '\n')
  return damage


def write(name, content):
  """Damage: a file's bytes are `content`."""
  return lambda run: (run / name).write_bytes(content)


def cut(name):
  """Damage: the second half of a file is lost."""
  def damage(run):
    content = (run / name).read_bytes()
    (run / name).write_bytes(content[:len(content) // 2])
  return damage


def set_setting(name, value):
  """Damage: a setting in config.json."""
  def change(values):
    where = values['config']
    *path, last = name.split('.')
    for part in path:
      where = where[part]
    assert last in where or last == 'extra'
    where[last] = value
  return edit('config.json', change)


def set_entry(name, value):
  """Damage: a field of the first entry of results.json."""
  def change(values):
    values['runs'][0][name] = value
  return edit('results.json', change)


def last_line(**fields):
  """Damage: fields of the last line of metrics.jsonl."""
  def damage(run):
    lines = (run / 'metrics.jsonl').read_text().splitlines()
    lines[-1] = json.dumps({**json.loads(lines[-1]), **fields})
    (run / 'metrics.jsonl').write_text('\n'.join(lines) + '\n')
  return damage


@pytest.mark.parametrize('verb', ['pretrain', 'report'])
@pytest.mark.parametrize('damage,code,found', [
    (write('metrics.jsonl', b'{"step": 1\n'), 3, 'metrics.jsonl line 1'),
    (write('metrics.jsonl', b'[]\n'), 3, 'not an object'),
    (write('metrics.jsonl', b'\xff\xfe\n'), 3, 'metrics.jsonl'),
    (write('metrics.jsonl', b'{"step": 1, "loss": NaN}\n'), 3, 'NaN'),
    (write('metrics.jsonl', b'{"step": -1}\n'), 3, 'step -1'),
    (write('metrics.jsonl', b'{"step": "1"}\n'), 3, 'step'),
    (write('metrics.jsonl', b'[' * 100_000 + b'\n'), 3, 'line 1'),
    (last_line(loss='low'), 3, "loss is 'low'"),
    (last_line(loss=[1]), 3, 'loss is [1]'),
    (last_line(step=2**40), 3, 'step'),
])
def test_a_record_edited_by_hand(place, capsys, tmp_path, verb, damage, code,
                                 found):
  run = tmp_path / 'run'
  shutil.copytree(place / 'run', run)
  damage(run)
  before = files(run)
  # One more update than the run has, so that it goes on.
  arguments = (['report', f'--workdir={run}'] if verb == 'report' else
               command(place, run) + ['--config.num_steps=3'])
  if verb == 'pretrain':
    set_setting('num_steps', 3)(run)
    before = files(run)
  refused(capsys, arguments, code, found)
  assert files(run) == before


@pytest.mark.parametrize('damage,code,found', [
    (write('config.json', b''), 2, 'config.json'),
    (cut('config.json'), 2, 'config.json is damaged'),
    (write('config.json', b'[1]'), 2, 'not a JSON object'),
    (write('config.json', b'{}'), 2, 'not a readable config'),
    (write('config.json', b'\xff'), 2, 'config.json is damaged'),
    (set_setting('extra', 1), 2, 'extra'),
    (set_setting('num_steps', 'many'), 2, 'num_steps'),
    (set_setting('seed', 1), 2, 'seed'),
    (set_setting('objective.rate', 0.3), 2, 'objective.rate'),
    (edit('config.json', lambda v: v['config'].update(model=3)), 2, 'model'),
    (edit('config.json', lambda v: v['config']['objective'].update(
        type='../../objective')), 2, 'config.json'),
    (edit('config.json', lambda v: v['config']['objective'].update(
        type='os.system')), 2, 'config.json'),
])
def test_settings_of_a_run_that_were_edited(place, capsys, tmp_path, damage,
                                            code, found):
  run = tmp_path / 'run'
  shutil.copytree(place / 'run', run)
  damage(run)
  before = files(run)
  refused(capsys, command(place, run), code, found)
  assert files(run) == before


@pytest.mark.parametrize('damage,found', [
    (lambda run: (run / 'results.json').unlink(), 'results.json'),
    (cut('results.json'), 'results.json is damaged'),
    (write('results.json', b'null'), 'not a JSON object'),
    (edit('results.json', lambda v: v.update(runs=[])), 'names no run'),
    (edit('results.json', lambda v: v.update(runs={'a': 1})), 'damaged'),
    (edit('results.json', lambda v: v.pop('runs') and None), 'runs'),
    (set_entry('workdir', '../..'), 'outside its folder'),
    (set_entry('workdir', '/'), 'outside its folder'),
    (set_entry('workdir', 'a\0b'), 'results.json'),
    (set_entry('workdir', 7), 'results.json'),
    (edit('results.json', lambda v: v['runs'][0].pop('seed') and None),
     'seed'),
    (edit('results.json', lambda v: v['runs'][0].pop('tokens_with_loss')
          and None), 'tokens_with_loss'),
    (edit('results.json', lambda v: v.update(kind=['finetune'])), 'damaged'),
])
def test_results_that_were_edited(place, capsys, tmp_path, damage, found):
  run = tmp_path / 'run'
  shutil.copytree(place / 'run', run)
  damage(run)
  before = files(run)
  refused(capsys, ['report', f'--workdir={run}'], 3, found)
  assert files(run) == before


def archive_of_nothing(path):
  path.with_suffix('.zip').write_bytes(b'PK\x03\x04 and no more')
  return path.with_suffix('.zip')


def torn_gzip(path):
  whole = gzip.compress(b'some text\n' * 1000)
  path.with_suffix('.txt.gz').write_bytes(whole[:len(whole) // 2])
  return path.with_suffix('.txt.gz')


def named(suffix, content):
  def make(path):
    path.with_suffix(suffix).write_bytes(content)
    return path.with_suffix(suffix)
  return make


@pytest.mark.parametrize('make,found', [
    (named('.txt', b''), 'empty'),
    (named('.txt', b' \n\n \n'), 'empty'),
    (named('.txt', b'\0\0\0'), 'too few'),
    (named('.txt', b'one line only\n'), 'split'),
    (named('.txt', 'words\n'.encode('utf-16')), 'UTF-16'),
    (named('.jsonl', b'{"body": "words"}\n'), "no text field 'text'"),
    (named('.jsonl', b'{"text": "words"\n'), 'line 1 is not JSON'),
    (named('.jsonl', b'["words"]\n'), "no text field 'text'"),
    (named('.jsonl', b'{"text": 7}\n'), "no text field 'text'"),
    (named('.txt.gz', b'not compressed'), 'cannot read'),
    (named('.txt.xz', b'not compressed'), 'cannot read'),
    (named('.tar', b'no archive'), 'cannot read'),
    (torn_gzip, 'cannot read'),
    (archive_of_nothing, 'cannot read'),
    (lambda path: path.with_suffix('.txt'), 'names no text file'),
    (lambda path: path.parent, 'names no text file'),
])
def test_a_corpus_that_cannot_be_read(place, capsys, tmp_path, make, found):
  (tmp_path / 'texts').mkdir()
  path = make(tmp_path / 'texts' / 'corpus')
  refused(capsys, command(place, tmp_path / 'run', **{'corpus.path': path}),
          3, found)
  assert not list(tmp_path.rglob('checkpoints'))


@pytest.mark.parametrize('content,found', [
    (b'', 'it is empty'), (b'\x0a\x00', 'tokenizer.path'),
    (b'\x80\x04K\x01.', 'tokenizer.path'), (None, 'tokenizer.path')])
def test_a_tokenizer_that_is_none(place, capsys, tmp_path, content, found):
  path = tmp_path / 'my.model'
  if content is not None:
    path.write_bytes(content)
  refused(capsys, command(place, tmp_path / 'run', **{'tokenizer.path': path}),
          3, found)
  assert not list(tmp_path.rglob('checkpoints'))


@pytest.mark.parametrize('content,found', [
    ('def get_config(arg=None)\n', 'line 1'), ('import nothing_there\n',
                                               'nothing_there'),
    ('', 'get_config'), ('def get_config(arg=None):\n  return 1 / 0\n',
                         'ZeroDivisionError'),
    ('def get_config(arg=None):\n  return 7\n', 'int')])
def test_an_experiment_file_with_an_error(capsys, tmp_path, content, found):
  path = tmp_path / 'mine.py'
  path.write_text(content)
  refused(capsys, ['pretrain', f'--config={path}', '--workdir=x'], 2, found)


def test_the_checkpoint_of_another_experiment(place, capsys, tmp_path):
  run = tmp_path / 'run'
  shutil.copytree(place / 'run', run)
  before = files(run)
  refused(capsys, command(place, run, **{'model.width': 32}), 2, 'model.width')
  refused(capsys, command(place, tmp_path / 'new', **{'model.width': 32})
          + [f'--init_from={run}'], 2, 'other shapes')
  assert files(run) == before


@pytest.mark.parametrize('arguments,code', [
    (['fill', '--checkpoint={}', '--text=a [MASK]'], 4),
    (['embed', '--checkpoint={}', f'--input={__file__}', '--output=a.npz'], 4),
    (['convert', '--source={}', '--target={}-x'], 4),
    (['finetune', '--evaluate', '--checkpoint={}'], 4),
    (['replay', '--workdir={}', '--step=1'], 2),
    (['report', '--workdir={}'], 3)])
def test_a_folder_that_is_not_there(capsys, tmp_path, arguments, code):
  missing = tmp_path / 'missing'
  refused(capsys, [one.format(missing) for one in arguments], code,
          f'there is no {missing}/')


def test_a_work_directory_that_is_a_file(place, capsys, tmp_path):
  (tmp_path / 'run').write_text('mine')
  assert __main__.main(command(place, tmp_path / 'run')) in (3, 4)
  assert 'run' in capsys.readouterr().err.splitlines()[-1]
  assert (tmp_path / 'run').read_text() == 'mine'


QUICK = settings(max_examples=150, deadline=None, derandomize=True,
                 suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)


def paths_of(values, prefix=()):
  """Where every value of nested objects is."""
  for key, value in values.items():
    yield (*prefix, key)
    if isinstance(value, dict):
      yield from paths_of(value, (*prefix, key))


@QUICK
@given(data=st.data())
def test_any_value_anywhere_in_the_settings(place, tmp_path, data):
  """It is read, and is then equal to itself, or is refused in words."""
  values = json.loads((place / 'run' / 'config.json').read_text())
  *above, last = data.draw(st.sampled_from(list(paths_of(values))))
  where = values
  for key in above:
    where = where[key]
  where[last] = data.draw(VALUES)
  path = tmp_path / 'config.json'
  path.write_text(json.dumps(values), encoding='utf8')
  try:
    found = serialize.read(path)
    found.validate()
  except PtmError as error:
    assert str(error)
  else:
    assert not serialize.differences(
        found, serialize.from_json(serialize.to_json(found)))


@QUICK
@given(content=st.binary(max_size=80), where=st.integers(0, 10_000))
def test_any_bytes_in_the_record(place, tmp_path, content, where):
  whole = (place / 'run' / 'metrics.jsonl').read_bytes()
  where %= len(whole)
  (tmp_path / 'metrics.jsonl').write_bytes(
      whole[:where] + content + whole[where:])
  try:
    lines = metrics.read(tmp_path)
  except PtmError as error:
    assert 'metrics.jsonl' in str(error)
  else:
    assert all(isinstance(line['step'], int) for line in lines)


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no /dev/full')
def test_a_full_disk_is_one_line(place, capsys, tmp_path, monkeypatch):
  """Every write into the record fails as on a full disk."""
  run = tmp_path / 'run'
  shutil.copytree(place / 'run', run)
  set_setting('num_steps', 3)(run)
  checkpoints = files(run / 'checkpoints')
  (run / 'metrics.jsonl.tmp').symlink_to('/dev/full')
  refused(capsys, command(place, run) + ['--config.num_steps=3'], 4,
          'No space left')
  assert files(run / 'checkpoints') == checkpoints
