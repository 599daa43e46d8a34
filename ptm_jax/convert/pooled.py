"""Encoders of texts, in the folders of sentence-transformers.

Beside a model, such a folder says how its states become one vector.
"""

import dataclasses
import json
import pathlib

from ptm_jax import serialize
from ptm_jax.errors import ConfigError

_MODULES, _OTHERS = 'modules.json', 'config_sentence_transformers.json'
_SETTINGS = 'sentence_bert_config.json'
_POOLING = '1_Pooling'
_NO_LENGTH = 10**9  # tokenizers without one say a number beyond it
# By our name, as the library has called them since its first releases.
_FLAGS = {'mean': 'pooling_mode_mean_tokens', 'cls': 'pooling_mode_cls_token'}


@dataclasses.dataclass(frozen=True)
class Pooled:
  """How the states of a text become its vector.

  Attributes:
    pooling: 'mean' of all of them, or 'cls', the first.
    normalised: whether vectors have a length of 1.
    max_length: tokens that are read of a text, special ones included; None
      for as many as there are positions.
  """

  pooling: str = 'mean'
  normalised: bool = False
  max_length: int | None = None


def read(folder):
  """The `Pooled` of a published folder, or None if it says nothing of it.

  Raises:
    ConfigError: it says something that we do not have.
  """
  folder = pathlib.Path(folder)
  if not (folder / _MODULES).is_file():
    return None
  try:
    modules = [(one['type'].rpartition('.')[2], str(one['path']))
               for one in json.loads((folder / _MODULES).read_text('utf8'))]
  except (ValueError, KeyError, TypeError, AttributeError,
          RecursionError) as error:
    raise ConfigError(f'{folder / _MODULES} is no list of modules') from error
  kinds = [kind for kind, _ in modules]
  if kinds not in (['Transformer', 'Pooling'],
                   ['Transformer', 'Pooling', 'Normalize']):
    raise ConfigError(f'{folder} has the modules {", ".join(kinds)[:120]}, '
                      'where Transformer, Pooling and Normalize are known')
  if modules[0][1] or pathlib.PurePath(modules[1][1]).name != modules[1][1]:
    raise ConfigError(f'{folder / _MODULES} names modules in other folders: '
                      f'{[path for _, path in modules]!r:.120}')
  return Pooled(_pooling(folder / modules[1][1] / 'config.json'),
                'Normalize' in kinds, _max_length(folder))


def _pooling(path):
  values = serialize.read_json(path)
  found = [values['pooling_mode']] if 'pooling_mode' in values else [
      name for name, said in values.items()
      if name.startswith('pooling_mode_') and said]
  for ours, flag in _FLAGS.items():
    if found in ([ours], [flag]):
      return ours
  raise ConfigError(f'{path} pools by {found!r:.120}, where one of '
                    f'{", ".join(_FLAGS)} is known')


def _max_length(folder):
  # Newer releases of the library leave it to the tokenizer.
  settings = _values(folder / _SETTINGS)
  said = settings.get('max_seq_length', _values(
      folder / 'tokenizer_config.json').get('model_max_length'))
  others = _values(folder / _OTHERS)
  prompts, name = others.get('prompts'), others.get('default_prompt_name')
  default = prompts.get(name) if isinstance(prompts, dict) and isinstance(
      name, str) else None
  if default:
    raise ConfigError(f'{folder / _OTHERS} puts the prompt {default!r:.80} '
                      'before every text: take its default_prompt_name out and '
                      'put the prompt into the texts')
  if settings.get('do_lower_case'):
    raise ConfigError(f'{folder / _SETTINGS} has do_lower_case=true: set it '
                      'to false where the tokenizer does so itself, else put '
                      'the texts in lower case as well')
  if said is not None and (type(said) is not int or said < 3):
    raise ConfigError(f'{folder / _SETTINGS} has max_seq_length={said!r:.80}')
  return said if said and said < _NO_LENGTH else None


def _values(path):
  return serialize.read_json(path) if path.is_file() else {}


def write(folder, model, pooled):
  """Writes what the library reads besides the model.

  Args:
    folder: of the model.
    model: `config.Model`.
    pooled: `Pooled`.
  """
  kinds = {'': 'Transformer', _POOLING: 'Pooling'}
  if pooled.normalised:
    kinds['2_Normalize'] = 'Normalize'
  (folder / _POOLING).mkdir()
  flags = {flag: ours == pooled.pooling for ours, flag in _FLAGS.items()}
  for path, values in {
      _MODULES: [
          {'idx': number, 'name': str(number), 'path': place,
           'type': f'sentence_transformers.models.{kind}'}
          for number, (place, kind) in enumerate(kinds.items())],
      _SETTINGS: {'max_seq_length': pooled.max_length or model.max_length,
                  'do_lower_case': False},
      _OTHERS: {'prompts': {}, 'default_prompt_name': None,
                'similarity_fn_name': 'cosine'},
      f'{_POOLING}/config.json': {
          'word_embedding_dimension': model.width, **flags,
          'pooling_mode_max_tokens': False,
          'pooling_mode_mean_sqrt_len_tokens': False}}.items():
    (folder / path).write_text(json.dumps(values, indent=2) + '\n')
