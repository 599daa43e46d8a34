"""Settings of fine-tuning, and their checks."""

import dataclasses

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.find import find

PROBES = ('probe', 'mlp_probe')
PREFIXED = ('prefix', 'layer_prefix')
WAYS = ('full', 'lora', *PREFIXED, *PROBES)
PROMPTED = ('full', 'lora')  # ways that a prompt can be trained in
WRITTEN = PROMPTED  # and those of answers that are written
POOLING = ('mean', 'first', 'last', 'pooler', 'decoder')
NO_PREFIX = ('two_tower', 'embedding')  # forms without a prefix


@dataclasses.dataclass
class Settings:
  """What a fine-tuning is asked to do.

  Attributes:
    task: name of a component of `tasks/` that is fine-tuned; several with
      commas between them are mixed.
    data_dir: folder of its published files; '' for an embedded one. Of
      several as many, with commas between them.
    way: of `WAYS`; see `finetune_step` and `finetune_probe`.
    seeds: trials: seeds 0, 1, ... They move the head, the order and dropout,
      never the examples.
    epochs, batch_size, learning_rate, weight_decay: of the training; the rate
      falls linearly to 0.
    warmup: share of the updates in which the learning rate rises.
    max_length: tokens of a row, special ones included.
    max_train: training examples of a task at most, drawn once for all seeds;
      0: all.
    max_test: the same of the test split.
    pooling: of `POOLING`: the state that stands for a text is their mean, the
      first token's or, without a bias of the head, the last one's, as
      published decoders have it; 'pooler' is that of `model.pooler_place`
      through a dense layer and `model.pooler_activation`, as published
      encoders have it; 'decoder' reads the decoder of an encoder-decoder, not
      the encoder (`reading.Reader.decoded`): of a text the last state through
      the same, as published BARTs and T5s have it, of tokens each.
    layer_decay: factor of the learning rate for each layer further down
      (Howard & Ruder 2018, arXiv:1801.06146, section 3.2).
    layer_warmup: by how many times `warmup` each layer further down warms up
      longer; 0 is one warm-up for all.
    lora_rank, prefix_length: of these ways.
    answer_length: tokens of what is written at most, where a task's answers are
      texts; they are part of `max_length`.
    prompt: name of a prompt's file, see `tasks.prompt`; 'default' is the
      task's own; '' has a new head instead.
    from_scratch: whether the trunk starts untrained.
    drop_leaked: whether training examples that are also test examples are
      left out.
    truncate: whether longer texts are cut, and counted; else they are refused.
  """

  task: str
  data_dir: str = ''
  way: str = 'full'
  seeds: int = 5
  epochs: int = 3
  batch_size: int = 32
  learning_rate: float = 1e-3
  weight_decay: float = 0.01
  warmup: float = 0.1
  max_length: int = 128
  max_train: int = 0
  max_test: int = 0
  pooling: str = 'mean'
  layer_decay: float = 1.0
  layer_warmup: float = 0.0
  lora_rank: int = 8
  prefix_length: int = 16
  answer_length: int = 32
  prompt: str = ''
  from_scratch: bool = False
  drop_leaked: bool = False
  truncate: bool = True

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.declared(self)
    checks.choices(self, 'finetune', {'way': WAYS, 'pooling': POOLING})
    checks.positive(self, '', 'seeds', 'epochs', 'batch_size', 'learning_rate',
                    'layer_decay', 'lora_rank', 'prefix_length',
                    'answer_length')
    checks.at_least(self, 'finetune', 8, 'max_length')
    checks.at_least(self, 'finetune', 0, 'max_train', 'max_test',
                    'weight_decay', 'layer_warmup')
    checks.fraction(self, 'finetune', 'warmup')
    if self.pooling in ('pooler', 'decoder') and self.way in PROBES:
      raise ConfigError(f'--way={self.way} trains no pooler: choose another '
                        '--pooling')
    if self.pooling == 'decoder' and self.way == 'prefix':
      raise ConfigError('--way=prefix puts vectors in front of what an encoder '
                        'reads: with --pooling=decoder use layer_prefix')
    if self.prompt and (self.way not in PROMPTED or ',' in self.task):
      raise ConfigError('--prompt asks one task, and the way is '
                        f'{" or ".join(PROMPTED)}')
    for name in self.task.split(','):
      task = find('tasks', name)
      if not hasattr(task, 'fine_tuned'):
        raise ConfigError(f'--task={name} is scored as it is, with the verb '
                          'evaluate, and not fine-tuned')
      if task.written:
        self._check_written(name)

  def _check_written(self, name):
    if self.way not in WRITTEN or self.prompt or ',' in self.task:
      raise ConfigError(f'--task={name}: its answers are written, by one task '
                        f'alone, without a prompt, and the way is '
                        f'{" or ".join(WRITTEN)}')
    if self.answer_length > self.max_length - 16:
      raise ConfigError(
          f'--answer_length={self.answer_length} leaves less than 16 of the '
          f'--max_length={self.max_length} tokens for what is read')
