"""What fills the blanks of a text."""

import jax
import numpy as np

from ptm_jax.errors import ConfigError
from ptm_jax.find import name_of
from ptm_jax.load import encode_windows
from ptm_jax.objectives import base, masked


def fill(run, parts, top=5):
  """What a masked run puts between parts of a text, one token to each blank.

  Args:
    run: `load.Loaded` of an objective that recovers hidden tokens.
    parts: strings; there is a blank between any two neighbours.
    top: tokens to name.

  Returns:
    For each blank a list of `(text, chance)`, the likeliest first.

  Raises:
    ConfigError: the objective fills no blanks, or there is none.
  """
  objective = run.objective
  heads = [one for one in (
      objective, *getattr(objective, 'members', {}).values())
           if isinstance(one, masked.Cloze) and hasattr(one, 'mask_share')]
  if not heads or objective.model.form != 'encoder':
    raise ConfigError(f'{name_of(objective)[1]} fills no blanks: use a run of '
                      'masked LM, or `generate` for an autoregressive one')
  if len(parts) < 2:
    raise ConfigError('the text has no blank to fill')
  vocabulary = run.tokenizer.vocabulary
  ids = [run.tokenizer.encode(part) for part in parts]
  tokens = np.concatenate([ids[0], *(
      piece for part in ids[1:] for piece in ([vocabulary.mask_id], part))])
  windows = encode_windows(run.tokenizer, [''], length=len(tokens))
  windows.update(tokens=tokens[None].astype(np.int32),
                 segment_ids=np.ones((1, len(tokens)), np.int32),
                 positions=np.arange(len(tokens), dtype=np.int32)[None])
  states, _ = jax.jit(objective.features)(run.params, windows)
  blanks = 1 + np.flatnonzero(tokens == vocabulary.mask_id)  # behind [CLS]
  features, table, bias = base.apply_head(
      heads[0]._head(), run.params, states[:, blanks], objective.model)
  scores = np.array(features[0] @ table.T + (0 if bias is None else bias[None]),
                    np.float64)
  scores[:, :vocabulary.text_start] = scores[:, vocabulary.text_end:] = -np.inf
  chances = np.exp(scores - scores.max(-1, keepdims=True))
  chances /= chances.sum(-1, keepdims=True)
  return [[(run.tokenizer.decode([one]), float(row[one]))
           for one in np.argsort(-row)[:top].tolist()] for row in chances]
