"""Which trials share a program, and what their work directories are called.
"""

import copy
import hashlib
import json
import re

from ptm_jax import hyper, optimizers, serialize

_LONGEST = 100  # characters of a folder's name
MOST = 64  # trials in one program


def experiments(base, trials):
  """The `config.Experiment` of each trial, validated.

  Raises:
    ConfigError: a trial names no setting, or one that cannot work.
  """
  found = [hyper.override(copy.deepcopy(base), trial) for trial in trials]
  for one in found:
    one.validate()
  return found


def names(trials):
  """A folder's name for each trial, from the settings that differ: distinct,
  of characters that every file system takes, and of bounded length.

  Equal lists of trials have equal names.
  """
  keys = list(dict.fromkeys(key for trial in trials for key in trial))
  last = [key.rpartition('.')[2] for key in keys]
  # A last part that two settings share says too little.
  short = {key: one if last.count(one) == 1 else key
           for key, one in zip(keys, last, strict=True)}

  def named(show):
    return [_safe(','.join(f'{short[key]}={show(trial[key])}'
                           for key in keys if key in trial))
            for trial in trials]

  brief = named(lambda value: f'{value:.6g}' if isinstance(value, float)
                else str(value))
  return brief if len(set(brief)) == len(brief) else named(repr)


def _safe(name):
  clean = re.sub(r'[^A-Za-z0-9_.,=+-]', '_', name).strip('.')
  if clean == name and 0 < len(name) <= _LONGEST:
    return name
  digest = hashlib.blake2b(name.encode(), digest_size=5).hexdigest()
  return f'{clean[:_LONGEST - 11]}-{digest}'


def signature(experiment):
  """What decides the compiled program: trials with an equal one differ in
  traced numbers only."""
  plain = copy.deepcopy(experiment)
  plain.seed = 0
  for name in optimizers.TRACED:
    setattr(plain.optimizer, name, 0.0)
  for name in plain.objective.traced:
    *path, field = name.split('.')
    owner = plain.objective
    for part in path:  # of a combination, into its members
      owner = owner[part] if isinstance(owner, dict) else getattr(owner, part)
    setattr(owner, field, None)
  return json.dumps(serialize.to_json(plain), sort_keys=True)


def groups(experiments_, size=MOST):
  """Numbers of the trials that share programs, at most `size` in each.

  Returns:
    A list of lists of positions in `experiments_`, in their order.
  """
  by_signature = {}
  for number, one in enumerate(experiments_):
    by_signature.setdefault(signature(one), []).append(number)
  return [numbers[start:start + size] for numbers in by_signature.values()
          for start in range(0, len(numbers), size)]
