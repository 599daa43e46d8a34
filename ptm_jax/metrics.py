"""The record of a run: `metrics.jsonl`, and TensorBoard scalars beside it.
"""

import json
import math
import pathlib

from ptm_jax.errors import CheckpointError, DataError

FILE = 'metrics.jsonl'
# Fields that a clock on the wall decides; all others repeat bit by bit.
CLOCKS = ('seconds', 'tokens_per_second', 'peak_share')


def read(workdir):
  """The lines of a run's record, in order; [] where there is none.

  A last line without its newline was torn by a kill and is left out.

  Raises:
    DataError: a line is not a JSON object; the message names it.
  """
  path = pathlib.Path(workdir) / FILE
  try:
    text = path.read_text(encoding='utf8')
  except FileNotFoundError:
    return []
  except (OSError, UnicodeDecodeError) as error:
    raise DataError(f'cannot read {path}: {error}') from error
  lines = []
  for number, line in enumerate(text.split('\n')[:-1], 1):
    try:
      value = json.loads(line, parse_constant=_refuse)
      _check(value)
    except (ValueError, RecursionError) as error:
      raise DataError(f'{path} line {number} is damaged ({error}): delete the '
                      'line, or the run\'s folder') from error
    lines.append(value)
  return lines


def _refuse(name):
  raise ValueError(f'{name} is no number of JSON')


def _check(line):
  """Raises ValueError unless a line is what `Writer` may have written."""
  if not isinstance(line, dict) or type(line.get('step')) is not int:
    raise ValueError('not an object with a step')
  if not 0 <= line['step'] < 2**31:
    raise ValueError(f'step {line["step"]:.3g}')
  for name, value in line.items():
    # The windows of a skipped update are lists; all else is one value.
    kinds = {'kind': str, 'index': list, 'epoch': list}.get(name, (int, float))
    if value is not None and not isinstance(value, kinds) or (
        isinstance(value, float) and not math.isfinite(value)):
      raise ValueError(f'{name} is {value!r:.80}')


class Writer:
  """Appends lines to `metrics.jsonl` and scalars to `tensorboard/`.

  Args:
    workdir: of the run.
    resume_step: lines of later steps are dropped, since they come again.
    scored: whether scores of `resume_step` itself are complete; else they are
      dropped too.
    tensorboard: whether scalars are written, where tensorboardX is there.
  """

  def __init__(self, workdir, resume_step=0, scored=True,
               tensorboard=True):
    workdir = pathlib.Path(workdir)
    kept = [line for line in read(workdir) if line['step'] < resume_step or (
        line['step'] == resume_step
        and (scored or line.get('kind') in ('train', 'skipped')))]
    path = workdir / FILE
    try:
      temporary = path.with_name(FILE + '.tmp')
      temporary.write_text(''.join(_encode(line) for line in kept),
                           encoding='utf8')
      temporary.replace(path)
      self._file = path.open('a', encoding='utf8')
    except OSError as error:
      raise CheckpointError(f'cannot write {path}: {error.strerror}') from error
    self._path, self._board = path, None
    if tensorboard:
      try:
        from tensorboardX import SummaryWriter
      except ImportError:
        return
      self._board = SummaryWriter(str(workdir / 'tensorboard'),
                                  purge_step=resume_step + 1)

  def write(self, line):
    """Appends one dict, which has a `step`; a number that is not finite
    becomes null."""
    try:
      self._file.write(_encode(line))
      self._file.flush()
    except OSError as error:
      raise CheckpointError(
          f'cannot write {self._path}: {error.strerror}') from error
    if self._board:
      kind = line.get('kind', 'train')
      for name, value in line.items():
        if (isinstance(value, (int, float)) and name != 'step'
            and math.isfinite(value)):
          self._board.add_scalar(f'{kind}/{name}', value, line['step'])

  def flush(self):
    """Hands everything to the operating system."""
    try:
      self._file.flush()
    except OSError as error:
      raise CheckpointError(
          f'cannot write {self._path}: {error.strerror}') from error

  def close(self):
    """Flushes and closes both."""
    self.flush()
    self._file.close()
    if self._board:
      self._board.close()


def _encode(line):
  finite = {name: None if isinstance(value, float) and not math.isfinite(value)
            else value for name, value in line.items()}
  return json.dumps(finite, allow_nan=False) + '\n'
