"""What a frozen trunk knows at each depth: probes on its states.

A probe is scikit-learn's logistic regression, or a perceptron with one hidden
layer, on standardised states of one depth (Peters et al. 2018,
arXiv:1802.05365, section 5.3); of a number, ridge regression. Each seed is
fitted to its own four fifths of the training rows.
"""

import functools

import jax
import numpy as np

from ptm_jax.errors import ConfigError
from ptm_jax.finetune_step import fresh, pool, text_offset, windows_of
from ptm_jax.rng import stream
from ptm_jax.tasks import batches, scores

_HIDDEN = 128  # of the perceptron
_SHARE = 0.8


def probe(run, data, settings, say):
  """Scores every seed at every depth.

  Args:
    run: `load.Loaded`.
    data: `finetune_data.Data`.
    settings: `finetune_config.Settings`.
    say: takes one line for the user.

  Returns:
    for each depth, from the embeddings to the last layer, for each seed
    `{metric: value}`.

  Raises:
    ConfigError: the task is of a kind that has no probe.
  """
  if data.task.probed is None:
    raise ConfigError(f'--way={settings.way} does not fit --task='
                      f'{settings.task}: it is for labels and numbers of a '
                      'text or a word')
  found, states = [], None
  for seed in range(settings.seeds):
    if states is None or settings.from_scratch:
      params = fresh(run.objective, stream(
          jax.random.key(seed), 'scratch')) if settings.from_scratch else (
              run.params)
      states = {split: _states(run, params, data, split, settings)
                for split in ('train', 'test')}
    found.append(_one_seed(data, states, settings, seed))
    say(f'{settings.task}: probes of seed {seed} are fitted')
  return [list(depth) for depth in zip(*found, strict=True)]


def _one_seed(data, states, settings, seed):
  """Scores at each depth."""
  train = _targets(data, 'train')
  draw = np.random.default_rng(seed)
  used = np.sort(draw.permutation(len(train))[
      :max(2, round(_SHARE * len(train)))])
  found = []
  for depth, test in enumerate(states['test']):
    model = _model(data.task.probed, settings.way, seed)
    x, y = states['train'][depth][used], train[used]
    if data.task.probed == 'labels' and len(np.unique(y)) < 2:
      raise ConfigError(f'--way={settings.way}: the training rows have one '
                        'label only')
    model.fit(x, y)
    if data.task.probed == 'labels':
      outputs = np.full((len(test), data.num_outputs), -1e9)
      outputs[:, model.classes_] = model.predict_log_proba(test)
    else:
      outputs = model.predict(test)[:, None]
    found.append(data.scored(_by_row(data, outputs))[1])
  return found


def _model(kind, way, seed):
  """An unfitted model of scikit-learn."""
  try:
    from sklearn import linear_model, neural_network
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
  except ImportError as error:
    raise scores.missing('sklearn') from error
  perceptron = functools.partial(
      neural_network.MLPClassifier if kind == 'labels'
      else neural_network.MLPRegressor, (_HIDDEN,), early_stopping=True,
      random_state=seed)
  linear = (functools.partial(linear_model.LogisticRegression, C=0.1,
                              max_iter=300)
            if kind == 'labels' else linear_model.Ridge)
  return make_pipeline(StandardScaler(), (
      perceptron if way == 'mlp_probe' else linear)())


def _states(run, params, data, split, settings):
  """float32 `[rows or words, width]` for each depth."""
  offset, objective = text_offset(run.objective), run.objective

  @jax.jit
  def forward(tokens, real):
    states, mask = objective.all_features(params, windows_of(tokens, real))
    if data.task.per_token:
      return [one[:, offset:][:, :tokens.shape[1]] for one in states]
    return [pool(settings.pooling, one, mask) for one in states]

  rows = getattr(data, split)
  lengths = [batches.length_of(one) for one in rows]
  found = [None] * len(rows)
  size = settings.batch_size
  for length, picked in batches.in_order(
      lengths, batches.buckets(lengths, size), size):
    batch = batches.collate(rows, picked, length, 1)
    depths = np.stack(forward(batch['tokens'][:, 0], batch['real'][:, 0]))
    for place, number in enumerate(picked):
      if number >= 0:
        found[number] = depths[:, place]
  if data.task.per_token:
    found = [one[:, _words(row)] for one, row in zip(found, rows, strict=True)]
    return np.concatenate(found, 1)
  return np.stack(found, 1)


def _words(row):
  """Places of a row's words."""
  return np.flatnonzero(np.asarray(row.target) >= 0)


def _targets(data, split):
  rows = getattr(data, split)
  if not data.task.per_token:
    return np.asarray([row.target for row in rows])
  return np.concatenate([np.asarray(row.target)[_words(row)] for row in rows])


def _by_row(data, outputs):
  """Outputs as `FineTuned.predict` takes them."""
  if not data.task.per_token:
    return list(outputs)
  found, start = [], 0
  for row in data.test:
    places = _words(row)
    one = np.zeros((len(row.target), data.num_outputs))
    one[places] = outputs[start:start + len(places)]
    start += len(places)
    found.append(one)
  return found
