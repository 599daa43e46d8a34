"""How objectives that show `[MASK]` are asked about a text, for their `ways`.
"""

import functools

import jax.numpy as jnp

from ptm_jax.objectives import arrange, base, noise, ways


def pseudo(asked, loss):
  """The two pseudo-log-likelihoods, and what all hidden tokens have at once.

  Args:
    asked: as `asked` below, without the objective.
    loss: as of `ways.Way`.
  """
  one = functools.partial(asked, 1)
  return {
      'pseudo_likelihood': ways.Way(
          'pseudo', 'pseudo-log-likelihood, each token given all others',
          ways.each, one, loss),
      'within_word': ways.Way(
          'pseudo', 'pseudo-log-likelihood, each token given all but the later '
          'ones of its word', ways.each_in_word, one, loss),
      'all_hidden': at_once(asked, loss)}


def at_once(asked, loss):
  """A way that hides all of what is scored in one copy; as `pseudo`."""
  return ways.Way(
      'pseudo', 'log-probability of each token, all that is scored hidden at '
      'once', ways.once, asked, loss, few=True)


def asked(objective, predictions, window, rank, factor):
  """`[CLS] text [SEP]` with `[MASK]` for what is hidden.

  Args:
    objective: bound; recovers tokens in their places.
    predictions: static; how many tokens a copy asks for, None for all.
    window, rank, factor: as `ways.Way` says.

  Returns:
    As `ways.Way` says.
  """
  vocabulary = objective.vocabulary
  arranged = arrange.surround(window, vocabulary.cls_id, vocabulary.sep_id)
  scored = jnp.pad(factor > 0, 1)
  predicted = noise.first_places(scored, predictions or factor.size)
  return {
      'inputs': jnp.where(jnp.pad(rank > 0, 1), vocabulary.mask_id,
                          arranged['tokens']),
      'segment_ids': arranged['segment_ids'],
      'positions': arranged['positions'],
      'targets': arranged['tokens'],
      'weights': scored.astype(jnp.float32),
      'predicted': predicted}, {'mlm': predicted - 1}


def recovered(objective, params, batch):
  """The loss of what `asked` made."""
  predicted = batch['predicted']
  hidden, _ = objective.run_trunk(
      params, {**objective.stack(batch), 'asked': predicted}, None)
  rows = jnp.broadcast_to(jnp.arange(predicted.shape[1])[None], predicted.shape)
  return {'mlm': objective.recover(params, hidden, {
      'predicted': rows, **{name: base.at(batch[name], predicted)
                            for name in ('targets', 'weights')}})}
