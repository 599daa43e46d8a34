"""What objectives with an input and a target sequence share.

Such an objective fits two forms: an encoder-decoder, or one prefix stack
that reads the input in both directions and then writes the target.
"""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np

from ptm_jax import losses
from ptm_jax.models.heads import LMHead
from ptm_jax.objectives import arrange, base, noise, ways


@dataclasses.dataclass
class Rewriting(base.BaseObjective):
  """Reads one sequence and writes another, every token of which carries loss.

  An encoder alone reads as that of an encoder-decoder does.

  A subclass gives `sizes['encoder']` and `sizes['decoder']`, and `noise`, by
  `example`.
  """

  forms = ('encoder_decoder', 'prefix')
  reads = ('encoder',)
  writes_end = True

  def lengths(self):
    return lengths(self.model, self.sizes['encoder'], self.sizes['decoder'])

  def coefficients(self):
    return {'seq2seq': 1.0}

  def networks(self):
    stacks = empty(self.model, self.sizes['encoder'], self.sizes['decoder'])
    return {
        'trunk': (self.trunk(), (stacks,)),
        'head': (self._head(),
                 base.head_arguments(self.model, self.vocabulary))}

  def _head(self):
    return LMHead(self.model, self.vocabulary.size, transform=False,
                  bias=False)

  def stack(self, batch):
    return stack(self.model, batch)

  def score(self, params, hidden, batch):
    return {'seq2seq': losses.cross_entropy(
        *base.apply_head(self._head(), params, written(hidden, batch),
                         self.model),
        batch['targets'], batch['weights'])}

  def visibility(self, batch):
    return {'seq2seq': visibility(batch)}

  def ways(self):
    return {} if self.model.form in self.reads else ways_of(self)

  def continuation(self, tokens, segment_ids, hidden):
    """How the end of a text is asked for, as `continuation`."""
    return continuation(tokens, segment_ids, hidden, self.vocabulary.eos_id)

  def read(self, window):
    # The encoder's end of text is `</s>`, as in training.
    return read(arrange.plain(window), self.vocabulary.eos_id,
                self.opening_ids)


def ways_of(objective, continued=None):
  """How an objective scores a text that has a `continuation`, its own one or
  `continued`, which takes and gives the same."""
  continued = continued or objective.continuation

  def asked(window, rank, factor):
    hidden = rank > 0
    encoder, decoder, before = continued(
        window['tokens'], window['segment_ids'], hidden)
    first = objective.opening_ids
    encoder, decoder = opened(*encoder, first), opened(*decoder, first)
    index = jnp.arange(decoder[0].shape[0]) - before - len(first)
    index = jnp.where(index >= 0, index + jnp.argmax(hidden), -1)
    return example(encoder, decoder, hidden, objective.start_id), {
        term: index for term in objective.coefficients()}

  return {'target': ways.Way(
      'likelihood', 'log-likelihood of the target sequence, given the context '
      'as the input', ways.once, asked,
      functools.partial(objective.loss, None))}


def continuation(tokens, segment_ids, hidden, eos_id):
  """Input and target where the end of a text is to be written.

  Args:
    tokens, segment_ids: int32 `[length]`; segment 0 is padding.
    hidden: bool `[length]`, True from where the end begins.
    eos_id: id of `</s>`.

  Returns:
    encoder and decoder, each tokens and segment_ids as `example` takes them,
    and int, how many tokens of the target stand before the hidden ones.
  """
  size = tokens.shape[0] + 1
  return (some(tokens, segment_ids, (segment_ids > 0) & ~hidden, size, eos_id),
          some(tokens, segment_ids, hidden, size, eos_id), 0)


def rewritten(shown, tokens, segment_ids, hidden, shows, eos_id):
  """As `continuation`, where the target is the whole text.

  Args:
    shown: int32 `[length]`, what the input shows in place of `tokens`.
    tokens, segment_ids, hidden, eos_id: as of `continuation`.
    shows: bool `[length]`, where it shows something.
  """
  size = tokens.shape[0] + 1
  return (some(shown, segment_ids, shows, size, eos_id),
          some(tokens, segment_ids, segment_ids > 0, size, eos_id),
          jnp.argmax(hidden))


def example(encoder, decoder, hidden, start_id):
  """One training example from an input and a target sequence.

  Args:
    encoder, decoder: each tokens and segment_ids, int32 `[n]` and `[m]`;
      segment 0 is padding.
    hidden: the noise record, bool `[raw length]`.
    start_id: what the decoder starts each document from.

  Returns:
    The dict that `BaseObjective.noise` describes.
  """
  inputs, input_segments = encoder
  targets, target_segments = decoder
  return {
      'encoder_inputs': inputs,
      'encoder_segment_ids': input_segments,
      'encoder_positions': arrange.restart_positions(input_segments),
      'decoder_inputs': arrange.shift_right(targets, target_segments, start_id),
      'decoder_segment_ids': target_segments,
      'decoder_positions': arrange.restart_positions(target_segments),
      'targets': targets,
      'weights': (target_segments > 0).astype(jnp.float32),
      'noise': hidden,
  }


def order_within(values, segment_ids):
  """The order of a window's tokens by `values` `[length]`, each document in
  its own place and the padding last, int32 `[length]`; equals keep theirs."""
  # Documents come one after the other, and the padding behind them.
  return jnp.lexsort((values, jnp.where(
      segment_ids > 0, segment_ids, segment_ids.shape[0] + 1)))


def counts(rate, longest, rounded=round):
  """How many of n things are noise, computed in Python, where halves are
  certain: rate * n, at least 1 unless the rate is 0.

  Returns:
    int32 `[longest + 1]`, by n.
  """
  return np.asarray([min(max(rounded(rate * n), rate > 0), n)
                     for n in range(longest + 1)], np.int32)


def lengths(model, encoder, decoder):
  """Positions by stack."""
  if model.form == 'prefix':
    return {'inputs': encoder + decoder}
  return {'encoder': encoder, 'decoder': decoder}


def empty(model, encoder, decoder):
  """An all-padding stack dict to initialise the trunk with."""
  if model.form == 'prefix':
    return dict(base.empty_stack(encoder + decoder),
                prefix_length=jnp.full((1,), encoder, jnp.int32))
  if model.form == 'encoder':
    return base.empty_stack(encoder)
  return {**base.empty_stack(encoder, 'encoder_'),
          **base.empty_stack(decoder, 'decoder_')}


def stack(model, batch):
  """What the trunk reads: two stacks, or both as one prefix stack."""
  stacks = base.stack_of(batch, 'encoder_', 'decoder_')
  return join(stacks) if model.form == 'prefix' else stacks


def written(hidden, batch):
  """Of a trunk's states those that predict the targets, `[batch, m, width]`.
  """
  behind = hidden.shape[1] - batch['decoder_inputs'].shape[1]
  return hidden[:, behind:behind + batch['targets'].shape[1]]


def join(stacks):
  """Both stacks as one prefix stack; targets are positioned behind their own
  document's input, unless they are blocks, which say where they belong."""
  encoder = stacks['encoder_segment_ids']
  if 'decoder_block_positions' not in stacks:
    behind = jnp.sum(
        base.same_segment(stacks['decoder_segment_ids'], encoder), -1)
    stacks = dict(
        stacks, decoder_positions=stacks['decoder_positions'] + behind)
  joined = {name: jnp.concatenate(
      [stacks[f'encoder_{name}'], stacks[f'decoder_{name}']], 1)
            for name in base.STACK if f'encoder_{name}' in stacks}
  prefix = jnp.full(encoder.shape[:1], encoder.shape[1], jnp.int32)
  return dict(joined, prefix_length=prefix)


def visibility(batch):
  """Input of the own document, and the targets before the predicted one."""
  rows, columns = batch['decoder_segment_ids'], batch['encoder_segment_ids']
  causal = jnp.tril(jnp.ones((rows.shape[-1],) * 2, bool))
  # One place that cross attention may look at has read all the others.
  looks = jnp.any(base.same_segment(
      rows, batch.get('encoder_cross_segment_ids', columns)), -1)
  return {
      'encoder_inputs': (base.same_segment(rows, columns)
                         & looks[..., None]),
      'decoder_inputs': base.same_segment(rows, rows) & causal[None]}


def some(tokens, segment_ids, which, size, eos_id):
  """The chosen tokens, one after the other, and `</s>`.

  Args:
    tokens, segment_ids: int32 `[length]`; segment 0 is padding, at the end.
    which: bool `[length]`, of no padding.
    size: static; tokens of the result, the rest is padding.
    eos_id: id of `</s>`.

  Returns:
    tokens and segment_ids, each int32 `[size]`.
  """
  return noise.compact([(which, jnp.cumsum(which) - 1, tokens)], segment_ids,
                       jnp.sum(which), size, eos_id)


def opened(tokens, segment_ids, ids):
  """A sequence with `ids` in front, of its first document: tokens and
  segment_ids, int32 `[length + len(ids)]`."""
  return (jnp.concatenate([jnp.asarray(ids, jnp.int32), tokens]),
          jnp.concatenate([jnp.repeat(segment_ids[:1], len(ids)),
                           segment_ids]))


def read(arranged, eos_id, ids=()):
  """An uncorrupted window as the encoder reads it, closed by `</s>` and with
  `ids` in front."""
  segment_ids = arranged['segment_ids']
  tokens, segment_ids = opened(*some(
      arranged['tokens'], segment_ids, segment_ids > 0,
      segment_ids.shape[0] + 1, eos_id), ids)
  return {'inputs': tokens, 'segment_ids': segment_ids,
          'positions': arrange.restart_positions(segment_ids)}
