"""A run that starts from the networks of another one, or of a published model.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax.core import meta

from ptm_jax.convert import published
from ptm_jax.convert.optional_fields import canonical, resolved
from ptm_jax.errors import ConfigError
from ptm_jax.load import load

# What neither the shapes of a trunk nor its function depend on.
_FREE = frozenset((
    'dtype', 'param_dtype', 'init_scale', 'dropout', 'attention_dropout',
    'remat', 'expert_capacity', 'router_jitter', 'balance_weight',
    'pooler_place', 'pooler_activation'))  # the pooler is a head's


def take_networks(path, params, setup, say=print):
  """Puts another run's networks in place of equal ones.

  Where the new run reads a published model's own tokenizer, to which marks
  were added, the tables take the published rows, and the rows behind these
  stay as they were drawn.

  Args:
    path: the other run's work directory, or a published folder.
    params: initial parameters by network.
    setup: `assemble.Setup` of the new run.
    say: takes the lines that name what was taken, and what differs.

  Returns:
    `params` with every network whose tree and shapes are equal replaced, in
    the type of the new ones.

  Raises:
    ConfigError: the trunks differ; the message names the fields.
  """
  old = load(path)
  rows = _rows(old.tokenizer, setup.prepared.tokenizer)
  taken = {}
  for name in params:
    before = meta.unbox(old.params.get(name, {}))
    if _fits(before, params[name], rows):
      taken[name] = jax.tree.map(_taken, before, params[name])
  differ = _differences(path, old, setup)
  if 'trunk' not in taken:
    raise ConfigError(
        f'the trunk in {path} has other shapes than this model' + (
            f': set {differ}' if differ else ', whose objective has another'))
  say(f'new run from step {old.step} of {path}: took {", ".join(taken)}; '
      'the optimizer and the data start afresh')
  if differ:
    say(f'the trunk was another function in {path}: that one has {differ}')
  return {**params, **taken}


def _rows(old, new):
  """Rows of both vocabularies where the new one is the old one with marks
  added to it; else ()."""
  files = getattr(old, 'files', None)
  if files is None or files != getattr(new, 'files', None):
    return ()
  return old.vocabulary.size, new.vocabulary.size


def _fits(old, new, rows):
  """Whether the trees are equal, and the shapes but for the rows of tables."""
  return jax.tree.structure(old) == jax.tree.structure(new) and all(
      before.shape == now.shape or (
          (*before.shape[:1], *now.shape[:1]) == rows
          and before.shape[1:] == now.shape[1:])
      for before, now in zip(*map(jax.tree.leaves, (old, new)), strict=True))


def _taken(old, new):
  """An old leaf, or its rows and those of the new one behind them."""
  value = jnp.asarray(old, new.dtype)
  if old.shape != new.shape:
    count = min(len(old), len(new))
    value = jnp.concatenate([value[:count], new[count:]])
  return jax.device_put(value, new.sharding)


def _differences(path, old, setup):
  """The flags that would make this model the old one, each with its value
  here."""
  there, here = (_settled(one.model) for one in (old.objective,
                                                 setup.objective))
  learned = there.learned_positions or here.learned_positions
  found = []
  for field in dataclasses.fields(there):
    if field.name in _FREE or field.name == 'max_length' and not learned:
      continue
    if getattr(there, field.name) != getattr(here, field.name):
      value, now = (resolved(one, field.name) for one in (there, here))
      found.append(f'--config.model.{field.name}={value} (here {now})')
  before, now = old.tokenizer, setup.prepared.tokenizer
  if before is None:
    if old.objective.vocabulary.size != now.vocabulary.size:
      found.append(f'a tokenizer of {old.objective.vocabulary.size} ids')
  elif before.hash != now.hash and not _rows(before, now):
    own = path if published.is_one(path) else f'{path}/tokenizer'
    found.append(f'--config.tokenizer.path={own} (here another tokenizer)')
  return ' '.join(found)


def _settled(model):
  """A copy in which no field repeats what follows from the others."""
  model = canonical(model)
  return model if model.mlp_dim != 4 * model.width else dataclasses.replace(
      model, mlp_dim=None)
