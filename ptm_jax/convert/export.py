"""A run of ours as a published folder."""

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import find, progress
from ptm_jax.convert import (card, generation_file, mapping, pooled, published,
                             strips, tensors, tokenizer_files)
from ptm_jax.convert import folder as folders
from ptm_jax.data.published import Published
from ptm_jax.data.tokenizer import Tokenizer
from ptm_jax.errors import CheckpointError, ConfigError
from ptm_jax.objectives import masked
from ptm_jax.objectives.reading import bound_to_read
from ptm_jax.tasks import classification, span_answer

_NEAREST = 3  # families that a refusal speaks of
# Names in an encoder-decoder's trunk, and those of an encoder's own.
_ALONE = {'encoder': 'stack', 'encoder_inputs': 'inputs',
          'encoder_bias': 'relative_bias'}


@dataclasses.dataclass
class Plan:
  """What a run becomes.

  Attributes:
    family: its class.
    architecture: its name there.
    values: the `config.json`.
    entries: list of `mapping.Entry`.
    params: `{path: array}` of the leaves.
    left: names of networks that have no published form.
    generation: what it said of how it writes where it came from, or {}.
  """

  family: type
  architecture: str
  values: dict
  entries: list
  params: dict
  left: list
  generation: dict = dataclasses.field(default_factory=dict)

  @property
  def writes(self):
    """Whether it is a language model that writes from left to right."""
    chosen = self.family.architectures[self.architecture]
    return bool(chosen.kinds) and chosen.form in ('decoder', 'encoder_decoder')


def plan(run, family='', origin=None, bare=False):
  """Finds the published form of a run.

  Args:
    run: `load.Loaded`.
    family: its name, or '' to take the first that fits.
    origin: of a run that was published before, `published.origin`.
    bare: whether heads are left out.

  Raises:
    ConfigError: no family fits; the message says why.
  """
  known = published.families()
  if family and family not in known:
    raise ConfigError(f'--family={family} is none of {", ".join(known)}')
  origin = origin or {}
  if not family and origin:
    family = next((name for name, one in known.items()
                   if origin.get('model_type') in one.model_types), '')
  errors = {}
  if bare:
    run = dataclasses.replace(run, finetune=None, params={
        name: one for name, one in run.params.items()
        if name in ('trunk', folders.EXTRA)})
  elif 'prefix' in run.params.get('task', {}):
    raise ConfigError('a run with a prefix has no published form: its trunk is '
                      'that of the run which was fine-tuned')
  for bare in (True,) if bare else (False, True):
    for name in [family] if family else known:
      try:
        return _plan(run, known[name], bare, origin)
      except ConfigError as error:
        errors.setdefault(name, error)
  raise ConfigError(_refusal(errors))


def _refusal(errors):
  """One line of why no family has a model, given `{family: error}`: what the
  nearest ones would need."""
  apart = {name: getattr(error, 'apart', 1) for name, error in errors.items()}
  nearest = [name for name in errors if apart[name] == min(apart.values())]
  if len(errors) > 1 and apart[nearest[0]] == math.inf:
    return f'no published family has this model: {errors[nearest[0]]}'
  said = '; '.join(f'{name}: {errors[name]}' for name in nearest[:_NEAREST])
  if len(nearest) == len(errors):
    return f'no published family has this model: {said}'
  return (f'no published family has this model. The nearest, {said} (--family '
          'says it of another)')


def kind_of(run):
  """The kind of the task that a run was fine-tuned on, as of
  `family.Architecture`, or None."""
  if not run.params.get('task') or not run.finetune:  # no head of its own
    return None
  if 'kind' in run.finetune:
    return run.finetune['kind']
  if ',' in run.finetune['task']:
    raise ConfigError('a head of several tasks has no published form: '
                      f'fine-tune on one of {run.finetune["task"]}')
  task = find.find('tasks', run.finetune['task'])
  if not task.per_token:
    return 'sequence'
  return 'span' if issubclass(task, span_answer.SpanAnswer) else 'token'


def encoder_of(run):
  """The encoder of a run's encoder-decoder alone, with what a task asks of its
  states.

  Raises:
    ConfigError: the run has none, or its task reads the decoder.
  """
  model = run.objective.model
  if model.form != 'encoder_decoder':
    raise ConfigError('--network=encoder is of a run of an encoder-decoder, '
                      f'and this one is a {model.form}')
  if kind_of(run) and folders.decodes(run.finetune):
    raise ConfigError('--network=encoder would leave the decoder behind, whose '
                      'states its task reads')
  settings = dataclasses.replace(run.config, model=dataclasses.replace(
      model, form='encoder', depth=model.depth // 2))
  params = {name: one for name, one in run.params.items() if name == 'task'}
  params['trunk'] = {_ALONE.get(name, name): one for name, one in (
      run.params['trunk'].items()) if not name.startswith('decoder')}
  return dataclasses.replace(
      run, config=settings, params=params, objective=bound_to_read(
          settings, run.objective.vocabulary))


def reads_encoder(run):
  """Whether a run's task asks of each state of an encoder-decoder's encoder,
  so that its published form has no decoder."""
  return (run.objective.model.form == 'encoder_decoder'
          and kind_of(run) == 'token' and not folders.decodes(run.finetune))


def generator_of(run):
  """The generator of a run of replaced-token detection, as a run of masked LM.

  Raises:
    ConfigError: the run has none.
  """
  objective = run.objective
  if not (hasattr(objective, 'generator_params')
          and 'generator' in run.params):
    raise ConfigError('--network=generator is of a run of replaced_token')
  settings = dataclasses.replace(
      run.config, objective=masked.Objective(),
      model=objective.generator_model())
  return dataclasses.replace(
      run, config=settings, finetune=None,
      objective=settings.objective.bind(
          settings.model, objective.vocabulary, objective.raw_length),
      params={'trunk': objective.generator_params(run.params),
              'head': run.params['generator_head']})


def _plan(run, family, bare, origin):
  objective = run.objective
  task = kind_of(run)
  architecture = family.choose(objective, bare, task)
  if task is None and origin.get('architecture') in family.architectures and (
      not bare or not family.architectures[origin['architecture']].kinds):
    architecture = origin['architecture']
  chosen = family.architectures[architecture]
  flat = mapping.flatten(run.params)
  rows = flat['trunk/token_embedding/embedding'].shape[0]
  plain = dataclasses.replace(objective.model, scan_layers=False, remat=False)
  # First: a field that does not fit says more than the leaves that it makes.
  described = family.from_model(plain, objective.vocabulary, rows,
                                architecture)
  if task and (folders.task_of(run.finetune)[1], folders.decodes(
      run.finetune)) != (chosen.pooling, chosen.decodes):
    raise ConfigError(f'its {architecture} is fine-tuned with --pooling='
                      f'{"decoder" if chosen.decodes else chosen.pooling}')
  names = family.all_names(architecture, objective.model)
  wanted = chosen.networks()
  if folders.EXTRA in run.params and not set(
      family.optional.values()) & set(names.values()):
    wanted.append(folders.EXTRA)
    names.update(family.optional)
  unscanned = bound_to_read(
      dataclasses.replace(run.config, model=plain), objective.vocabulary)
  leaves = mapping.leaves_of(folders.networks_of(
      unscanned, folders.task_of(run.finetune)), wanted)
  if missing := [leaf.path for leaf in leaves if leaf.path not in flat]:
    raise ConfigError(f'the run has no {missing[0]}')
  entries = family.entries(names, leaves, plain, rows)
  if chosen.is_bare:  # a bare trunk's names have no prefix
    entries = [dataclasses.replace(
        entry, name=entry.name.removeprefix(family.prefix))
               for entry in entries]
  values = {**family.token_ids(objective.vocabulary),
            **origin.get('config', {}), **described}
  eos = objective.vocabulary.id_of('eos')
  if chosen.pooling == 'last' and eos is not None and (
      values.get('pad_token_id') is None):
    values['pad_token_id'] = eos  # which no text ends with
  if task:
    values.update(_answers(run))
  if origin.get('model_type') in family.model_types:
    values['model_type'] = origin['model_type']
  left = sorted(name for name, one in run.params.items()
                if one and name not in wanted)
  return Plan(family, architecture, values, entries, flat, left,
              origin.get('generation', {}))


def _answers(run):
  """What `config.json` says of the outputs of a task's head."""
  outputs, _ = folders.task_of(run.finetune)
  labels = [str(one) for one in run.finetune.get('labels') or ()]
  if len(labels) != outputs:  # a number, or a span's two ends
    labels = [f'LABEL_{number}' for number in range(outputs)]
  found = {'id2label': {str(number): one for number, one in enumerate(labels)},
           'label2id': {one: number for number, one in enumerate(labels)}}
  if 'task' not in run.finetune:  # as it was published
    return found
  several = issubclass(find.find('tasks', run.finetune['task']),
                       classification.MultiLabel)
  return {**found, 'problem_type': 'multi_label_classification' if several
          else 'regression' if outputs == 1 else None}


def write(run, made, target, say=print, source=None, encoder=None):
  """Writes a published folder and compares every tensor.

  Args:
    run: `load.Loaded`.
    made: its `Plan`.
    target: a folder that is not there yet.
    say: takes one line for the user.
    source: the run's folder, whose results go into the card.
    encoder: `pooled.Pooled` of a folder that sentence-transformers reads, or
      None.
  """
  dtype = jnp.dtype(run.config.model.param_dtype)
  if made.left:
    say(f'left behind, as {made.architecture} has no place for them: '
        f'{", ".join(made.left)}')

  shapes = {entry.name: (entry.shape, dtype) for entry in made.entries}
  with folders.new(target) as folder:
    with tensors.Writer(folder, shapes) as out:
      _convert(made, out, dtype)
      _verify(made, tensors.Tensors(folder))
    (folder / 'config.json').write_text(
        json.dumps(made.values, indent=2) + '\n')
    if made.writes:
      generation_file.write(
          folder, run.objective, made.generation, {
              name: value for name, value in made.values.items()
              if name.endswith('_token_id')})
    _write_tokenizer(run, made, folder)
    if encoder:
      pooled.write(folder, run.config.model, encoder)
    (folder / 'README.md').write_text(card.text(run, made, source),
                                      encoding='utf8')
  say(f'{target}: {made.architecture}, {len(shapes)} tensors, each read back '
      'and equal bit for bit')


def _convert(made, out, dtype):
  def act(entry):
    array = entry.to_published(
        [_array(made, leaf) for leaf in entry.leaves], dtype)
    out.put(entry.name, array)
    return array.nbytes / 1e6

  with progress.bar('converting', 'MB') as add:
    for amount in tensors.each(act, made.entries):
      add(amount)


def _verify(made, written):
  def act(entry):
    array = written.read(entry.name)
    for leaf, part in zip(entry.leaves, entry.to_ours(array), strict=True):
      if not strips.same(part, _array(made, leaf)):
        raise CheckpointError(
            f'{leaf.path} does not come back as it was: {written.folder} '
            'could not be written, or the table is wrong')
    return array.nbytes / 1e6

  with progress.bar('verifying', 'MB') as add:
    for amount in tensors.each(act, made.entries):
      add(amount)


def _array(made, leaf):
  """A leaf's numbers; of a jax array on a CPU this is no copy."""
  return np.asarray(jax.device_get(made.params[leaf.path]))


def _write_tokenizer(run, made, folder):
  """Symbols have no published form."""
  model = run.objective.model
  if isinstance(run.tokenizer, (Tokenizer, Published)):
    tokenizer_files.write(
        run.tokenizer, folder,
        tokenizer_files.around_texts(run.tokenizer, run.objective),
        types=model.num_token_types > 1 or model.relative_types,
        trained=run.step > 0, padding_side=made.family.padding_side)
