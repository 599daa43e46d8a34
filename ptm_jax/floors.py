"""How far a trained model is from the best loss that its source allows.

Loss and floor are of the same corruption of the same held-out windows, so
that their difference is paired and its error small. Excess means the same for
every objective: nats a prediction that a better model could still gain. Below
zero by more than its error, the objective shows what it should hide.
"""

import math

import jax
import numpy as np
from flax.core import meta

from ptm_jax import posteriors
from ptm_jax.data.windows import evaluation_batches
from ptm_jax.errors import DataError
from ptm_jax.evaluate import ratio_error
from ptm_jax.leaks import random_windows
from ptm_jax.losses import entropy
from ptm_jax.step import evaluation_batch

STANDARD_ERRORS = 4  # below the floor by more is no luck
_ROUNDING = 1e-6  # of chances that sum to 1


def score(trained, places, num_windows=1024):
  """Excess over the floor of every trial of a group.

  Args:
    trained: `train.Trained`.
    places: of each trial, the folder that `posterior.json` is written in.
    num_windows: of the validation split, at most.

  Returns:
    One dict per trial; for each term whose floor is known, under
    `floor/TERM/`: `loss` and `nll` (the floor), nats a prediction, `excess`
    (their difference) and `excess_se`, `share` (of what the best constant
    predictor could gain, the part that is gained), `accuracy` (of the best
    predictor), `exact` (1, or 0 where the floor is an upper bound), `least`
    and `least_se` (a lower bound, the floor itself where it is exact, and the
    error of what the loss is above it; 0 bounds what nothing else does) and,
    of one batch, `divergence` (see `posteriors`). {} where `law_of` knows no
    law.
  """
  setup = trained.setup
  law = law_of(setup.experiments[0], setup.objective)
  windows = setup.windows['validation']
  if law is None:
    return [{} for _ in setup.experiments]
  size = setup.experiments[0].data.batch_size
  batches = evaluation_batches(windows, size, max(1, num_windows // size))
  scores = []
  for hparams, state, place in zip(
      setup.hparams, trained.program.split(trained.state), places,
      strict=True):
    objective = setup.objective.rebuilt(hparams['objective'])
    beside = posteriors.compare(objective, state['params'], batches[0], law)
    posteriors.write(beside, place)
    scores.append({**measure(objective, state['params'], batches, law),
                   **posteriors.metrics(beside)})
  return scores


def law_of(experiment, objective):
  """The law of an experiment's windows, or None: the corpus has none, or it
  is one of whole documents and windows cut them, or the bound objective's
  floor is of windows that are all alike and these are not."""
  corpus = experiment.corpus
  windows = experiment.data.raw_length, experiment.data.packing
  law = corpus.law() if hasattr(corpus, 'law') else None
  if law is None or not (law.stationary or corpus.whole(*windows)) or (
      objective.equal_windows and not corpus.alike(*windows)):
    return None
  return law


def known(experiment):
  """Terms of an experiment on a source whose floor is known, with its very
  settings; no model is made."""
  if not hasattr(experiment.corpus, 'law'):
    return []
  vocabulary = experiment.corpus.tokenizer().vocabulary
  objective = experiment.objective.bind(
      experiment.model, vocabulary, experiment.data.raw_length)
  law = law_of(experiment, objective)
  if law is None:
    return []
  windows = random_windows(
      vocabulary, objective.group_size, objective.raw_length,
      fields=objective.raw_fields(), partner=objective.partner)
  batch = jax.jit(lambda raw: evaluation_batch(objective, raw))(windows)
  made = jax.eval_shape(lambda batch: objective.outcomes(
      meta.unbox(objective.init(jax.random.key(0))), batch), batch)
  batch = {**{name: np.asarray(value) for name, value in batch.items()
              if name != 'key'},
           **{name: np.ones(one.shape, one.dtype)
              for name, one in made.items()}}
  with np.errstate(all='ignore'):  # this text may be none of the law's
    return sorted(objective.own_floor(law, batch))


def measure(objective, params, batches, law):
  """As `score`, of one model.

  Args:
    objective: bound.
    params: by network.
    batches: host batches of raw windows; padding rows have weight 0.
    law: of the source that the windows are from.
  """
  @jax.jit
  def predict(params, windows):
    batch = evaluation_batch(objective, windows)
    terms = objective.loss(None, params, batch)
    made = objective.outcomes(params, batch)
    batch.pop('key')
    return {**batch, **made}, {
        name: (term.factors, term.nll) for name, term in terms.items()}

  parts = {}
  for windows in batches:
    batch, terms = jax.tree.map(np.asarray, predict(params, windows))
    for term, ideal in objective.own_floor(law, batch).items():
      factors, nll = (np.asarray(one, np.float64) for one in terms[term])
      _check(term, ideal, factors)
      parts.setdefault(term, []).append(_of_batch(ideal, factors, nll))
  return {f'floor/{term}/{name}': value for term, rows in parts.items()
          for name, value in _summary(rows).items()}


def _check(term, ideal, factors):
  """Raises DataError unless each best prediction is a law."""
  found = np.sum(ideal.chances, -1)[factors > 0]
  wrong = found[~(np.abs(found - 1) < _ROUNDING)]
  if wrong.size:
    raise DataError(
        f"the source's law gives {term} chances that sum to {wrong[0]:.6g}, "
        'not to 1: mend its posterior')


def _of_batch(ideal, factors, nll):
  """Sums by window, `[batch]`, and of the targets, `[classes]`."""
  best = _nll(ideal.chances, ideal.labels)
  told = ideal.chances if ideal.exact else ideal.told
  least = np.zeros_like(best) if told is None else _nll(told, ideal.labels)
  counts = np.zeros(ideal.chances.shape[-1])
  np.add.at(counts, ideal.labels.ravel(), factors.ravel())
  hits = np.argmax(ideal.chances, -1) == ideal.labels
  return {'loss': np.sum(factors * nll, 1),
          'nll': np.sum(np.where(factors > 0, factors * best, 0), 1),
          'least': np.sum(np.where(factors > 0, factors * least, 0), 1),
          'hits': np.sum(factors * hits, 1), 'weight': np.sum(factors, 1),
          'targets': counts[None], 'exact': np.array([ideal.exact])}


def _nll(chances, labels):
  chances = np.take_along_axis(chances, labels[..., None], 2)[..., 0]
  return -np.log(np.maximum(chances, 1e-300))


def _summary(rows):
  sums = {name: np.concatenate([row[name] for row in rows])
          for name in rows[0]}
  weight = sums['weight'].sum()
  loss, floor = (sums[name].sum() / weight for name in ('loss', 'nll'))
  constant = entropy(sums['targets'].sum(0))
  return {
      'loss': float(loss), 'nll': float(floor), 'excess': float(loss - floor),
      'excess_se': ratio_error(sums['loss'] - sums['nll'], sums['weight']),
      'constant_nll': constant,
      'share': float((constant - loss) / (constant - floor)),
      'accuracy': float(sums['hits'].sum() / weight),
      'exact': float(sums['exact'].all()),
      'least': float(sums['least'].sum() / weight),
      'least_se': ratio_error(sums['loss'] - sums['least'], sums['weight'])}


def below(metrics):
  """Terms whose loss lies below what is known of the least one, by more than
  chance allows, as lines of text."""
  found = []
  for name in metrics:
    if not (name.startswith('floor/') and name.endswith('/excess')):
      continue
    prefix = name.removesuffix('excess')
    if metrics[f'{prefix}exact']:
      what = 'floor'
      above, error = metrics[name], metrics[f'{prefix}excess_se']
    else:
      what = "floor's lower bound"
      above = metrics[f'{prefix}loss'] - metrics[f'{prefix}least']
      error = metrics[f'{prefix}least_se']
    term = prefix.split('/')[1]
    if not math.isfinite(error):
      found.append(f'{term} has an excess without a standard error, which '
                   'takes two held-out windows or more')
    elif above < -STANDARD_ERRORS * error:
      found.append(f'{term} lies {-above:.4f} nats below its '
                   f'{what}, {-above / error:.1f} standard errors: it is shown '
                   'what it predicts')
  return found
