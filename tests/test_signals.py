"""SIGTERM and SIGINT, sent to processes of their own."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest

from ptm_jax import signals
from ptm_jax.errors import Stopped

ROOT = pathlib.Path(__file__).parent.parent
# The main thread hears nothing in here, as in a compilation.
DEAF = "hashlib.pbkdf2_hmac('sha256', b'', b'', 40_000_000)"
SCRIPT = '''
import hashlib, sys, time
from ptm_jax import errors, signals
def deaf(): {deaf}
try:
  with signals.watch(ends_process=True) as watched:
    print('ready', flush=True)
    {body}
except errors.Stopped as error:
  print(error, file=sys.stderr)
  sys.exit(error.exit_code)
'''


def start(body):
  process = subprocess.Popen(
      [sys.executable, '-c', SCRIPT.format(deaf=DEAF, body=body)], cwd=ROOT,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
  assert process.stdout.readline() == 'ready\n'
  time.sleep(0.2)
  return process


def end(process, within):
  """Exit code and message; fails if it takes longer than `within` seconds."""
  begun = time.monotonic()
  try:
    _, message = process.communicate(timeout=within)
  finally:
    process.kill()
  assert time.monotonic() - begun < within
  return process.returncode, message


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('body', ['time.sleep(60)', 'deaf()'])
def test_where_nothing_is_to_be_saved_a_signal_ends_at_once(body, number):
  process = start(body)
  process.send_signal(number)
  code, message = end(process, 5)
  assert code == 75
  assert message.count(f'stopped by {number.name}: there was nothing new') == 1
  assert len(message.splitlines()) == 1


NOTED = '''with watched.deferred():
      while not watched.received: time.sleep(0.01)
      print('saving', flush=True)
      {saving}
      raise errors.Stopped('saved')'''


def test_a_signal_is_noted_while_the_caller_saves():
  process = start(NOTED.format(saving='time.sleep(1.5)'))
  process.send_signal(signal.SIGTERM)
  process.send_signal(signal.SIGTERM)  # as `timeout` sends it, twice
  assert end(process, 10) == (75, 'saved\n')


def test_a_second_signal_stops_without_waiting():
  process = start(NOTED.format(saving='deaf()'))
  process.send_signal(signal.SIGTERM)
  assert process.stdout.readline() == 'saving\n'
  time.sleep(0.3)
  process.send_signal(signal.SIGTERM)
  assert end(process, 3) == (
      75, 'ptm_jax: a second signal: stopped without saving\n')


def test_a_signal_that_came_too_late_for_the_loop_is_not_lost():
  process = start('''with watched.deferred():
      time.sleep(1)
    time.sleep(60)''')
  process.send_signal(signal.SIGTERM)
  code, message = end(process, 10)
  assert code == 75 and 'stopped by SIGTERM' in message


def test_the_handlers_of_before_come_back():
  before = [signal.getsignal(number)
            for number in (signal.SIGTERM, signal.SIGINT)]
  with signals.watch() as outer:
    with signals.watch() as inner:
      assert inner is outer
    with pytest.raises(Stopped):
      signal.raise_signal(signal.SIGTERM)
  assert [signal.getsignal(number)
          for number in (signal.SIGTERM, signal.SIGINT)] == before
  with signals.watch() as fresh:
    assert fresh.received == ''
