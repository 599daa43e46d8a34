"""What every published family is: declarations, read in both directions.

To add one, write `convert/NAME.py` with a class `Family` derived from
`BaseFamily`. It declares how `config.json` and `config.Model` correspond, how
tensors and leaves do, and which architecture has which heads; nothing else is
edited.
"""

import dataclasses
import math
from typing import Any, ClassVar

from ptm_jax import checks, config
from ptm_jax.convert import mapping
from ptm_jax.convert.architecture import Architecture
from ptm_jax.convert.optional_fields import canonical, resolved
from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of

ACTIVATIONS = {'gelu': 'gelu', 'gelu_new': 'gelu_tanh',
               'gelu_pytorch_tanh': 'gelu_tanh', 'relu': 'relu',
               'silu': 'silu', 'swish': 'silu'}
# What does not change the function that a model computes.
_FREE = frozenset((
    'name', 'form', 'init_scale', 'dtype', 'param_dtype', 'scan_layers',
    'remat', 'dropout', 'attention_dropout', 'expert_capacity',
    'router_jitter', 'balance_weight', 'max_length'))
REQUIRED = object()


class Unlike(ConfigError):
  """A model is none of a family.

  Attributes:
    apart: fields that would have to be others; infinity where it has no such
      heads, or is of another form.
  """

  def __init__(self, message, apart):
    super().__init__(message)
    self.apart = apart


@dataclasses.dataclass(frozen=True)
class Field:
  """A value of `config.json` and the field of `config.Model` that it is.

  Attributes:
    theirs, ours: names.
    default: theirs where `config.json` does not say; REQUIRED if it must.
    values: `{theirs: ours}` where the values differ; the first of several
      that mean one of ours is written.
    factor: ours is so many times theirs.
  """

  theirs: str
  ours: str
  default: Any = REQUIRED
  values: dict | None = None
  factor: int = 1

  def to_ours(self, values):
    """Our value, given a `config.json`."""
    value = values.get(self.theirs, self.default)
    if value is REQUIRED:
      raise ConfigError(f'config.json has no {self.theirs}')
    if self.values is not None:
      try:
        return self.values[value]
      except (KeyError, TypeError) as error:
        raise ConfigError(
            f'config.json has {self.theirs}={value!r:.80}, where only '
            f'{", ".join(map(str, self.values))} are known') from error
    return value * self.factor if type(value) is int else value

  def to_theirs(self, value):
    """The value of `config.json`, given ours."""
    if self.values is not None:
      theirs = [key for key, one in self.values.items() if one == value]
      if not theirs:
        raise ConfigError(f'it has no model.{self.ours}={value}')
      return theirs[0]
    return value // self.factor if self.factor > 1 else value


class BaseFamily:
  """A family of published models.

  Class attributes that a family sets:
    model_types: of `config.json`; the first is written.
    fields: `Field`s.
    fixed: `{field of config.Model: value}` that all of them have.
    handled: fields of `config.Model` of which `read_more` and `write_more`
      take care.
    constants: `{name in config.json: value}`; another value there is refused.
    names: `{our module: published name}` of the trunk.
    prefix: of the trunk's tensors, which a bare trunk's may lack.
    optional: `{our module: published name}` of networks that a file may hold.
    ignored: a regular expression of tensors without weights.
    headless: beginnings of names of tensors of heads that are none of ours.
    transposed: as of `mapping.Entry`.
    padding_side: of a batch's texts, 'right' or 'left', for its tokenizer.
    architectures: `{class: Architecture}`, the most special first.
  """

  model_types: ClassVar[tuple[str, ...]] = ()
  fields: ClassVar[tuple[Field, ...]] = ()
  fixed: ClassVar[dict[str, Any]] = {}
  handled: ClassVar[tuple[str, ...]] = ()
  constants: ClassVar[dict[str, Any]] = {}
  names: ClassVar[dict[str, Any]] = {}
  prefix: ClassVar[str] = ''
  optional: ClassVar[dict[str, Any]] = {}
  ignored: ClassVar[str] = r'^$'
  headless: ClassVar[tuple[str, ...]] = ()
  transposed: ClassVar[bool] = True
  padding_side: ClassVar[str] = 'right'
  architectures: ClassVar[dict[str, Architecture]] = {}

  # --- what a family may add to its declarations ----------------------------

  @classmethod
  def named(cls, values):
    """Which of `architectures` a `config.json` says it is; the bare trunk
    where it does not say."""
    named = values.get('architectures') or [
        name for name, one in cls.architectures.items() if one.is_bare]
    return named[0] if isinstance(named, list) else named

  @classmethod
  def read_more(cls, values, model):
    """What of `config.json` (`values`) no field can say, put into `model`."""

  @classmethod
  def write_more(cls, model, vocabulary):
    """What `config.json` has besides, a dict; raises ConfigError where a
    model is none of this family."""
    del model, vocabulary
    return {}

  @classmethod
  def constant_tensors(cls, model, rows):
    """`{published name: float32 array}` of tensors that are always the same,
    given the model and the rows of its table of tokens."""
    del model, rows
    return {}

  @classmethod
  def absent(cls, values, tensors):
    """Corrects `values` by what the `tensors` hold, before they are read."""
    del tensors
    return values

  # --- configuration --------------------------------------------------------

  @classmethod
  def to_model(cls, values):
    """The `config.Model` of a `config.json`.

    Raises:
      ConfigError: it says something that we do not have.
    """
    for name, value in cls.constants.items():
      if values.get(name, value) != value:
        raise ConfigError(f'config.json has {name}={values[name]!r:.80}, '
                          f'where only {value!r} is known')
    settings = dict(cls.fixed)
    for field in cls.fields:
      value = field.to_ours(values)
      if field.ours not in settings:
        settings[field.ours] = value
      elif value not in (None, settings[field.ours]) and (
          field.ours not in _FREE):
        raise ConfigError(
            f'config.json has {field.theirs}={value!r:.80}, which disagrees '
            f'with model.{field.ours}={settings[field.ours]!r:.80}')
    known = {one.name: one for one in dataclasses.fields(config.Model)}
    model = config.Model(**{
        name: float(value) if known[name].type is float
        and isinstance(value, int) else value
        for name, value in settings.items()})
    cls.read_more(values, model)
    try:
      checks.declared(model, 'model.')
      model.validate()
    except ConfigError as error:
      raise ConfigError(f'config.json describes no model: {error}') from error
    return canonical(model)

  @classmethod
  def from_model(cls, model, vocabulary, rows, architecture):
    """The `config.json` of a `config.Model`, a dict.

    Args:
      model: `config.Model`.
      vocabulary: `data.vocabulary.Vocabulary`.
      rows: of the table of tokens.
      architecture: one of `architectures`.

    Raises:
      ConfigError: the family has no such model; the message says why, and
        `Unlike` how far it is from one.
    """
    model, plain = canonical(model), config.Model()
    ours = {*cls.handled, *(field.ours for field in cls.fields)}
    unlike = []
    for one in dataclasses.fields(config.Model):
      if one.name in ours or one.name in _FREE:
        continue
      needed = cls.fixed.get(one.name, getattr(plain, one.name))
      if getattr(model, one.name) != needed:
        unlike.append(f'model.{one.name}={getattr(model, one.name)}, only '
                      f'{needed}')
    if unlike:
      raise Unlike('it has no ' + ', and no '.join(unlike), len(unlike))
    values = {'architectures': [architecture],
              'model_type': cls.model_types[0], 'dtype': model.param_dtype,
              **cls.constants}
    for field in cls.fields:
      values[field.theirs] = field.to_theirs(resolved(model, field.ours))
    return {**values, 'vocab_size': rows,
            **cls.write_more(model, vocabulary)}

  @classmethod
  def token_ids(cls, vocabulary):
    """What `config.json` says of control tokens."""
    return {f'{role}_token_id': vocabulary.id_of(role)
            for role in ('pad', 'bos', 'eos')
            if vocabulary.id_of(role) is not None}

  # --- names ----------------------------------------------------------------

  @classmethod
  def all_names(cls, architecture, model):
    """Our modules' published names in one architecture."""
    chosen = cls.architectures[architecture]
    return {**cls.names, **chosen.names,
            **({} if model.tied_head else chosen.untied)}

  @classmethod
  def entries(cls, names, leaves, model, rows):
    """The table of one model, a list of `mapping.Entry`, given `all_names`,
    its leaves and the rows of its table of tokens. The heads of tasks are
    `[out, in]` in every family."""
    heads = [leaf for leaf in leaves if leaf.path.startswith('task/')]
    others = [leaf for leaf in leaves if leaf not in heads]
    return [*mapping.entries(names, others, cls.transposed,
                             cls.constant_tensors(model, rows)),
            *mapping.entries(names, heads)]

  @classmethod
  def choose(cls, objective, bare=False, task=None):
    """The architecture that a bound objective's run becomes, `bare` without
    heads or with that of a kind of task; Unlike if there is none."""
    for name, architecture in cls.architectures.items():
      if architecture.fits(objective, task) and (
          task or bare == (not architecture.kinds)):
        return name
    if task:
      raise Unlike(f'it has no {objective.model.form} with the head of a '
                   f'{task} task', math.inf)
    raise Unlike(f'it has no {objective.model.form} of '
                 f'{name_of(objective)[1]}', math.inf)
