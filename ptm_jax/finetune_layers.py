"""Each layer's own learning rate in fine-tuning.

Reference: Howard & Ruder 2018, arXiv:1801.06146, section 3.2.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np


def by_layer(recipe, step, updates):
  """Updates with each layer's own factor of the learning rate.

  Args:
    recipe: `finetune_step.Recipe`.
    step: int32, updates before this one.
    updates: as the parameters that are trained.
  """
  if 'trunk' not in updates or (
      recipe.layer_decay == 1 and not recipe.layer_warmup):
    return updates
  warmup = max(recipe.optimizer.warmup_steps, 1)

  def factor(below):
    decay = recipe.layer_decay ** below
    longer = warmup * (1 + recipe.layer_warmup * below)
    common = jnp.minimum((step + 1) / warmup, 1.0)
    return decay * jnp.minimum((step + 1) / longer, 1.0) / common

  depth, above = _depths(recipe)
  def rule(path, leaf):
    below = jnp.asarray(layers_below(path, leaf, depth, above), jnp.float32)
    return leaf * factor(below)

  return {**updates, 'trunk': jax.tree_util.tree_map_with_path(
      rule, updates['trunk'])}


def _depths(recipe):
  """Layers of a stack, and of a decoder between an encoder and the head."""
  model = recipe.objective.model
  if model.form != 'encoder_decoder':
    return model.depth, 0
  decodes = recipe.task.scored or recipe.pooling == 'decoder'
  return model.depth // 2, model.depth // 2 if decodes else 0


def layers_below(path, leaf, depth, above=0):
  """How far below the head a leaf of the trunk is: 1 for the last layer, one
  more than all layers for embeddings; of scanned layers `[depth, 1, ...]`.

  Args:
    path: of the leaf, as `jax.tree_util` has it.
    leaf: array.
    depth: layers of a stack.
    above: layers of a decoder that stand above those of an encoder.
  """
  names = [str(getattr(part, 'key', part)) for part in path]
  more = above if 'encoder' in names else 0
  if 'layers' in names:
    return more + np.arange(leaf.shape[0], 0, -1).reshape(
        (-1,) + (1,) * (leaf.ndim - 1))
  for name in names:
    number = re.fullmatch(r'layer_(\d+)', name)
    if number:
      return more + depth - int(number[1])
  if any('embedding' in name or name == 'inputs' for name in names):
    return above + depth + 1
  return more + (0 if 'final_norm' in names else 1)
