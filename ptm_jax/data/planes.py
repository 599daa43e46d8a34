"""Byte planes that an objective's annotators add to the token stores, made
once and kept beside them under a hash.
"""

import hashlib
import json
import os
import pathlib
import sys

import numpy as np

from ptm_jax.data.documents import cache_dir
from ptm_jax.errors import DataError
from ptm_jax.find import name_of

_FORMAT = 1


def add(prepared, corpus, annotators, root=None, say=None):
  """Gives every store of a corpus its planes.

  Args:
    prepared: `prepare.Prepared`; its stores' `planes` are filled.
    corpus: the component that was prepared.
    annotators: `{field of the raw window: component of data/annotations}`.
    root: the cache; None is `documents.cache_dir()`.
    say: takes one line for the user; stderr by default.

  Raises:
    DataError: an annotator's own data cannot be read, or the cache written.
  """
  say = say or (lambda line: print(line, file=sys.stderr, flush=True))
  stores = pathlib.Path(root or cache_dir()) / 'stores'
  said = set()
  for field, annotator in annotators.items():
    key = hashlib.blake2b(json.dumps(
        [_FORMAT, name_of(annotator), annotator.fingerprint(corpus)]).encode(),
                          digest_size=12).hexdigest()
    paths = {split: stores / prepared.key / f'{split}-{key}.plane'
             for split in prepared.stores}
    if not all(_is_whole(paths[split], store)
               for split, store in prepared.stores.items()):
      name = name_of(annotator)[1]
      if name not in said:  # some objectives have it mark many planes
        say(f'marking {name} in the text (once; it is kept)')
        said.add(name)
      for split, plane in annotator.annotate(prepared, corpus).items():
        _write(paths[split], plane)
    for split, store in prepared.stores.items():
      store.planes[field] = (np.memmap(paths[split], np.uint8, 'r')
                             if store.num_tokens else np.zeros(0, np.uint8))


def _is_whole(path, store):
  return path.exists() and path.stat().st_size == store.num_tokens


def _write(path, plane):
  # Under another name first: a kill leaves nothing half made.
  temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
  try:
    temporary.write_bytes(plane.tobytes())
    temporary.replace(path)
  except OSError as error:
    raise DataError(f'cannot write the cache {path.parent}: {error.strerror}; '
                    'set PTM_JAX_CACHE') from error
