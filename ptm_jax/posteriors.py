"""What a model says of every symbol, beside what the law of the text says.

A prediction's divergence from the best one is the loss that it can still
gain, without the chance of which symbol the text happened to hold: its mean
is the excess over the floor, with a smaller error.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.step import evaluation_batch
from ptm_jax.workdir import write_json

_AGREES = 1e-3  # nats between a loss and the law that a model was asked for


def compare(objective, params, windows, law):
  """Sets a model's predictions beside the best ones.

  Args:
    objective: bound.
    params: by network.
    windows: one host batch of raw windows.
    law: of the source that they are from.

  Returns:
    `{term: {ideal, model, divergence, factors}}` for each term that predicts
    tokens and whose floor is exact: float64 `[batch, n, ids]` twice, of the
    symbols or, where other ids are predicted as well, of all that the law
    allows in this batch; and `[batch, n]` twice, the divergence in nats.
  """
  batch = evaluation_batch(objective, windows)
  made = jax.jit(lambda params, batch: objective.outcomes(params, batch))
  known = {**_without_key(batch), **made(params, batch)}
  ideals = {term: ideal for term, ideal in objective.own_floor(
      law, jax.tree.map(np.asarray, known)).items()
            if ideal.exact}
  ids = {term: one for term, ideal in ideals.items()
         for one in [_ids(objective.vocabulary, law, ideal)] if one is not None}
  if not ids:
    return {}
  union = np.unique(np.concatenate(list(ids.values())))
  nll, terms = jax.tree.map(
      lambda x: np.asarray(x, np.float64),
      jax.jit(lambda params, batch: _ask(objective, params, batch, union))(
          params, batch))
  found = {}
  for term, own_ids in ids.items():
    ideal, (factors, own) = ideals[term], terms[term]
    asked_nll = nll[term][..., np.searchsorted(union, own_ids)]
    chances, labels = ideal.chances, ideal.labels
    if chances.shape[-1] != law.num_symbols:
      chances = chances[..., own_ids]
      labels = np.searchsorted(own_ids, np.minimum(labels, own_ids[-1]))
    asked = np.take_along_axis(asked_nll, labels[..., None], 2)[..., 0]
    if (np.any(np.abs(asked - own)[factors > 0] > _AGREES)
        or not np.any(np.ptp(asked_nll, -1)[factors > 0])):
      continue  # its targets are made within the loss
    gap = np.log(np.maximum(chances, 1e-300)) + asked_nll
    found[term] = {'ideal': chances, 'model': np.exp(-asked_nll),
                   'divergence': np.sum(chances * gap, -1),
                   'factors': factors}
  return found


def _without_key(batch):
  return {name: value for name, value in batch.items() if name != 'key'}


def _ids(vocabulary, law, ideal):
  """The ids that a term's classes are, int `[ids]`; None if it predicts no
  tokens."""
  classes = ideal.chances.shape[-1]
  if classes == law.num_symbols:
    return vocabulary.text_start + np.arange(classes)
  if classes == vocabulary.size:
    return np.flatnonzero(np.any(ideal.chances > 0, (0, 1)))
  return None


def _ask(objective, params, batch, ids):
  """-ln p of some ids at each prediction, by term `[batch, n, ids]`, got by
  calling each in turn the target; and the terms' own factors and nll."""
  def score(batch):
    return {name: (term.factors, term.nll)
            for name, term in objective.loss(None, params, batch).items()}

  def of(token):
    asked = {name: jnp.full_like(value, token)
             if name.endswith('targets') else value
             for name, value in batch.items()}
    return {name: nll for name, (_, nll) in score(asked).items()}

  nll = jax.lax.map(of, jnp.asarray(ids, jnp.int32))
  return jax.tree.map(lambda x: jnp.moveaxis(x, 0, -1), nll), score(batch)


def metrics(found):
  """`floor/TERM/divergence`: nats a prediction, the mean over the batch."""
  return {f'floor/{term}/divergence': float(
      np.sum(one['factors'] * one['divergence']) / np.sum(one['factors']))
          for term, one in found.items()}


def write(found, place):
  """Writes `posterior.json`, for the report: of each term a window's
  predictions and the best ones, and the mean divergence by prediction."""
  if not found:
    return
  def rounded(values):
    return np.round(np.asarray(values, np.float64), 4).tolist()
  terms = {}
  for term, one in found.items():
    row = int(np.argmax(np.any(one['factors'] > 0, 1)))  # the first with any
    used = one['factors'][row] > 0
    weight = np.maximum(one['factors'].sum(0), 1e-9)
    terms[term] = {
        'ideal': rounded(one['ideal'][row][used]),
        'model': rounded(one['model'][row][used]),
        'divergence': rounded(one['divergence'][row][used]),
        'mean_divergence': rounded(
            (one['factors'] * one['divergence']).sum(0) / weight)}
  write_json(place / 'posterior.json', terms)
