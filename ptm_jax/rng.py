"""Random streams derived by name, so that a new one never shifts an old one.

Every draw belongs to one example: its key is folded from the run's seed, the
purpose's name, the example's index in the store and the epoch. No draw
depends on the batch size, the order of the batch or the devices.
"""

import zlib

import jax


def stream(key, *names):
  """Folds names (strings or integers, which may be traced) into `key`.

  Args:
    key: a jax key, or any number of them `[...]`; may go on being used to
      derive other streams, never to draw.
    *names: strings are hashed with CRC-32; integers are folded as they are.

  Returns:
    A key of the same shape.
  """
  for name in names:
    data = zlib.crc32(name.encode()) if isinstance(name, str) else name
    if key.ndim:
      key = jax.vmap(lambda k, d=data: jax.random.fold_in(k, d))(key)
    else:
      key = jax.random.fold_in(key, data)
  return key


def example_keys(key, index, epoch):
  """One key per example, from its number in the store and the epoch.

  Args:
    key: the run's key.
    index: int32 `[batch]`, each example's number in the store.
    epoch: int32 `[batch]`, how often the store was gone through before.

  Returns:
    keys `[batch]`.
  """
  fold = jax.random.fold_in
  return jax.vmap(lambda i, e: fold(fold(key, i), e))(index, epoch)
