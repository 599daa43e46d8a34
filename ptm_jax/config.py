"""Typed settings of every run, and the checks that need no data.

The dataclasses are not frozen, because absl flags assign to their fields;
`validate` runs once after parsing. A `Component` is a setting whose *kind* is
chosen in an experiment file (an objective, a corpus); its fields are flags.
"""

import copy
import dataclasses

from ptm_jax import checks
from ptm_jax.errors import ConfigError
from ptm_jax.find import find, name_of
from ptm_jax.model_config import Model


@dataclasses.dataclass
class Component:
  """Base of everything that an experiment file chooses by kind."""

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""


@dataclasses.dataclass
class Tokenizer:
  """Which tokenizer to train, or an existing one.

  Attributes:
    kind: 'unigram' or 'bpe'.
    vocab_size: ids in all: text pieces, 7 control ids and 100 sentinels.
    path: an existing tokenizer, with its own ids: the `tokenizer/` of a run,
      or published: `tokenizer.json`, WordPiece's `vocab.txt`, byte-level BPE's
      `vocab.json` beside `merges.txt`, a SentencePiece `.model`, or a folder
      of these; control ids and sentinels that it lacks are added behind. ''
      trains one on the train split.
    train_bytes: text that the trainer reads, bytes (a fixed, spread sample).
    lower_case: whether all text is read in lower case, of which words had a
      capital is kept as a flag.
  """

  kind: str = 'unigram'
  vocab_size: int = 512
  path: str = ''
  train_bytes: int = 10_000_000
  lower_case: bool = False

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.choices(self, 'tokenizer', {'kind': ('unigram', 'bpe')})
    checks.positive(self, 'tokenizer', 'vocab_size', 'train_bytes')
    if self.path and self.lower_case:
      raise ConfigError('tokenizer.lower_case is for a tokenizer that is '
                        f'trained here, not for tokenizer.path={self.path}')
    # 7 control ids, 100 sentinels, 256 bytes and some room for text.
    if not self.path and self.vocab_size < 400:
      raise ConfigError(f'tokenizer.vocab_size={self.vocab_size} is too small: '
                        'control ids, sentinels and bytes alone are 363; use '
                        'at least 400')


@dataclasses.dataclass
class Data:
  """How the corpus becomes windows.

  Attributes:
    raw_length: text tokens in a window; special tokens come on top.
    batch_size: windows in an update, over all devices and micro-batches.
    packing: 'packed' fills every position and keeps documents apart by
      segment ids; 'document' gives each window to one document; 'whole'
      fills it with documents of which none is cut.
  """

  raw_length: int = 64
  batch_size: int = 32
  packing: str = 'packed'

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.choices(self, 'data', {
        'packing': ('packed', 'document', 'whole')})
    checks.positive(self, 'data', 'raw_length', 'batch_size')
    if self.raw_length < 4:
      raise ConfigError(f'data.raw_length={self.raw_length} is too short: '
                        'use at least 4 tokens')


@dataclasses.dataclass
class Optimizer:
  """The optimizer and its schedule.

  Attributes:
    name: 'adamw', 'adafactor', 'adagrad', 'lion', 'muon' or 'sgd'.
    learning_rate: at the schedule's peak.
    weight_decay: decoupled; not applied to norms, biases and position tables.
    b1, b2, eps: the optimizer's own moments and epsilon.
    clip_norm: largest global gradient norm; 0 turns clipping off.
    schedule: after the warm-up: 'constant', 'linear', 'cosine',
      'inverse_sqrt' or 'wsd' (warm-up, stable, decay).
    warmup_steps: updates of linear warm-up.
    final_fraction: learning rate at the end, as a fraction of the peak.
    decay_share: share of the run that 'wsd' spends decaying.
  """

  name: str = 'adamw'
  learning_rate: float = 1e-3
  weight_decay: float = 0.01
  b1: float = 0.9
  b2: float = 0.98
  eps: float = 1e-8
  clip_norm: float = 1.0
  schedule: str = 'linear'
  warmup_steps: int = 10
  final_fraction: float = 0.0
  decay_share: float = 0.2

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.choices(self, 'optimizer', {
        'name': ('adamw', 'adafactor', 'adagrad', 'lion', 'muon', 'sgd'),
        'schedule': ('constant', 'linear', 'cosine', 'inverse_sqrt', 'wsd')})
    checks.positive(self, 'optimizer', 'learning_rate', 'eps')
    checks.fraction(self, 'optimizer', 'b1', 'b2')
    for name in 'weight_decay', 'clip_norm', 'warmup_steps', 'final_fraction':
      if getattr(self, name) < 0:
        raise ConfigError(f'optimizer.{name}={getattr(self, name)} is '
                          'negative; 0 turns it off')
    if not 0 < self.decay_share <= 1:
      raise ConfigError(f'optimizer.decay_share={self.decay_share} must lie '
                        'in (0, 1]')


@dataclasses.dataclass
class Budget:
  """What ends a run. It becomes `num_steps` before the first update.

  Attributes:
    clock: 'steps', 'tokens' (seen), 'loss_tokens' (tokens with loss),
      'flops' (training, analytic) or 'seconds' (on the device).
    amount: in the clock's unit; ignored for 'steps', which is `num_steps`.
  """

  clock: str = 'steps'
  amount: float = 0.0

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.choices(self, 'budget', {
        'clock': ('steps', 'tokens', 'loss_tokens', 'flops', 'seconds')})
    if self.clock != 'steps' and self.amount <= 0:
      raise ConfigError(f'budget.clock={self.clock} needs budget.amount above '
                        f'0, found {self.amount}')


@dataclasses.dataclass
class Compute:
  """Where and how the step is compiled. None of it changes the result.

  Attributes:
    mode: 'jit' (over a mesh) or 'pmap'.
    fsdp: devices among which parameters are split; the others split data.
    micro_batches: parts of a batch that are computed one after the other.
  """

  mode: str = 'jit'
  fsdp: int = 1
  micro_batches: int = 1

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.choices(self, 'compute', {'mode': ('jit', 'pmap')})
    checks.positive(self, 'compute', 'fsdp', 'micro_batches')


@dataclasses.dataclass
class Checkpoints:
  """What is kept on disk.

  Attributes:
    every_steps: updates between two checkpoints; the last is always saved.
    keep: newest checkpoints kept, besides the best.
  """

  every_steps: int = 1000
  keep: int = 2

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.positive(self, 'checkpoints', 'every_steps', 'keep')


@dataclasses.dataclass
class Evaluation:
  """What is measured, and how often.

  Attributes:
    every_steps: updates between two passes over the validation batches.
    num_batches: held-out batches of the training size in each pass.
    tasks: downstream tasks scored at the end, names of `tasks/`.
    questions: objectives about sentences, by name, that the trained trunk is
      asked at the end; see `questions.py`.
  """

  every_steps: int = 1000
  num_batches: int = 16
  tasks: tuple[str, ...] = ()
  questions: dict[str, Component] = dataclasses.field(default_factory=dict)

  def validate(self):
    """Raises ConfigError if a field has a value that cannot work."""
    checks.positive(self, 'evaluation', 'every_steps', 'num_batches')
    for task in self.tasks:
      if not hasattr(find('tasks', task), 'shots'):
        raise ConfigError(f'evaluation.tasks: {task} is not scored within a '
                          'run: use the verbs finetune or evaluate')
    for name, question in self.questions.items():
      question.validate()
      if not hasattr(question, 'term'):
        raise ConfigError(f'evaluation.questions.{name}: '
                          f'{name_of(question)[1]} asks nothing of a text as '
                          'a whole; take an objective about sentences')


@dataclasses.dataclass
class Experiment:
  """One pre-training run.

  Attributes:
    objective, corpus: components, chosen by the experiment file.
    num_steps: optimizer updates.
    seed: moves order, noise, dropout and initial parameters; never the split
      or the tokenizer.
    max_skipped: non-finite updates after which the run halts.
    log_every_steps: updates between two lines of `metrics.jsonl`.
  """

  objective: Component
  corpus: Component
  model: Model = dataclasses.field(default_factory=Model)
  tokenizer: Tokenizer = dataclasses.field(default_factory=Tokenizer)
  data: Data = dataclasses.field(default_factory=Data)
  optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
  budget: Budget = dataclasses.field(default_factory=Budget)
  compute: Compute = dataclasses.field(default_factory=Compute)
  checkpoints: Checkpoints = dataclasses.field(default_factory=Checkpoints)
  evaluation: Evaluation = dataclasses.field(default_factory=Evaluation)
  num_steps: int = 50
  seed: int = 0
  max_skipped: int = 20
  log_every_steps: int = 10

  def validate(self):
    """Checks every group; the objective's fit to the model comes later."""
    checks.declared(self)
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if hasattr(value, 'validate'):
        value.validate()
    checks.positive(self, '', 'num_steps', 'max_skipped', 'log_every_steps')
    if not 0 <= self.seed < 2**31:
      raise ConfigError(f'seed={self.seed} must lie in [0, 2**31)')
    if self.data.batch_size % self.compute.micro_batches:
      raise ConfigError(
          f'compute.micro_batches={self.compute.micro_batches} does not divide '
          f'data.batch_size={self.data.batch_size}')


@dataclasses.dataclass
class Comparison:
  """Several objectives on the same text, model and budget.

  Attributes:
    base: settings shared by all; its objective is replaced by each run's.
    runs: objectives by name.
    learning_rates: each run's own peak rate, chosen by a recorded sweep; a
      run that is not named uses `base.optimizer.learning_rate`, 'untuned'.
    learning_rates_source: the command that chose them; '' means untuned.
    seeds: one run each; at least three give an interval.
  """

  base: Experiment
  runs: dict[str, Component]
  learning_rates: dict[str, float] = dataclasses.field(default_factory=dict)
  learning_rates_source: str = ''
  seeds: tuple[int, ...] = (0, 1, 2)

  def validate(self):
    """Checks the base, every objective and that names can be folders."""
    checks.declared(self)
    self.base.validate()
    if not self.runs:
      raise ConfigError('a comparison needs at least one run')
    if not self.seeds or len(set(self.seeds)) != len(self.seeds):
      raise ConfigError(f'seeds={self.seeds} must be different and not empty')
    for name, objective in self.runs.items():
      if not name.replace('_', '').replace('-', '').isalnum():
        raise ConfigError(f'run {name!r} names a folder: use letters, digits, '
                          '- and _')
      objective.validate()
    unknown = set(self.learning_rates) - set(self.runs)
    if unknown:
      raise ConfigError(f'learning_rates names {sorted(unknown)}, which are '
                        f'not among the runs {sorted(self.runs)}')

  def experiment(self, name, seed):
    """The `Experiment` of one run of this comparison."""
    base = copy.deepcopy(self.base)
    base.objective = copy.deepcopy(self.runs[name])
    base.optimizer.learning_rate = self.learning_rates.get(
        name, base.optimizer.learning_rate)
    base.seed = seed
    return base
