"""What every pre-training objective is: one dataclass, one file.

To add one, write `objectives/NAME.py` with a class `Objective` derived from
`BaseObjective`: its fields are its hyper-parameters, and it says which
attention forms it fits, what `arrange` and `noise` do to one example, which
networks it trains and what they are scored on. Nothing else is edited.

An objective is used *bound*: `bind` gives it the model, the vocabulary and
the number of raw tokens, and turns its rates into the arrays `numbers` that
a sweep may vary. Inside the compiled step, `rebuilt` puts traced numbers in
their place, so that no number has two homes.
"""

import copy
import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import config, losses
from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.models.encoder_decoder import EncoderDecoder
from ptm_jax.models.table import Table
from ptm_jax.models.transformer import Trunk
from ptm_jax.models.two_tower import TwoTower
from ptm_jax.objectives import arrange, ideal, phases, reading
from ptm_jax.rng import example_keys, stream


@dataclasses.dataclass
class BaseObjective(reading.Reader, ideal.Bounded, config.Component):
  """Interface and shared machinery of all objectives.

  Class attributes that an objective sets:
    forms: the attention forms it fits, the default one first.
    reads: forms that it reads text with besides, and does not train.
    trains: False of one that is `reading.bound_to_read`.
    likelihood: name of the term whose summed nll is the negative
      log-likelihood of the raw text (bits per byte follow), or None.
    partner: the kind of a second window that it reads (`data.windows`), or
      None.
    needs_sentences: whether it can do nothing without sentence boundaries.
    needs_lower_case: whether the text must be read in lower case.
    second_positions: whether its stack has `block_positions`, which have a
      learned table whatever the model's positions are.
    arranges: whether it cuts the text into parts, or takes another's.
    changes: whether its input shows other tokens than the text's.
    writes_end: whether `</s>` ends what it writes.
    kinds: different objectives that an example may be drawn.
    traced: fields that reach nothing but `numbers`, `sizes` and
      `coefficients`, so that trials which differ in them share a program.

  Attributes of a bound objective:
    model: `config.Model`, its form settled.
    vocabulary: `data.vocabulary.Vocabulary`.
    raw_length: text tokens in a window; only sizes follow from it.
    sizes: static shapes by name; the largest of a group of trials.
    numbers: arrays by name that may be traced (counts int32, rates float32).
    progress: float32, the share of the updates that are done, for rates that
      follow a schedule; it may be traced, and is 1 in evaluation.
  """

  forms: ClassVar[tuple[str, ...]] = ()
  reads: ClassVar[tuple[str, ...]] = ()
  trains: ClassVar[bool] = True
  likelihood: ClassVar[str | None] = None
  partner: ClassVar[str | None] = None
  needs_sentences: ClassVar[bool] = False
  needs_lower_case: ClassVar[bool] = False
  second_positions: ClassVar[bool] = False
  arranges: ClassVar[bool] = False
  changes: ClassVar[bool] = True
  writes_end: ClassVar[bool] = False
  kinds: ClassVar[int] = 1
  traced: ClassVar[tuple[str, ...]] = ()

  # --- what an objective defines -------------------------------------------

  def raw_fields(self):
    """What it reads of a window besides the fields that every window has:
    `{field: component of data/annotations}`; the component makes a byte plane
    of the token store, and the window has it as uint8 `[length]`."""
    return {}

  @property
  def group_size(self):
    """Neighbouring examples that its loss compares, split by nothing."""
    return 1

  def make_numbers(self):
    """Rates and counts as numpy arrays by name, computed in Python."""
    return {}

  def make_sizes(self):
    """Static shapes by name, from `raw_length` and the fields."""
    return {}

  def lengths(self):
    """Rows of each stack: `{'inputs': 130}`."""
    raise NotImplementedError

  def num_positions(self):
    """Different positions that a table must hold."""
    return max(self.lengths().values())

  def coefficients(self):
    """The factor of each term in the training loss, by term."""
    raise NotImplementedError

  def arrange(self, key, window):
    """Adds what the text lacks: special tokens, pairs, sentence order.

    Args:
      key: this example's key for arranging.
      window: one raw window, each field `[raw length]`.

    Returns:
      A dict with at least `tokens`, `segment_ids`, `positions` and
      `candidates` (bool, True where the token may be noise), each `[length]`.
    """
    del key
    return arrange.plain(window)

  def noise(self, key, arranged):
    """Corrupts what `arrange` returned, with this example's key for noise.

    Returns:
      A dict of arrays: inputs, targets, weights, the attention structure's
      `segment_ids` and `positions` (with two stacks under the prefixes
      `encoder_` and `decoder_`), and `noise`, the record of hidden tokens,
      bool over the arranged tokens.
    """
    raise NotImplementedError

  def networks(self):
    """The modules to initialise: `{name: (module, arguments)}`."""
    raise NotImplementedError

  def loss(self, keys, params, batch):
    """Scores a corrupted batch.

    Args:
      keys: one jax key per example `[batch]` for dropout and sampling, or
        None in evaluation, where only sampling that defines the term happens,
        from a key that the batch carries.
      params: by network; `params['trunk']` is what transfers.
      batch: what `corrupt` gave, each field `[batch, ...]`.

    Returns:
      `{term: losses.Term}`; a term's weight depends on the batch alone.
    """
    hidden, terms = self.run_trunk(params, self.stack(batch), keys)
    return {**self.score(params, hidden, batch), **terms}

  def stack(self, batch):
    """The fields of a corrupted batch that the trunk reads."""
    return stack_of(batch)

  def score(self, params, hidden, batch):
    """As `loss`, given the states of a trunk that reads `stack` once."""
    raise NotImplementedError

  def visibility(self, batch):
    """What each prediction may see, for the leak proofs.

    Returns:
      `{term: {stack: bool [batch, predictions, stack length]}}`.
    """
    raise NotImplementedError

  def exempt(self, batch):
    """Inputs that may show a scored token all the same, for the leak proofs.

    Returns:
      `{term: {stack: bool [batch, stack length]}}` of what the objective's
      definition makes visible, such as the kept tokens of masked LM; None
      instead of a dict for a term whose targets are made within the loss, or
      are no tokens of the text.
    """
    del batch
    return {}

  def constant(self, term, counts):
    """Loss of a `term`'s best constant, by the targets' counts `[vocab]`."""
    return losses.entropy(counts)

  # --- shared machinery -----------------------------------------------------

  def bind(self, model, vocabulary, raw_length, sizes=None):
    """A copy that knows its model, its vocabulary and its window.

    Raises:
      ConfigError: the form does not fit, or a stack has too few positions.
    """
    bound = copy.copy(self)
    bound.model = dataclasses.replace(
        model, form=self.forms[0] if model.form == 'auto' else model.form)
    if bound.model.form not in self.forms and (
        self.trains or bound.model.form not in self.reads):
      raise ConfigError(
          f'{name_of(self)[1]} does not fit model.form='
          f'{model.form}: it fits {", ".join(self.forms)}')
    bound.model.check_form()
    if model.num_experts and type(self).loss is not BaseObjective.loss:
      raise ConfigError(f'{name_of(self)[1]} does not fit model.num_experts: '
                        'it reads its trunk in its own way')
    bound.vocabulary, bound.raw_length = vocabulary, raw_length
    bound.sizes = dict(bound.make_sizes(), **(sizes or {}))
    bound.numbers, bound.progress = bound.make_numbers(), np.float32(1)
    bound.check_spans()
    longest = bound.num_positions()
    if longest > model.max_length and (
        self.second_positions or model.learned_positions
        or model.enhanced_decoder):
      raise ConfigError(
          f'data.raw_length={raw_length} needs {longest} positions with '
          f'special tokens, but model.max_length={model.max_length}: raise '
          'the one or lower the other')
    return bound

  def noise_visit(self, epoch):
    """Which of its noises an example has at a visit, int32 like `epoch`."""
    return epoch

  def number(self, name):
    """One of `numbers` as an array that a traced index may go into."""
    return jnp.asarray(self.numbers[name])

  def rebuilt(self, numbers, progress=1.0):
    """This bound objective with other (traced) `numbers` and `progress`."""
    rebuilt = copy.copy(self)
    rebuilt.numbers, rebuilt.progress = numbers, progress
    return rebuilt

  def corrupt(self, key, window):
    """One raw window, fields `[raw_length]`, and the example's own key -> one
    training example: what `noise` describes, with `key` for sampling in the
    loss; pure, fixed shapes."""
    arranged = self.arrange(stream(key, 'arrange'), window)
    example = self.noise(stream(key, 'noise'), arranged)
    example['key'] = stream(key, 'sampling')
    return example

  def corrupt_batch(self, key, windows):
    """A batch of raw windows, corrupted with the run's key."""
    visit = self.noise_visit(windows['epoch'])
    keys = example_keys(key, windows['index'], visit)
    return jax.vmap(self.corrupt)(stream(keys, 'corrupt'), windows)

  def phases(self):
    """What a run trains on, one after the other."""
    return [phases.Phase(1.0, self, self.loss)]

  def trunk(self):
    """The module that is pre-trained, by the model's form."""
    vocab_size = self.vocabulary.size
    others = {'encoder_decoder': EncoderDecoder, 'two_tower': TwoTower,
              'embedding': Table}
    if self.model.form in others:
      return others[self.model.form](self.model, vocab_size)
    return Trunk(self.model, self.model.form, vocab_size)

  def init(self, key):
    """Initial parameters, boxed with their logical axis names."""
    return {
        name: module.init(
            stream(key, 'init', name), *arguments).get('params', {})
        for name, (module, arguments) in self.networks().items()}


# What a stack may read; `offset` is added to the token embeddings, so that
# derivatives with respect to them can be taken.
STACK = ('inputs', 'positions', 'segment_ids', 'cross_segment_ids',
         'block_positions', 'token_types', 'prefix_length', 'visibility',
         'offset')


def empty_stack(length, prefix=''):
  """A stack dict of one all-padding example, to initialise a module with."""
  zeros = jnp.zeros((1, length), jnp.int32)
  return {prefix + name: zeros
          for name in ('inputs', 'positions', 'segment_ids')}


def stack_of(batch, *prefixes):
  """The fields of a stack out of a batch; with two, under their prefixes."""
  return {prefix + name: batch[prefix + name] for prefix in prefixes or ('',)
          for name in STACK if prefix + name in batch}


def apply_head(module, params, hidden, model, name='head'):
  """`LMHead`'s features, table and bias, the table tied if the model says."""
  table = params['trunk']['token_embedding']['embedding']
  return module.apply({'params': params.get(name, {})}, hidden,
                      table if model.tied_head else None)


def head_arguments(model, vocabulary):
  """What `LMHead` is initialised with."""
  table = jnp.zeros((vocabulary.size, model.embedding_width or model.width))
  return (jnp.zeros((1, 1, model.width)),
          table if model.tied_head else None)


def same_segment(rows, columns):
  """bool `[..., rows, columns]`: equal and not padding."""
  return ((rows[..., :, None] == columns[..., None, :])
          & (rows[..., :, None] > 0))


def at(values, indices):
  """`values [batch, length, ...]` at `indices [batch, n]`."""
  extra = (1,) * (values.ndim - 2)
  return jnp.take_along_axis(
      values, indices.reshape(indices.shape + extra), axis=1)
