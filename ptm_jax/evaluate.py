"""Scores on held-out windows: own loss, its constant predictor, bits a byte.

All objectives of a comparison are scored on the same windows, with noise
drawn from one fixed key, in the order of the store; so differences between
runs are paired.
"""

import math

import numpy as np

from ptm_jax.step import scored


def evaluate(program, state, batches, objective, tokenizer,
             stop=lambda: False):
  """Scores every trial on held-out batches.

  Args:
    program: `compile.Program`.
    state: the trials', joined as the program holds them.
    batches: host batches in a fixed order; padding rows have weight 0.
    objective: the bound objective, for the term whose nll is a likelihood.
    tokenizer: gives the bytes that each id stands for.
    stop: asked before each batch whether to break off.

  Returns:
    None if it was broken off; else one dict of metrics per trial: for each
    term `TERM/nll` (nats per prediction), `TERM/nll_se` (its standard
    error over windows), `TERM/constant_nll` (of the best constant predictor
    of these very targets), `TERM/accuracy` (fraction) and `TERM/weight`
    (predictions); `bits_per_byte` where a likelihood exists.
  """
  parts = None
  pending = None
  for batch in batches:
    if stop():
      return None
    # The next batch is dispatched before this one's sums are fetched.
    result = program.evaluate(scored(state), program.put_evaluation(batch))
    if pending is not None:
      parts = _append(parts, program.split(pending))
    pending = result
  parts = _append(parts, program.split(pending))
  return [_summary(trial, objective, tokenizer) for trial in parts]


def _append(parts, trials):
  """Adds one batch's sums to the lists that `_summary` reads."""
  parts = parts or [{} for _ in trials]
  for sums, trial in zip(parts, trials, strict=True):
    for term, values in trial.items():
      for name, value in values.items():
        sums.setdefault(term, {}).setdefault(name, []).append(
            np.asarray(value, np.float64))
  return parts


def _summary(sums, objective, tokenizer):
  metrics = {}
  for term, values in sums.items():
    totals = np.concatenate(values['sum'])
    weights = np.concatenate(values['weight'])
    targets = np.sum(values['targets'], 0)
    weight = weights.sum()
    if not weight:
      continue
    nll = totals.sum() / weight
    metrics[f'{term}/nll'] = nll
    metrics[f'{term}/nll_se'] = ratio_error(totals, weights)
    metrics[f'{term}/constant_nll'] = objective.constant(term, targets)
    metrics[f'{term}/accuracy'] = np.concatenate(
        values['correct']).sum() / weight
    metrics[f'{term}/weight'] = weight
    if term == objective.likelihood:
      num_bytes = float(targets @ tokenizer.piece_bytes)
      metrics['bits_per_byte'] = totals.sum() / math.log(2) / num_bytes
  return {name: float(value) for name, value in metrics.items()}


def ratio_error(totals, weights):
  """Standard error of sum(totals) / sum(weights) over windows, which are
  taken as independent (linearised ratio estimator).

  Args:
    totals, weights: float64 `[windows]`.
  """
  used = weights > 0
  totals, weights = totals[used], weights[used]
  n, weight = len(weights), weights.sum()
  if n < 2:
    return math.nan
  residuals = totals - totals.sum() / weight * weights
  return math.sqrt(n / (n - 1) * np.sum(residuals**2)) / weight
