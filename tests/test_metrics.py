"""The record of a run: what is written is read, whatever kills do to it."""

import json

import pytest

from ptm_jax import metrics
from ptm_jax.errors import CheckpointError, DataError


def lines_of(workdir):
  return (workdir / metrics.FILE).read_text().splitlines()


def write(workdir, steps, resume_step=0):
  writer = metrics.Writer(workdir, resume_step, tensorboard=False)
  for step in steps:
    writer.write({'step': step, 'kind': 'train', 'loss': step / 4})
  writer.close()


def test_a_run_without_a_record_has_no_lines(tmp_path):
  assert metrics.read(tmp_path) == []
  assert metrics.read(tmp_path / 'nowhere') == []


def test_what_is_written_is_read(tmp_path):
  write(tmp_path, [1, 2])
  assert metrics.read(tmp_path) == [
      {'step': 1, 'kind': 'train', 'loss': 0.25},
      {'step': 2, 'kind': 'train', 'loss': 0.5}]


def test_flushed_lines_are_on_disk_before_the_end(tmp_path):
  writer = metrics.Writer(tmp_path, tensorboard=False)
  writer.write({'step': 1})
  writer.flush()
  assert metrics.read(tmp_path) == [{'step': 1}]
  writer.close()


def test_a_resumed_run_drops_what_comes_again(tmp_path):
  write(tmp_path, [1, 2, 3, 4, 5])
  write(tmp_path, [4, 5, 6], resume_step=3)
  assert [line['step'] for line in metrics.read(tmp_path)] == [
      1, 2, 3, 4, 5, 6]
  assert [path.name for path in tmp_path.iterdir()] == [metrics.FILE]


def test_a_new_run_starts_an_empty_record(tmp_path):
  write(tmp_path, [1, 2])
  write(tmp_path, [])
  assert metrics.read(tmp_path) == []


def test_a_torn_last_line_is_left_out_and_then_overwritten(tmp_path):
  write(tmp_path, [1, 2])
  with open(tmp_path / metrics.FILE, 'a') as file:
    file.write('{"step": 3, "lo')
  assert [line['step'] for line in metrics.read(tmp_path)] == [1, 2]
  write(tmp_path, [3], resume_step=2)
  assert [json.loads(line)['step'] for line in lines_of(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize('damaged', [
    '{"step": 2, "lo', 'null', '[2]', '{"loss": 1.0}', '{"step": "2"}', '',
    '{"step": 2}}'])
def test_a_damaged_line_is_named(tmp_path, damaged):
  (tmp_path / metrics.FILE).write_text(
      f'{{"step": 1}}\n{damaged}\n{{"step": 3}}\n')
  with pytest.raises(DataError, match='line 2 is damaged') as error:
    metrics.read(tmp_path)
  assert str(tmp_path / metrics.FILE) in str(error.value)
  assert '\n' not in str(error.value)


def test_bytes_that_are_no_text_are_one_line(tmp_path):
  (tmp_path / metrics.FILE).write_bytes(b'{"step": 1}\n\xff\xfe\n')
  with pytest.raises(DataError, match='cannot read') as error:
    metrics.read(tmp_path)
  assert '\n' not in str(error.value)


def test_numbers_that_are_not_finite_become_null(tmp_path):
  writer = metrics.Writer(tmp_path, tensorboard=False)
  writer.write({'step': 1, 'a': float('nan'), 'b': float('inf'),
                'c': -float('inf'), 'd': 1.5, 'e': 'text', 'f': None})
  writer.close()
  assert lines_of(tmp_path) == [
      '{"step": 1, "a": null, "b": null, "c": null, "d": 1.5, "e": "text", '
      '"f": null}']


def test_a_folder_that_is_missing_is_one_line(tmp_path):
  with pytest.raises(CheckpointError, match='cannot write') as error:
    metrics.Writer(tmp_path / 'missing')
  assert '\n' not in str(error.value)


def test_scalars_go_to_tensorboard(tmp_path):
  pytest.importorskip('tensorboardX')
  writer = metrics.Writer(tmp_path)
  writer.write({'step': 1, 'kind': 'validation', 'loss': 0.5, 'note': 'x'})
  writer.close()
  events, = (tmp_path / 'tensorboard').iterdir()
  assert b'validation/loss' in events.read_bytes()
  assert b'validation/note' not in events.read_bytes()
