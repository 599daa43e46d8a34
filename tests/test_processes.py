"""Several processes on this machine train one run together."""

import signal
import time

import pytest

from tests.small_runs import (command, finish, hashes, record, start,
                              write_corpus)

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  path = tmp_path_factory.mktemp('corpus') / 'lines.txt'
  write_corpus(path)
  return path


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
  return tmp_path_factory.mktemp('cache')


@pytest.fixture(scope='module')
def alone(corpus, cache, tmp_path_factory):
  """The run of one process on one device."""
  path = tmp_path_factory.mktemp('alone')
  finish(start(command(corpus, path), cache))
  return path


@pytest.fixture(scope='module')
def pair(corpus, cache, tmp_path_factory):
  """The run of two processes."""
  path = tmp_path_factory.mktemp('pair')
  first, second = finish(start(command(corpus, path), cache, count=2))
  assert 'report:' in first and 'report:' not in second
  return path


def losses(workdir):
  return [value for line in record(workdir) for name, value in line.items()
          if name.startswith('loss') or name.endswith('nll')]


def test_two_processes_train_the_same_model(alone, pair):
  assert losses(pair) == pytest.approx(losses(alone), rel=1e-5)
  assert len(losses(pair)) > 12
  assert hashes(pair, 12).keys() == hashes(alone, 12).keys()


def test_a_signal_to_one_process_stops_both_and_they_resume(
    corpus, cache, pair, tmp_path):
  # Long enough to be caught in the middle; the same past.
  arguments = command(corpus, tmp_path, num_steps=2000)
  running = start(arguments, cache, count=2)
  while not (tmp_path / 'checkpoints' / '4').exists():
    time.sleep(0.05)
    assert running[0].poll() is None
  running[1].send_signal(signal.SIGTERM)
  printed = finish(running, code=75)
  assert all('its state saved' in text for text in printed)
  stopped = max(int(path.name) for path in (tmp_path / 'checkpoints').iterdir())
  assert 4 <= stopped < 2000
  finish(start(command(corpus, tmp_path, num_steps=stopped + 8), cache,
               count=2))
  # A run that nobody stopped has the same bits.
  whole = tmp_path / 'whole'
  finish(start(command(corpus, whole, num_steps=stopped + 8), cache, count=2))
  assert record(tmp_path) == record(whole)
  assert hashes(tmp_path, stopped + 8) == hashes(whole, stopped + 8)


def test_four_processes_split_the_parameters_and_one_goes_on(
    corpus, cache, alone, tmp_path):
  settings = {'compute.fsdp': 2}
  finish(start(command(corpus, tmp_path, num_steps=8, **settings), cache,
               count=4))
  assert losses(tmp_path)[:8] == pytest.approx(losses(alone)[:8], rel=1e-5)
  pieces = hashes(tmp_path, 8)
  assert any('0:' not in index for _, index in pieces if index)
  # Another number of processes and devices: the same data and masks.
  finish(start(command(corpus, tmp_path), cache))
  ended = [line['loss'] for line in record(tmp_path)
           if line['kind'] == 'train']
  assert ended == pytest.approx(
      [line['loss'] for line in record(alone) if line['kind'] == 'train'],
      rel=1e-4)


@pytest.mark.parametrize('then', [{'devices': 8}, {'devices': 2, 'count': 2}])
def test_resuming_on_other_devices_continues_the_run(
    corpus, cache, alone, tmp_path, then):
  finish(start(command(corpus, tmp_path, num_steps=4), cache))
  finish(start(command(corpus, tmp_path), cache, **then))
  assert [line['loss'] for line in record(tmp_path)
          if line['kind'] == 'train'] == pytest.approx(
              [line['loss'] for line in record(alone)
               if line['kind'] == 'train'], rel=1e-4)


def test_a_held_directory_stops_every_process(corpus, cache, tmp_path):
  from ptm_jax import lock
  with lock.hold(tmp_path):
    printed = finish(start(command(corpus, tmp_path), cache, count=2), code=2)
  assert any('is in use by pid' in text for text in printed)
