"""A trained run or a published model in memory: `ptm_jax.load(path)`.

    import ptm_jax
    run = ptm_jax.load('runs/bert')
    states, mask = run.apply(['A sentence.', 'Another one.'])
    print(states.shape)           # [batch, length, width]
"""

import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np

from ptm_jax import config, serialize
from ptm_jax.checkpoint import Checkpoints
from ptm_jax.convert import folder, pooled, published, tensors
from ptm_jax.data.tokenizer import Tokenizer
from ptm_jax.errors import CheckpointError, ConfigError
from ptm_jax.step import make_hparams, make_init


@dataclasses.dataclass
class Loaded:
  """A run that was trained here, or a published model as if it had been.

  Attributes:
    config: `config.Experiment`, as the run resolved it.
    tokenizer: `data.tokenizer.Tokenizer`, or None where a published model
      brings none.
    objective: the bound objective.
    params: by network; `params['trunk']` is what transfers. A published model
      may lack some of its objective's networks.
    step: updates behind these parameters; 0 for a published model.
    finetune: what `config.json` says of fine-tuning, a dict; else None.
    published: what is noted of the published model that it was, see
      `convert.published.origin`; {} of one that was trained here.
  """

  config: config.Experiment
  tokenizer: Tokenizer
  objective: Any
  params: Any
  step: int
  finetune: dict | None = None
  published: dict = dataclasses.field(default_factory=dict)

  @property
  def encoder(self):
    """How its states become a text's vector, a `pooled.Pooled`; None where
    nothing says it."""
    said = self.published.get('pooled')
    return pooled.Pooled(**said) if said else None

  def apply(self, texts):
    """Hidden states of sentences, as the trunk reads uncorrupted text.

    Args:
      texts: list of strings; each must fit the model's positions.

    Returns:
      states float32 `[batch, length, width]`, special tokens included, and
      bool `[batch, length]`, True where there is a token.

    Raises:
      ConfigError: a text has more tokens than the model has positions.
    """
    windows = encode_windows(self.tokenizer, texts)
    room = self.config.model.max_length - 2
    longest = windows['tokens'].shape[1]
    if longest > room and self.config.model.learned_positions:
      raise ConfigError(f'a text has {longest} tokens, and the model has room '
                        f'for {room}: cut it')
    states, mask = jax.jit(self.objective.features)(self.params, windows)
    return np.asarray(states, np.float32), np.asarray(mask)


def encode_windows(tokenizer, texts, length=None):
  """Raw windows of one text each, padded; longer texts are cut at `length`.

  Returns:
    dict of `[batch, length]` arrays, as `Windows` gives them.
  """
  ids = [tokenizer.encode(text)[:length] for text in texts]
  length = length or max(1, *(len(row) for row in ids), 1)
  tokens = np.zeros((len(ids), length), np.int32)
  segments = np.zeros_like(tokens)
  for row, values in enumerate(ids):
    tokens[row, :len(values)] = values
    segments[row, :len(values)] = 1
  return {
      'tokens': tokens, 'segment_ids': segments,
      'positions': np.arange(length, dtype=np.int32) * segments,
      'flags': np.zeros(tokens.shape, np.uint8),
      'index': np.arange(len(ids), dtype=np.int32),
      'epoch': np.zeros(len(ids), np.int32)}


def load(path, step=None):
  """Loads a run, or a published model.

  Args:
    path: a work directory with `config.json`, `tokenizer/`, `checkpoints/`;
      what `convert` made of a published model; or that model's own folder.
    step: which checkpoint of a run; None takes the newest good one.

  Raises:
    ConfigError: its `config.json` cannot be read.
    CheckpointError: there is no run, or no usable checkpoint.
  """
  path = pathlib.Path(path)
  if not (path / 'config.json').exists():
    raise CheckpointError(f'there is no {path / "config.json"}: name the '
                          'folder of a run or of a published model')
  if published.is_one(path):
    model = published.open_folder(path)
    return Loaded(model.settings, model.tokenizer, model.objective,
                  model.params(), 0, model.finetune, model.noted())
  values = serialize.read_json(path / 'config.json')
  facts = values.get('finetune')
  if facts and 'config' not in values:
    raise CheckpointError(f'{path} holds the seeds of a fine-tuning: name one '
                          f'of them, such as {path / "seed-0"}')
  settings = serialize.read(path / 'config.json', config.Experiment)
  origin = published.origin(path)
  if tensors.found(path):
    tokenizer = (Tokenizer.load(path / 'tokenizer')
                 if (path / 'tokenizer').exists() else None)
    objective = published.bound_objective(settings, published.vocabulary(
        tokenizer, origin.get('config', {})), origin.get('generation', {}))
    return Loaded(settings, tokenizer, objective,
                  folder.read_params(path, objective, facts), 0, facts,
                  origin)
  tokenizer = Tokenizer.load(path / 'tokenizer')
  objective = published.bound_objective(
      settings, tokenizer.vocabulary, origin.get('generation', {}))
  hparams = make_hparams(objective, settings.optimizer)
  params = jax.eval_shape(
      make_init(objective, settings.optimizer, settings.num_steps),
      jax.random.key(0), hparams)['params']
  if facts and 'networks' in facts:  # of a published trunk: not all
    if folder.EXTRA in facts['networks']:
      params[folder.EXTRA] = folder.shapes_of_extra(objective)
    params = {name: one for name, one in params.items()
              if name in facts['networks']}
  if facts and facts.get('writes_end'):
    objective = objective.ending()
  params.update(_task_parameters(path))
  keeper = Checkpoints(path / 'checkpoints', settings.checkpoints.keep)
  try:
    restored = keeper.restore({'params': params}, step, part=True)
  finally:
    keeper.close()
  if restored is None:
    raise CheckpointError(f'{path / "checkpoints"} holds no usable checkpoint')
  step, state = restored
  return Loaded(settings, tokenizer, objective, state['params'], step, facts,
                origin)


def load_with_tokenizer(path):
  """As `load`, of what is to read or write text.

  Raises:
    ConfigError: it is a published model without the files of its tokenizer.
  """
  run = load(path)
  if run.tokenizer is None:
    raise ConfigError(
        f'{path} brings no tokenizer, so it reads no text: put its files '
        '(tokenizer.json, vocab.txt ...) into the published folder')
  return run


def _task_parameters(path):
  """Shapes of what fine-tuning added to a run, under 'task'; else {}."""
  facts = serialize.read_json(path / 'config.json').get('finetune')
  try:
    return {} if facts is None else {'task': jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(tuple(shape), np.float32),
        facts['parameters'], is_leaf=lambda x: isinstance(x, list))}
  except (KeyError, TypeError) as error:
    raise ConfigError(f'{path / "config.json"} is damaged: what it says of '
                      f'fine-tuning has no {error}') from error
