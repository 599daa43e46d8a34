"""A published folder: opened, checked and read."""

import dataclasses
import json
import pathlib
import re
from typing import Any

import jax.numpy as jnp
import numpy as np

from ptm_jax import config, find, serialize
from ptm_jax.convert import folder as folders
from ptm_jax.convert import (generation_file, mapping, pooled, strips, tensors,
                             tokenizer_files)
from ptm_jax.data.corpora import text
from ptm_jax.data.vocabulary import Vocabulary
from ptm_jax.errors import CheckpointError, ConfigError
from ptm_jax.models.heads import POOLED
from ptm_jax.objectives.reading import bound_to_read

_CONFIG = 'config.json'
# A text's tokens where positions have no table that bounds them.
_RAW_LENGTH = 512


@dataclasses.dataclass
class Published:
  """A published model, its weights not yet read.

  Attributes:
    folder: where it is.
    values: its `config.json`.
    family: the class of its family.
    architecture: its name there.
    settings: `config.Experiment` as if it had been trained here.
    tokenizer: as `data.tokenizer.Tokenizer`, or None if it brings none.
    objective: bound.
    entries: list of `mapping.Entry`.
    names: `{published name: name in the files}`.
    tensors: `tensors.Tensors`.
    left: names of tensors that have no place here.
    finetune: what a task's head is, as `Loaded` has it, or None.
    encoder: `pooled.Pooled`, or None.
    generation: what its `generation_config.json` says.
  """

  folder: pathlib.Path
  values: dict
  family: type
  architecture: str
  settings: config.Experiment
  tokenizer: Any
  objective: Any
  entries: list
  names: dict
  tensors: tensors.Tensors
  left: list
  finetune: dict | None = None
  encoder: pooled.Pooled | None = None
  generation: dict = dataclasses.field(default_factory=dict)

  def noted(self):
    """What is kept of it beside our settings, JSON values; see `origin`."""
    return {'model_type': self.values['model_type'],
            'architecture': self.architecture, 'config': self.values,
            **({'pooled': dataclasses.asdict(self.encoder)}
               if self.encoder else {}),
            **({'generation': self.generation} if self.generation else {})}

  def read(self, entry):
    """The published array of an entry, in the type that is kept here."""
    array = self.tensors.read(self.names[entry.name])
    dtype = jnp.dtype(self.settings.model.param_dtype)
    return array if array.dtype == dtype else array.astype(dtype)

  def check_constants(self):
    """Raises CheckpointError if a tensor that is always the same is not."""
    for entry in self.entries:
      if entry.constant is not None:
        array = np.asarray(self.read(entry), np.float32)
        apart = np.abs(array - entry.constant).max(initial=0)
        rounded = 1e-5 if self.settings.model.param_dtype == 'float32' else .01
        if not apart <= rounded:
          raise CheckpointError(
              f'{self.folder}: {entry.name} differs by {apart:.2g} from what '
              'all such models have, and there is no place for it here')

  def params(self):
    """All parameters, a tree of jax arrays."""
    return mapping.unflatten({
        leaf.path: jnp.array(strips.ordered(part)) for entry in self.entries
        for leaf, part in zip(entry.leaves, entry.to_ours(self.read(entry)),
                              strict=True)})


def is_one(folder):
  """Whether a folder's `config.json` is a published model's."""
  path = pathlib.Path(folder) / _CONFIG
  return path.is_file() and 'config' not in (values := serialize.read_json(
      path)) and 'model_type' in values


def families():
  """`{name: class}` of all families."""
  return {name: find.find('convert', name) for name in find.names('convert')}


def open_folder(folder):
  """Opens a published model and checks all but its numbers.

  Raises:
    ConfigError: its `config.json` describes what we do not have.
    CheckpointError: its tensors are not what that describes.
  """
  folder = pathlib.Path(folder)
  values = serialize.read_json(folder / _CONFIG)
  family = _family(values, folder)
  source = tensors.Tensors(folder)
  architecture = _architecture(family, values, folder)
  names = _canonical_names(family, architecture, source.shapes)
  values = family.absent(values, {
      name: (lambda stored=stored: source.read(stored))
      for name, stored in names.items()})
  try:
    model = family.to_model(values)
  except ConfigError as error:
    raise ConfigError(f'{folder}: {error}') from error
  kinds = {source.shapes[one][1].name for one in names.values()}
  model.param_dtype = 'bfloat16' if kinds == {'bfloat16'} else 'float32'
  settings = _experiment(family.architectures[architecture], model)
  tokenizer = read_tokenizer(folder, values)
  if hasattr(settings.objective, 'opening'):
    settings.objective.opening = tokenizer_files.opens(folder)
  generation = generation_file.read(folder)
  objective = bound_objective(settings, vocabulary(tokenizer, values),
                              generation)
  finetune = _finetune(family, architecture, values, source, names)
  entries, left = _entries(family, architecture, objective, names, finetune)
  _merge_aliases(family.architectures[architecture], entries, names, source,
                 folder)
  shapes = {name: source.shapes[stored] for name, stored in names.items()
            if name not in left}
  mapping.compare(entries, shapes, folder)
  for name, (_, dtype) in shapes.items():
    if dtype.kind == 'i':
      raise CheckpointError(f'{folder}: {name} is of integers')
  found = Published(folder, values, family, architecture, settings, tokenizer,
                    objective, entries, names, source, left, finetune,
                    pooled.read(folder), generation)
  found.check_constants()
  return found


def _family(values, folder):
  known = {kind: family for family in families().values()
           for kind in family.model_types}
  kind = values.get('model_type')
  if kind not in known:
    raise ConfigError(f'{folder} holds a model of type {kind!r:.80}: known are '
                      f'{", ".join(sorted(known))}')
  return known[kind]


def _architecture(family, values, folder):
  named = family.named(values)
  if not isinstance(named, str) or named not in family.architectures:
    raise ConfigError(
        f'{folder} holds a {str(named)[:80]}: of {family.model_types[0]} '
        f'{", ".join(family.architectures)} are known')
  return named


def _canonical_names(family, architecture, stored):
  """`{name as the table has it: name in the files}`."""
  ignored, found = re.compile(family.ignored), {}
  heads = [one for other in family.architectures.values()
           for one in other.names.values()]
  heads = family.headless + tuple(
      (one[0] if isinstance(one, tuple) else one).partition('{')[0]
      for one in heads)
  bare = not any(name.startswith(family.prefix) for name in stored)
  for name in stored:
    # As the first releases of BERT had them.
    plain = re.sub(r'\.gamma$', '.weight', re.sub(r'\.beta$', '.bias', name))
    if bare and not plain.startswith(heads):
      plain = family.prefix + plain
    if not ignored.search(plain):
      found[plain] = name
  return found


def _experiment(architecture, model):
  """The settings of a run that has this model."""
  objective = architecture.objective()
  room = _RAW_LENGTH
  if model.learned_positions:
    probe = objective.bind(
        dataclasses.replace(model, max_length=2 * model.max_length + 8,
                            form=architecture.form),
        Vocabulary(1024), model.max_length)
    room = 2 * model.max_length - probe.num_positions()
  model = dataclasses.replace(model, form=architecture.form)
  return config.Experiment(
      objective=objective, corpus=text.Corpus(), model=model,
      data=config.Data(raw_length=max(room, 4)))


def vocabulary(tokenizer, values):
  """The `Vocabulary` of a published model; without a tokenizer, of as many
  ids as its `config.json` says."""
  if tokenizer is not None:
    return tokenizer.vocabulary
  rows = values.get('vocab_size')
  if not isinstance(rows, int) or not 0 < rows < 2**31:
    raise ConfigError(f'config.json has vocab_size={rows!r:.80}')
  said = {f'{role}_id': values.get(f'{role}_token_id')
          for role in ('pad', 'bos', 'eos')}
  return Vocabulary(rows, num_sentinels=min(100, rows // 2), **{
      name: one for name, one in said.items()
      if type(one) is int and 0 <= one < rows})


def bound_objective(settings, vocabulary, generation):
  """`reading.bound_to_read`, of a trunk that ends what it writes if a
  `generation_config.json` says so."""
  bound = bound_to_read(settings, vocabulary)
  return (bound.ending() if generation_file.ends(generation, vocabulary)
          else bound)


def read_tokenizer(folder, values):
  """The tokenizer of a published folder, or None without its files."""
  if not tokenizer_files.there_are_some(folder):
    return None
  rows = values.get('vocab_size')
  return tokenizer_files.read(folder, rows if type(rows) is int else None)


def _finetune(family, architecture, values, source, names):
  """What the head of a task is, as fine-tuning writes it; else None."""
  chosen = family.architectures[architecture]
  if chosen.task is None:
    return None
  stored = names.get(chosen.names['task/head'] + '.weight')
  if stored is None:
    raise CheckpointError(f'{source.folder} lacks the tensor '
                          f'{chosen.names["task/head"]}.weight')
  outputs, width = source.shapes[stored][0]
  labels = values.get('id2label')
  labels = labels if isinstance(labels, dict) and len(labels) == outputs else {
      str(number): f'LABEL_{number}' for number in range(outputs)}
  parameters = {'head': {'kernel': [width, outputs]}}
  if chosen.pooling != 'last':
    parameters['head']['bias'] = [outputs]
  if chosen.pooling in POOLED:
    parameters['pooler'] = {'dense': {'kernel': [width, width],
                                      'bias': [width]}}
  return {'kind': chosen.task, 'labels': list(labels.values()),
          'pooling': 'decoder' if chosen.decodes else chosen.pooling,
          'parameters': parameters}


def _entries(family, architecture, objective, stored, finetune):
  """The table of one model, and what of the files is none of it."""
  optional = {ours: theirs for ours, theirs in family.optional.items()
              if f'{theirs}.weight' in stored}
  chosen = family.architectures[architecture]
  names = family.all_names(architecture, objective.model)
  if set(optional.values()) & set(names.values()):
    optional = {}
  wanted = chosen.networks() + [ours.partition('/')[0] for ours in optional]
  leaves = mapping.leaves_of(folders.networks_of(
      objective, folders.task_of(finetune)), wanted)
  entries = family.entries({**names, **optional}, leaves, objective.model,
                           objective.vocabulary.size)
  ours = {entry.name for entry in entries}
  others = family.headless + tuple(
      one for other in family.architectures.values()
      for one in [*other.aliases, *(
          name[0] if isinstance(name, tuple) else name
          for name in other.names.values())])
  # Of the heads that it has it holds no more than they need.
  own = tuple(f'{names[one]}.' for one in chosen.names
              if isinstance(names[one], str))
  left = [name for name in stored if name not in ours
          and name.startswith(others) and not name.startswith(own)]
  return entries, left


def _merge_aliases(architecture, entries, names, source, folder):
  """Tensors that a file holds twice must be equal; one of them is enough."""
  known = {entry.name for entry in entries}
  for alias, name in architecture.aliases.items():
    if alias in known:
      continue
    if alias in names and name in names and not strips.same(
        source.read(names[alias]), source.read(names[name])):
      raise CheckpointError(
          f'{folder}: config.json says that {alias} and {name} are one tensor, '
          'but they differ in the files')
    if alias in names and name not in names:
      names[name] = names[alias]


def origin(folder):
  """What `importing` noted of the published model: `model_type`,
  `architecture`, its `config`, of an encoder of texts `pooled`, and what is
  said of its `generation`; {} of a run."""
  noted = json.loads((pathlib.Path(folder) / _CONFIG).read_text(
      encoding='utf8')).get('published')
  return noted if isinstance(noted, dict) else {}
