"""A tokenizer as the files of a published folder.

`tokenizer.json` is what `AutoTokenizer` reads. Ours has two files more, from
which it is ours again: the SentencePiece model and what `Tokenizer.save` says
of it, both in the folder `ptm_jax_tokenizer`.
"""

import json
import pathlib

import numpy as np
import tokenizers

from ptm_jax.convert.tokenizer_json import (names_of_control, template,
                                            tokenizer_json)
from ptm_jax.data.published import Published, found
from ptm_jax.data.tokenizer import Tokenizer
from ptm_jax.errors import DataError

OURS = 'ptm_jax_tokenizer'
_SETTINGS = 'tokenizer_config.json'
# Text is never a control token, whatever is typed.
_PLAIN = {'tokenizer_class': 'PreTrainedTokenizerFast',
          'clean_up_tokenization_spaces': False, 'split_special_tokens': True}


def write(tokenizer, folder, around=((), (), ()), types=False, trained=True,
          padding_side='right'):
  """Writes a tokenizer's files.

  Args:
    tokenizer: `data.tokenizer.Tokenizer`.
    folder: must exist.
    around: control ids around texts, as `around_texts` gives them.
    types: whether the trunk reads which text a token is of.
    trained: whether the trunk was trained here, and so has read texts in
      that way, whatever a published tokenizer puts around them.
    padding_side: 'right' or 'left', where no file says it yet.

  Raises:
    DataError: the tokenizer is of symbols, not of text.
  """
  folder = pathlib.Path(folder)
  if isinstance(tokenizer, Published):
    _write_published(tokenizer, folder, around if trained else None,
                     _inputs(types), padding_side)
    return
  if not isinstance(tokenizer, Tokenizer):
    raise DataError('a tokenizer of symbols has no published form')
  names = names_of_control(tokenizer.vocabulary)
  roles = {f'{role}_token': names[getattr(tokenizer.vocabulary, f'{role}_id')]
           for role in ('pad', 'bos', 'eos', 'unk', 'mask', 'cls', 'sep')}
  _write(folder / 'tokenizer.json', tokenizer_json(tokenizer, *around))
  _write(folder / 'special_tokens_map.json', roles)
  _write(folder / _SETTINGS, {
      **_PLAIN, 'model_input_names': _inputs(types),
      'model_max_length': 10**30, 'padding_side': padding_side, **roles})
  tokenizer.save(folder / OURS)


def _write_published(tokenizer, folder, around, inputs, padding_side):
  """The files as they were read, and what they lack; `around` if special
  tokens must stand so."""
  for name, content in tokenizer.files.items():
    (folder / name).write_bytes(content)
  library, vocabulary = tokenizer.library_json(), tokenizer.vocabulary
  settings = json.loads(tokenizer.files.get(_SETTINGS, '{}'))
  more = {} if settings else {
      **_PLAIN, 'padding_side': padding_side,
      **{f'{role}_token': tokenizer.pieces([one])[0]
         for role, one in vocabulary.roles}}
  if library is None:
    if tokenizer.added:
      _write(folder / 'added_tokens.json', {
          name: one for one, name in tokenizer.added.items()})
  else:
    changed = around is not None and not _stands(library, around)
    if changed:
      ids = [one for part in around for one in part]
      library['post_processor'] = template(
          *around, dict(zip(ids, tokenizer.pieces(ids), strict=True)))
      # Other classes have a template of their own.
      more.update(tokenizer_class=_PLAIN['tokenizer_class'],
                  model_input_names=inputs)
    if changed or tokenizer.added or 'tokenizer.json' not in tokenizer.files:
      _write(folder / 'tokenizer.json', library)
  if around is not None and vocabulary.id_of('pad') is None and (
      vocabulary.id_of('eos') is not None):
    # As GPT-2 is published; without it texts make no batch.
    more['pad_token'] = tokenizer.pieces([vocabulary.eos_id])[0]
  if around is not None:
    # What no class does unasked; the side matters to who reads a row's end.
    needed = {**({'padding_side': 'left'} if padding_side == 'left' else {}),
              **({'model_input_names': inputs} if len(inputs) > 2 else {})}
    more.update({name: value for name, value in needed.items()
                 if settings.get(name) != value})
  if more:
    _write(folder / _SETTINGS, {**settings, **more})


def _inputs(types):
  """Names of what a model reads."""
  return ['input_ids', *(['token_type_ids'] if types else []),
          'attention_mask']


def _stands(library, around):
  """Whether a `tokenizer.json` puts these control ids around texts."""
  made = tokenizers.Tokenizer.from_str(json.dumps(library))
  before, between, after = around
  text = made.encode('a', add_special_tokens=False).ids
  return made.encode('a').ids == [*before, *text, *after] and (
      made.encode('a', 'a').ids == [*before, *text, *between, *text, *after])


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


def opens(folder):
  """Whether a published folder's tokenizer puts a special token in front of a
  text; True where it does not say."""
  path = pathlib.Path(folder) / 'tokenizer.json'
  if not path.is_file():
    return True
  try:
    made = tokenizers.Tokenizer.from_file(str(path))
  # The library's own errors are plain Exceptions.
  except Exception as error:  # pylint: disable=broad-except
    raise DataError(f'{path} is damaged: '
                    f'{" ".join(str(error).split())[:200]}') from error
  plain, whole = (made.encode('a', add_special_tokens=special).ids
                  for special in (False, True))
  return whole[:1] != plain[:1]


def around_texts(tokenizer, objective):
  """The control ids that a bound objective's trunk reads around texts.

  Returns:
    Three lists of ids: before a text, behind the first of two (see
    `objectives.reading`), and behind the last.
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
  after, separator = ids[start + len(text):], tokenizer.vocabulary.id_of('sep')
  return ids[:start], after if separator is None else [separator], after


def _write(path, values):
  path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + '\n',
                  encoding='utf8')
