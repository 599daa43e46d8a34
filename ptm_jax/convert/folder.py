"""Folders that appear whole or not at all, and our own without a run: a
`config.json` as a work directory has it, `model.safetensors` with the
parameters by path (of a published model as they lay there, see `tensors.py`),
and `tokenizer/`.
"""

import contextlib
import os
import pathlib
import shutil

import jax
import jax.numpy as jnp
from flax.core import meta

from ptm_jax.convert import mapping, strips, tensors
from ptm_jax.errors import CheckpointError, ConfigError
from ptm_jax.models import heads

# What a published model may have besides its objective's networks.
EXTRA = 'pooler'


@contextlib.contextmanager
def new(target):
  """`with new(target) as folder:` fills a folder beside `target`, which takes
  its name at the end; an error leaves nothing, of the folders above neither.

  Raises:
    ConfigError: there is something at `target` already.
  """
  target = refuse_existing(target)
  above = [one for one in target.parents if not one.exists()]
  temporary = target.with_name(f'.{target.name}.{os.getpid()}.tmp')
  try:
    temporary.mkdir(parents=True)
    yield temporary
    temporary.replace(target)
  except BaseException:
    shutil.rmtree(temporary, ignore_errors=True)
    for one in above:  # the lowest first; one that holds something stays
      with contextlib.suppress(OSError):
        one.rmdir()
    raise


def refuse_existing(target):
  """The absolute path of a `target` where there is nothing, or an empty
  folder; else raises ConfigError."""
  target = pathlib.Path(target).absolute()
  if target.is_symlink() or target.exists() and (
      not target.is_dir() or any(target.iterdir())):
    raise ConfigError(f'--target={target} exists: name a new folder')
  return target


def networks_of(objective, task=None):
  """`BaseObjective.networks` and what a published model may have besides.

  Args:
    objective: bound.
    task: of `task_of`.
  """
  states = (jnp.zeros((1, 1, objective.model.width)),)
  found = {**objective.networks(),
           EXTRA: (heads.Pooler(objective.model), states)}
  if task:
    found['task'] = heads.TaskHead(objective.model, *task), states
  return found


def shapes_of_extra(objective):
  """The shapes of that network's parameters."""
  module, arguments = networks_of(objective)[EXTRA]
  return meta.unbox(jax.eval_shape(
      module.init, jax.random.key(0), *arguments)['params'])


def task_of(facts):
  """Outputs of a task's head and what it reads, as of `heads.TaskHead`, or
  None, given what `config.json` says of fine-tuning."""
  if not facts or facts.get('parameters') == {}:  # no head of its own
    return None
  try:
    shapes = facts['parameters']
    pooling = 'each' if 'bias' in shapes['head'] else 'last'
    if 'pooler' in shapes:
      pooling = 'decoder' if decodes(facts) else 'pooler'
    return int(shapes['head']['kernel'][1]), pooling
  except (KeyError, TypeError, ValueError, IndexError) as error:
    raise ConfigError('config.json does not say what head was fine-tuned: '
                      f'{error!r}') from error


def decodes(facts):
  """Whether a task's head reads the decoder's states and not the encoder's,
  given the same."""
  return facts.get('pooling') == 'decoder'


def read_params(folder, objective, facts=None):
  """The parameters of a folder of ours; a network may be absent, but not the
  trunk.

  Args:
    folder: of the weights.
    objective: bound.
    facts: what `config.json` says of fine-tuning, or None.

  Raises:
    CheckpointError: they are not those of a bound `objective`.
  """
  source = tensors.Tensors(folder)
  networks = networks_of(objective, task_of(facts))
  there = {path.partition('/')[0] for path in source.shapes}
  if 'trunk' not in there or not there <= set(networks):
    raise CheckpointError(f'{folder} holds {", ".join(sorted(there))}, where a '
                          f'trunk and {", ".join(networks)} are known')
  leaves = mapping.leaves_of(networks, sorted(there))
  mapping.compare([mapping.Entry(leaf.path, (), False, leaf.shape)
                   for leaf in leaves], source.shapes, folder)
  return mapping.unflatten({
      leaf.path: jnp.array(strips.ordered(source.read(leaf.path)))
      for leaf in leaves})
