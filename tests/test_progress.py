"""What a user sees while waiting, under a clock that the test turns."""

import io
import re

import pytest

from ptm_jax import progress


class Clock:
  """Seconds that pass only when told."""

  def __init__(self):
    self.now = 100.0

  def __call__(self):
    return self.now


class Terminal(io.StringIO):
  """A stream that says it is a terminal."""

  def isatty(self):
    return True


def make(total, start=0, label='bert', stream=None):
  clock, stream = Clock(), stream or io.StringIO()
  return progress.Progress(total, label, stream, start, clock), clock, stream


def run(shown, clock, steps, seconds):
  """One update per step, each of which takes some seconds."""
  for step in steps:
    clock.now += seconds
    shown.update(step, 4.25, 12345.6, 0.314)


@pytest.mark.parametrize('seconds,text', [
    (0, '0s'), (42.9, '42s'), (59.99, '59s'), (60, '1m00s'), (185, '3m05s'),
    (3599, '59m59s'), (3600, '1h00m'), (7620, '2h07m'), (90061, '25h01m')])
def test_durations(seconds, text):
  assert progress.duration(seconds) == text


def test_a_plain_line_says_it_all():
  shown, clock, stream = make(100)
  run(shown, clock, [1], 10)
  assert stream.getvalue() == (
      'bert step 1/100  loss 4.250  12,346 tokens/s  31% of peak  '
      '16m30s left\n')


def test_plain_lines_come_every_ten_seconds_and_at_the_end():
  shown, clock, stream = make(25)
  run(shown, clock, range(1, 26), 1)
  steps = [line.split()[2] for line in stream.getvalue().splitlines()]
  assert steps == ['10/25', '20/25', '25/25']


def test_the_time_left_follows_the_pace():
  shown, clock, stream = make(1000)
  run(shown, clock, [1], 10)  # 10 s a step
  run(shown, clock, [2], 20)  # 0.9 * 10 + 0.1 * 20 = 11 s a step
  assert [line.split()[-2] for line in stream.getvalue().splitlines()] == [
      '2h46m', '3h02m']  # 9990 s and 10978 s


def test_steps_between_two_updates_share_the_time():
  shown, clock, stream = make(100)
  run(shown, clock, [20], 40)
  assert stream.getvalue().endswith('2m40s left\n')  # 80 steps of 2 s


def test_a_resumed_run_does_not_count_what_was_done_before():
  shown, clock, stream = make(100, start=50)
  run(shown, clock, [52], 20)
  assert stream.getvalue().endswith('8m00s left\n')  # 48 steps of 10 s


def test_the_same_step_again_is_no_pace():
  shown, clock, stream = make(10, start=5)
  run(shown, clock, [5], 30)
  assert stream.getvalue().endswith('  0s left\n')


def test_no_label_leaves_no_blank_and_messages_are_plain():
  shown, clock, stream = make(1, label='')
  shown.message('[bold]as it is[/bold]')
  run(shown, clock, [1], 1)
  shown.close()
  first, second = stream.getvalue().splitlines()
  assert first == '[bold]as it is[/bold]'
  assert second.startswith('step 1/1 ')


def test_a_message_has_the_label_and_a_silent_one_is_not_shown():
  shown, clock, stream = make(1)
  shown.message('compiling')
  assert stream.getvalue() == 'bert compiling\n'
  progress.Progress(1, 'bert', stream, clock=clock, silent=True).message('no')
  assert stream.getvalue() == 'bert compiling\n'


def test_a_terminal_keeps_the_last_line_and_all_messages():
  stream = Terminal()
  shown, clock, _ = make(3, stream=stream)
  try:
    run(shown, clock, [1, 2], 1)
    shown.message('[saved]')
    run(shown, clock, [3], 1)
  finally:
    shown.close()
  text = re.sub('\x1b\\[[^a-zA-Z]*[a-zA-Z]', '', stream.getvalue())
  assert '[saved]' in text and 'bert step 3/3  loss 4.250' in text


def test_a_bar_counts_and_ends_with_a_line():
  stream = io.StringIO()
  with progress.bar('encoding', 'MB', stream) as add:
    add(1.5)
    add(1000)
  text = stream.getvalue()
  assert text.startswith('encoding: 1,001.5 MB, ') and text.endswith('/s\n')
  assert text.count('\n') == 1


def test_a_bar_on_a_terminal_rewrites_its_line():
  stream = Terminal()
  with progress.bar('reading', 'documents', stream) as add:
    add(3)
  assert stream.getvalue().startswith('\rreading: 3.0 documents')


def test_what_came_before_the_first_step_is_no_part_of_the_pace():
  shown, clock, stream = make(10)
  clock.now += 100
  shown.begin()
  run(shown, clock, [1], 2)
  assert stream.getvalue().endswith('18s left\n')
