"""What a run trains on, one thing after another; most have one phase.

Which phase an update belongs to is fixed before the run, by its number.
"""

from typing import Any, Callable, NamedTuple

import jax
import jax.numpy as jnp


class Phase(NamedTuple):
  """A share of a run.

  Attributes:
    share: of the run's updates.
    objective: bound; it corrupts the batches.
    loss: as `BaseObjective.loss`, of the whole run's parameters and terms.
    networks: names of those that are trained, or None for all.
    enter: parameters -> parameters, before its first update, or None.
  """

  share: float
  objective: Any
  loss: Callable[..., Any]
  networks: tuple[str, ...] | None = None
  enter: Callable[..., Any] | None = None


def starts(phases, num_steps):
  """The update that each phase begins with, from 0; a list of ints."""
  found, done = [], 0.0
  for phase in phases:
    found.append(round(done * num_steps))
    done += phase.share
  return found


def current(phases, num_steps, step):
  """The number of the phase that an update belongs to, int32."""
  later = jnp.asarray(starts(phases, num_steps)[1:], jnp.int32)
  return jnp.sum(step >= later, dtype=jnp.int32)


def keep_others(networks, new, old):
  """`new`, but `old` below every other network's name."""
  if networks is None:
    return new
  every = {name for name in old['params']}
  def choose(path, one, other):
    keys = {getattr(key, 'key', None) for key in path}
    return other if keys & (every - set(networks)) else one
  return jax.tree_util.tree_map_with_path(choose, new, old)
