"""A run's directory: what it was asked to do, and whether it may go on.

`config.json` holds every resolved setting and what produced the run; it reads
back equal. A second start with the same settings resumes; a setting that
would alter the result is refused by name.
"""

import importlib.metadata
import json
import math
import os
import pathlib
import platform
import subprocess

from ptm_jax import optimizers, serialize
from ptm_jax.config import Experiment
from ptm_jax.errors import CheckpointError, ConfigError

# Settings that leave the result as it is, so that they may change.
_HARMLESS = ('compute.', 'checkpoints.', 'max_skipped')
_PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'grain',
             'sentencepiece', 'numpy')


def revision():
  """The source's git revision, '-dirty' if files differ, or ''."""
  root = pathlib.Path(__file__).parent
  def git(*arguments):
    return subprocess.run(['git', *arguments], cwd=root, capture_output=True,
                          text=True, check=False).stdout.strip()
  try:
    changed = '-dirty' if git('status', '--porcelain', '-uno') else ''
    return git('rev-parse', 'HEAD') + changed
  except OSError:
    return ''


def write_json(path, values):
  """Writes a JSON file so that a kill leaves the old one or the new one; a
  number that is not finite becomes null."""
  path = pathlib.Path(path)
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
    temporary.write_text(
        json.dumps(_finite(values), indent=1, allow_nan=False) + '\n',
        encoding='utf8')
    temporary.replace(path)
  except OSError as error:
    raise CheckpointError(f'cannot write {path}: {error.strerror}') from error


def _finite(values):
  if isinstance(values, dict):
    return {key: _finite(value) for key, value in values.items()}
  if isinstance(values, (list, tuple)):
    return [_finite(value) for value in values]
  if isinstance(values, float) and not math.isfinite(values):
    return None
  return values


def record(settings, **facts):
  """What `config.json` holds: settings, versions, revision and `facts`."""
  versions = {}
  for name in _PACKAGES:
    try:
      versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      versions[name] = None
  return {'config': serialize.to_json(settings),
          'versions': {'python': platform.python_version(), **versions},
          'source_revision': revision(), **facts}


def refuse_changes(path, settings, corpus_hash, tokenizer_hash, step):
  """Compares a resumed run with its `config.json`.

  Args:
    path: of the `config.json`.
    settings: the `config.Experiment` asked for now, its budget settled.
    corpus_hash, tokenizer_hash: of the data found now.
    step: where the run would go on.

  Raises:
    ConfigError: a setting that alters the result has changed; the message
      names it with both values.
  """
  path = pathlib.Path(path)
  old = serialize.read(path, Experiment)
  facts = serialize.read_json(path)
  changed = {name: values for name, values
             in serialize.differences(old, settings).items()
             if not name.startswith(_HARMLESS)}
  schedule = ('num_steps', 'optimizer.schedule', 'optimizer.decay_share',
              'optimizer.final_fraction', 'budget.amount', 'budget.clock')
  if changed and all(name in schedule for name in changed):
    if optimizers.same_past(old.optimizer, old.num_steps, settings.optimizer,
                            settings.num_steps, step):
      changed = {}
  for name, now in (('corpus_hash', corpus_hash),
                    ('tokenizer_hash', tokenizer_hash)):
    if facts.get(name) != now:
      changed[name] = (facts.get(name), now)
  if changed:
    listed = '; '.join(f'{name} was {was!r}, is {now!r}'
                       for name, (was, now) in changed.items())
    raise ConfigError(
        f'{path.parent} holds another run: {listed}. Use another --workdir, '
        'or start a new run from its state with --init_from')
