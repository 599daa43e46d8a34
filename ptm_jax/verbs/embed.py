"""`embed`: vectors of the lines of a file."""

import os
import pathlib

from ptm_jax.errors import ConfigError, DataError


class Verb:
  """Writes a vector for every line of a file, as safetensors or npz: the
  array `vectors`, float32 `[lines, width]`."""

  takes_config = False
  flags = {
      'checkpoint': ('', 'folder of the run'),
      'input': ('', 'text file, UTF-8, a sentence a line'),
      'output': ('', 'file to write, .safetensors or .npz'),
      'pooling': ('', 'mean over all tokens, or cls, the first one; without '
                      'it as a published encoder says, or mean'),
      'layer': (-1, '0: embeddings, 1: first layer ...; -1: the last'),
  }

  @staticmethod
  def run(flags):
    for name in 'checkpoint', 'input', 'output':
      if not getattr(flags, name):
        raise ConfigError(f'--{name} is missing')
    output = pathlib.Path(flags.output)
    if output.suffix not in ('.safetensors', '.npz'):
      raise ConfigError(f'--output={output}: its name ends in .safetensors or '
                        '.npz')
    lines = read_lines(flags.input)
    from ptm_jax import setup_jax
    setup_jax.configure()
    from ptm_jax.load import load_with_tokenizer
    from ptm_jax.scoring.embedder import Embedder
    embedder = Embedder(load_with_tokenizer(flags.checkpoint), flags.pooling,
                        flags.layer)
    vectors = embedder.embed(lines)
    write(output, vectors)
    print(f'{output}: {vectors.shape[0]:,} vectors of width '
          f'{vectors.shape[1]}' + (
              f'; {embedder.cut:,} lines had more than {embedder.room} tokens '
              'and were cut' if embedder.cut else ''))


def read_lines(path):
  """The lines of a file; the newline at its end begins no further line."""
  try:
    text = pathlib.Path(path).read_text(encoding='utf8')
  except UnicodeDecodeError as error:
    raise DataError(f'--input={path} is not UTF-8: {error}') from error
  lines = text.removesuffix('\n').split('\n')
  if not text:
    raise DataError(f'--input={path} is empty')
  return [line.removesuffix('\r') for line in lines]


def write(path, vectors):
  """Writes the file by its suffix; a kill leaves the old one or the new."""
  import numpy as np
  from safetensors.numpy import save_file
  temporary = path.with_name(f'{path.stem}.{os.getpid()}.tmp{path.suffix}')
  path.parent.mkdir(parents=True, exist_ok=True)
  try:
    if path.suffix == '.npz':
      np.savez(temporary, vectors=vectors)
    else:
      save_file({'vectors': vectors}, temporary)
    temporary.replace(path)
  finally:
    temporary.unlink(missing_ok=True)
