"""One process per work directory."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from ptm_jax import lock
from ptm_jax.errors import CheckpointError, ConfigError

# Holds a lock until its stdin ends.
HOLDER = ('import sys\n'
          'from ptm_jax import lock\n'
          'with lock.hold(sys.argv[1]):\n'
          '  print("held", flush=True)\n'
          '  sys.stdin.read()\n')


@pytest.fixture
def other(tmp_path):
  """Another process that holds `tmp_path / 'run'`."""
  process = subprocess.Popen(
      [sys.executable, '-c', HOLDER, str(tmp_path / 'run')], text=True,
      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
  try:
    assert process.stdout.readline() == 'held\n'
    yield process
  finally:
    process.kill()
    process.communicate()


def test_the_directory_is_made_and_the_file_says_who(tmp_path):
  with lock.hold(tmp_path / 'a' / 'b'):
    assert json.loads((tmp_path / 'a' / 'b' / 'lock').read_text()) == {
        'host': socket.gethostname(), 'pid': os.getpid()}
  assert (tmp_path / 'a' / 'b' / 'lock').read_text() == ''


def test_this_process_cannot_hold_it_twice(tmp_path):
  with lock.hold(tmp_path):
    with pytest.raises(ConfigError, match=f'in use by pid {os.getpid()} on '):
      with lock.hold(tmp_path):
        pass
    # The refused one took nothing away.
    with pytest.raises(ConfigError, match=f'pid {os.getpid()}'):
      with lock.hold(tmp_path):
        pass
  with lock.hold(tmp_path):
    pass


def test_a_second_process_is_refused_with_the_pid(tmp_path, other):
  with pytest.raises(ConfigError) as error:
    with lock.hold(tmp_path / 'run'):
      pass
  text = str(error.value)
  assert f'in use by pid {other.pid} on {socket.gethostname()}' in text
  assert str(tmp_path / 'run') in text and '--workdir' in text
  assert '\n' not in text and error.value.exit_code == 2


def test_what_a_killed_process_left_is_taken_over(tmp_path, other):
  other.send_signal(signal.SIGKILL)
  other.wait()
  assert str(other.pid) in (tmp_path / 'run' / 'lock').read_text()
  with lock.hold(tmp_path / 'run'):
    assert str(os.getpid()) in (tmp_path / 'run' / 'lock').read_text()


def test_what_a_process_ended_regularly_is_free(tmp_path, other):
  other.communicate('')
  with lock.hold(tmp_path / 'run'):
    assert str(os.getpid()) in (tmp_path / 'run' / 'lock').read_text()


@pytest.mark.parametrize('text', ['', 'nonsense', '{"pid": 1}', '[1]',
                                  '{"host": "x", "pid": "y"}', 'null'])
def test_a_lock_file_with_other_text_is_free(tmp_path, text):
  (tmp_path / 'lock').write_text(text)
  with lock.hold(tmp_path):
    assert str(os.getpid()) in (tmp_path / 'lock').read_text()


def test_a_holder_that_does_not_say_who_is_still_one(tmp_path, other):
  (tmp_path / 'run' / 'lock').write_text('nonsense')
  with pytest.raises(ConfigError, match='in use by another process'):
    with lock.hold(tmp_path / 'run'):
      pass


def test_a_holder_whose_parent_is_gone_is_told_apart(tmp_path, other):
  gone = subprocess.Popen([sys.executable, '-c', ''])
  gone.wait()
  (tmp_path / 'run' / 'lock').write_text(json.dumps(
      {'host': socket.gethostname(), 'pid': gone.pid}))
  with pytest.raises(ConfigError, match=f'pid {gone.pid} on .* left behind'):
    with lock.hold(tmp_path / 'run'):
      pass


def test_an_error_inside_releases_it(tmp_path):
  with pytest.raises(KeyError):
    with lock.hold(tmp_path):
      raise KeyError('x')
  with lock.hold(tmp_path):
    pass


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(CheckpointError, match='cannot write') as error:
    with lock.hold(tmp_path / 'file' / 'run'):
      pass
  assert '\n' not in str(error.value) and error.value.exit_code == 4


class Unlockable:
  """A file system that does not know flock."""

  def __call__(self, file, operation):
    raise OSError(lock.errno.ENOLCK, 'No locks available')


@pytest.mark.parametrize('holder,free', [
    ({'host': socket.gethostname(), 'pid': os.getpid()}, False),
    ({'host': 'elsewhere', 'pid': 1}, False),
    ({'host': socket.gethostname(), 'pid': 2**22 + 1}, True), (None, True)])
def test_without_flock_the_text_decides(tmp_path, monkeypatch, holder, free):
  monkeypatch.setattr(lock.fcntl, 'flock', Unlockable())
  if holder:
    (tmp_path / 'lock').write_text(json.dumps(holder))
  if free:
    with lock.hold(tmp_path):
      pass
  else:
    with pytest.raises(ConfigError, match='cannot lock: if that process'):
      with lock.hold(tmp_path):
        pass


def test_another_failure_of_flock_is_one_line(tmp_path, monkeypatch):
  def fail(file, operation):
    raise OSError(lock.errno.EIO, 'Input/output error')
  monkeypatch.setattr(lock.fcntl, 'flock', fail)
  with pytest.raises(CheckpointError, match='cannot lock .*Input/output'):
    with lock.hold(tmp_path):
      pass
