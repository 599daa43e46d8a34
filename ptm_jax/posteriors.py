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
    symbols and whose floor is exact: float64 `[batch, n, symbols]` twice, and
    `[batch, n]` twice, the divergence in nats.
  """
  batch = evaluation_batch(objective, windows)
  made = jax.jit(lambda params, batch: objective.outcomes(params, batch))
  known = {**_without_key(batch), **made(params, batch)}
  ideals = {term: ideal for term, ideal in objective.floor(
      law, jax.tree.map(np.asarray, known)).items()
            if ideal.exact and ideal.chances.shape[-1] == law.num_symbols}
  if not ideals:
    return {}
  nll, terms = jax.tree.map(
      lambda x: np.asarray(x, np.float64),
      jax.jit(lambda params, batch: _ask(objective, params, batch,
                                         law.num_symbols))(params, batch))
  found = {}
  for term, ideal in ideals.items():
    factors, own = terms[term]
    asked = np.take_along_axis(nll[term], ideal.labels[..., None], 2)[..., 0]
    if (np.any(np.abs(asked - own)[factors > 0] > _AGREES)
        or not np.any(np.ptp(nll[term], -1)[factors > 0])):
      continue  # its targets are made within the loss
    chances = ideal.chances
    gap = np.log(np.maximum(chances, 1e-300)) + nll[term]
    found[term] = {'ideal': chances, 'model': np.exp(-nll[term]),
                   'divergence': np.sum(chances * gap, -1),
                   'factors': factors}
  return found


def _without_key(batch):
  return {name: value for name, value in batch.items() if name != 'key'}


def _ask(objective, params, batch, num_symbols):
  """-ln p of every symbol at each prediction, by term `[batch, n, symbols]`,
  got by calling each in turn the target; and the terms' own factors and nll.
  """
  def score(batch):
    return {name: (term.factors, term.nll)
            for name, term in objective.loss(None, params, batch).items()}

  def of_symbol(symbol):
    token = objective.vocabulary.text_start + symbol
    asked = {name: jnp.full_like(value, token)
             if name.endswith('targets') else value
             for name, value in batch.items()}
    return {name: nll for name, (_, nll) in score(asked).items()}

  nll = jax.lax.map(of_symbol, jnp.arange(num_symbols))
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
