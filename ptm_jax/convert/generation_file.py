"""`generation_config.json`: how a published model ends what it writes."""

import json
import pathlib

from ptm_jax import serialize

_NAME = 'generation_config.json'


def read(folder):
  """What it says, a dict; {} where there is none.

  Raises:
    ConfigError: it is damaged.
  """
  path = pathlib.Path(folder) / _NAME
  return serialize.read_json(path) if path.is_file() else {}


def ends(said, vocabulary):
  """Whether `</s>` ends what is written, given what the file says."""
  ids = said.get('eos_token_id')
  eos_id = vocabulary.id_of('eos')
  return eos_id is not None and eos_id in (
      ids if isinstance(ids, list) else [ids])


def write(folder, objective, said, token_ids):
  """Writes what a model was published with, or else how it has learnt to end.

  Args:
    folder: of the model.
    objective: bound.
    said: what the file said where the model came from, or {}.
    token_ids: what `config.json` says of control tokens.
  """
  if objective.writes_end and not ends(said, objective.vocabulary):
    said = {**said, **token_ids}
  if said:
    (pathlib.Path(folder) / _NAME).write_text(json.dumps(said, indent=2) + '\n')
