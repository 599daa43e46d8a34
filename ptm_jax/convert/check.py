"""The same text through a model here and through transformers."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax.convert.folder import task_of
from ptm_jax.errors import ConfigError
from ptm_jax.models import heads
from ptm_jax.objectives import base

_LENGTH = 24  # tokens of the text, where there are as many positions


def need_peers():
  """Raises ConfigError unless the extra `peers` is installed."""
  for name in 'torch', 'transformers':
    if importlib.util.find_spec(name) is None:
      raise ConfigError(f'--check runs {name}, which is not installed: pip '
                        "install 'ptm_jax[peers]', or leave --check out")


def stack_of(ids, form='encoder', **more):
  """A stack dict of rows without padding; of an encoder-decoder both sides
  read `ids`."""
  ids = np.asarray(ids, np.int32)
  rows = {'inputs': ids, 'segment_ids': np.ones_like(ids),
          'positions': np.broadcast_to(np.arange(ids.shape[1], dtype=np.int32),
                                       ids.shape), **more}
  if form != 'encoder_decoder':
    return rows
  return {f'{side}_{name}': value for side in ('encoder', 'decoder')
          for name, value in rows.items()}


def states(objective, params, stack):
  """The trunk's states of a stack dict, `[batch, length, width]`."""
  return objective.trunk().apply({'params': params['trunk']}, stack)


def scores(run, params, hidden, real=None):
  """Scores of every position, of every id or of the objective's classes.

  Args:
    run: `load.Loaded`.
    params: by network.
    hidden: `[batch, length, width]`.
    real: bool `[batch, length]`, True where there is a token; None where
      everywhere.

  Returns:
    float32 `[batch, length, scores]`; `[batch, scores]` of a text's class.
  """
  objective = run.objective
  if params.get('task'):  # a head of its own
    return heads.TaskHead(objective.model, *task_of(run.finetune)).apply(
        {'params': params['task']}, hidden, real)
  if hasattr(objective, '_judge'):
    return objective._judge().scores(params, hidden)[..., None]
  parts = [objective, *getattr(objective, 'members', {}).values()]
  part = next(part for part in parts if hasattr(part, '_head'))
  features, table, bias = base.apply_head(
      part._head(), params, hidden, objective.model)
  found = jnp.einsum('bnw,vw->bnv', features, table.astype(features.dtype),
                     preferred_element_type=jnp.float32)
  return found if bias is None else found + bias[None, None]


def difference(run, folder):
  """The largest absolute difference of logits over the largest of them.

  Args:
    run: `load.Loaded`.
    folder: the same model, published.
  """
  import torch
  import transformers
  settings = transformers.AutoConfig.from_pretrained(folder)
  cls = getattr(transformers, settings.architectures[0])
  peer = cls.from_pretrained(folder, dtype=torch.float32).eval()
  vocabulary = run.objective.vocabulary
  # No padding among them, which some models give no position.
  ids = np.array(vocabulary.text_id(np.random.default_rng(0).integers(
      0, vocabulary.num_text, (1, min(
          _LENGTH, run.objective.model.max_length)))))
  form, more = run.objective.model.form, {}
  if run.params.get('task') and form == 'encoder_decoder':
    # Classifiers look for its end, and shift it right themselves.
    ids[:, -1] = vocabulary.eos_id
    more['decoder_inputs'] = np.roll(ids, 1, 1)
    more['decoder_inputs'][:, 0] = run.objective.start_id
  arguments = {'input_ids': torch.as_tensor(ids)}
  if settings.is_encoder_decoder and not more:
    arguments['decoder_input_ids'] = arguments['input_ids']
  with torch.no_grad():
    found = peer(**arguments)
  named, there = peer_scores(found)

  def compute(params):
    hidden = states(run.objective, params, {**stack_of(ids, form), **more})
    return scores(run, params, hidden) if named else hidden

  here = np.asarray(jax.jit(compute)(run.params), np.float32)
  return relative(here, there.numpy().reshape(here.shape))


def peer_scores(found):
  """Of what a model of transformers returns, whether there are scores, and
  they, or else the states."""
  import torch
  for name in 'logits', 'prediction_logits':
    if name in found:
      return True, found[name]
  if 'start_logits' in found:
    return True, torch.stack([found['start_logits'], found['end_logits']], -1)
  return False, found[0]


def relative(one, other):
  """The largest absolute difference over the largest absolute value."""
  return float(np.abs(one - other).max() / np.abs(other).max())
