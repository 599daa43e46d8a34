"""A tokenizer as the files of a published folder.

`tokenizer.json` is what `AutoTokenizer` reads. Ours has two files more, from
which it is ours again: the SentencePiece model and what `Tokenizer.save` says
of it, both in the folder `ptm_jax_tokenizer`.
"""

import json
import pathlib

import numpy as np

from ptm_jax.convert.tokenizer_json import names_of_control, tokenizer_json
from ptm_jax.data.published import Published, found
from ptm_jax.data.tokenizer import Tokenizer
from ptm_jax.errors import DataError

OURS = 'ptm_jax_tokenizer'


def write(tokenizer, folder, template=((), ()), padding_side='right'):
  """Writes a tokenizer's files.

  Args:
    tokenizer: `data.tokenizer.Tokenizer`.
    folder: must exist.
    template: control ids before and behind a text; see `template_of`.
    padding_side: 'right' or 'left', where no file says it yet.

  Raises:
    DataError: the tokenizer is of symbols, not of text.
  """
  folder = pathlib.Path(folder)
  if isinstance(tokenizer, Published):
    _write_published(tokenizer, folder, padding_side)
    return
  if not isinstance(tokenizer, Tokenizer):
    raise DataError('a tokenizer of symbols has no published form')
  names = names_of_control(tokenizer.vocabulary)
  roles = {f'{role}_token': names[getattr(tokenizer.vocabulary, f'{role}_id')]
           for role in ('pad', 'bos', 'eos', 'unk', 'mask', 'cls', 'sep')}
  _write(folder / 'tokenizer.json', tokenizer_json(tokenizer, *template))
  _write(folder / 'special_tokens_map.json', roles)
  _write(folder / 'tokenizer_config.json', {
      'tokenizer_class': 'PreTrainedTokenizerFast',
      'clean_up_tokenization_spaces': False,
      # Text is never a control token, whatever is typed.
      'split_special_tokens': True,
      'model_max_length': 10**30, 'padding_side': padding_side, **roles})
  tokenizer.save(folder / OURS)


def _write_published(tokenizer, folder, padding_side):
  """The files as they were read, and what they lack."""
  for name, content in tokenizer.files.items():
    (folder / name).write_bytes(content)
  library = tokenizer.library_json()
  if library is None:
    if tokenizer.added:
      _write(folder / 'added_tokens.json', {
          name: one for one, name in tokenizer.added.items()})
  elif tokenizer.added or 'tokenizer.json' not in tokenizer.files:
    _write(folder / 'tokenizer.json', library)
  if 'tokenizer_config.json' not in tokenizer.files:
    vocabulary = tokenizer.vocabulary
    _write(folder / 'tokenizer_config.json', {
        'tokenizer_class': 'PreTrainedTokenizerFast',
        'clean_up_tokenization_spaces': False, 'split_special_tokens': True,
        'padding_side': padding_side, **{f'{role}_token': tokenizer.pieces([one])[0]
           for role, one in vocabulary.roles}})


def read(folder, rows=None):
  """The tokenizer of a published folder, with its own ids.

  Args:
    folder: its path.
    rows: of the model's token embedding; None for as many as there are ids.

  Raises:
    DataError: there is none that can be used; the message says why.
  """
  folder = pathlib.Path(folder)
  if (folder / OURS).is_dir():
    made = Tokenizer.load(folder / OURS)
    if rows not in (None, made.vocabulary.size):
      raise DataError(
          f'{folder}: the tokenizer has {made.vocabulary.size} ids, and the '
          f'model {rows}: they do not belong together')
    return made
  return Published.read(folder, rows)


def there_are_some(folder):
  """Whether a folder holds anything of a tokenizer."""
  folder = pathlib.Path(folder)
  return (folder / OURS).is_dir() or bool(found(folder))


def template_of(tokenizer, objective):
  """The control ids that a bound objective's trunk reads around a text.

  Returns:
    Two lists of ids: before the text, and behind it.
  """
  text = tokenizer.encode(tokenizer.sample)[:4]
  count = np.arange(len(text), dtype=np.int32)
  stack = objective.read({
      'tokens': text, 'segment_ids': np.ones_like(count), 'positions': count,
      'flags': count.astype(np.uint8), 'index': np.int32(0),
      'epoch': np.int32(0)})
  shown = next(np.asarray(values) for name, values in stack.items()
               if name.endswith('inputs'))
  real = np.asarray(next(values for name, values in stack.items()
                         if name.endswith('segment_ids')))
  ids = shown[real > 0].tolist()
  start = ids.index(int(text[0]))
  return ids[:start], ids[start + len(text):]


def _write(path, values):
  path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + '\n',
                  encoding='utf8')
