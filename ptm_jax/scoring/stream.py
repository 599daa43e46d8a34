"""A long text, scored in windows that overlap."""

import numpy as np

from ptm_jax.scoring.scorer import Ids


def nats(scorer, text, show=lambda count: None, window=None, stride=None):
  """Scores every token of a text once, given at most a window of the text.

  Args:
    scorer: `scorer.Scorer`.
    text: string of any length.
    show: called with the number of windows that are done.
    window: tokens that are read at once; None is as many as there is room for,
      at most those that the run was trained on.
    stride: tokens scored in each window but the first, which scores all that it
      has; the others are context. None is half a window.

  Returns:
    nats in all, float, and the number of tokens.
  """
  room = min(scorer.room, scorer.run.objective.raw_length)
  window = window or room
  stride = stride or max(1, window // 2)
  ids, flags = scorer.run.tokenizer.encode_with_flags(text)
  starts = flags & 1 > 0
  parts, done = [], 0
  while done < len(ids):
    end = min(len(ids), done + (stride if done else window))
    first = max(0, end - window)
    parts.append(Ids(ids[first:end], done - first, starts[first:end]))
    done = end
  total = sum(float(np.sum(one)) for one, _ in scorer.score_ids(parts, show))
  return total, len(ids)
