"""Parts of documents: runs of sentences, cut out of a window or taken from
its partner, and shown one after the other.

Everything works on one example with fixed shapes.
"""

import jax
import jax.numpy as jnp

from ptm_jax.data.flags import SENTENCE_START
from ptm_jax.objectives import arrange, base, noise


def cut(key, window, count, whole=False):
  """Cuts the longest document of a window between sentences.

  Args:
    key: this example's key; used up.
    window: one raw window.
    count: int32, parts wanted. May be traced.
    whole: leaves out what the window's edges may have left of a sentence, if
      two others remain; else nothing is cut. Static.

  Returns:
    int32 `[length]`, the part of each token from 0, all cuts equally likely,
    and -1 outside; int32, how many parts there are, fewer than wanted where
    there are fewer sentences, and 0 where two were to remain.
  """
  inside = arrange.longest_document(window['segment_ids'])
  starts = inside & (window['flags'] & SENTENCE_START > 0)
  fewest = 1
  if whole:
    kept, starts = _whole(inside, starts)
    several = jnp.sum(starts) > 1
    inside, starts = jnp.where(several, kept, inside), starts & several
    fewest = several.astype(jnp.int32)
  first = jnp.cumsum(inside) == 1
  starts = starts & ~first
  wanted = jnp.minimum(count - 1, jnp.sum(starts))
  chosen, _ = noise.distinct_positions(key, starts, wanted, 0)
  return jnp.where(inside, jnp.cumsum(chosen), -1), wanted + fewest


def _whole(inside, starts):
  """Of a document `inside` a window with sentences that begin at `starts`,
  those that the window's edges cannot have cut: the same two, bool
  `[length]`."""
  number = jnp.cumsum(starts)
  # Where the document goes on to the edge, its last sentence may do so too.
  last = number[-1] - inside[-1].astype(number.dtype)
  kept = inside & (number > 0) & (number <= last)
  return kept, starts & kept


def halves(key, window, whole=False):
  """As `cut` into two, for those who need a first part: what has one sentence
  is cut down to half a window and has no second part.

  Returns:
    int32 `[length]`, 0 and 1, and -1 outside; bool, whether there is a second
    part; int32, tokens that the second part has or may have.
  """
  part, count = cut(key, window, 2, whole)
  length = part.shape[0]
  single = count < 2
  kept = jnp.cumsum(part >= 0) <= (length + 1) // 2
  part = jnp.where(single & ~kept, -1, part)
  room = jnp.where(single, length - jnp.sum(part == 0), jnp.sum(part == 1))
  return part, ~single, room


def partner(key, window, room):
  """Sentences of the window's partner.

  They start with a sentence, drawn among those that have `room` tokens from
  there on, or with the text.

  Returns:
    The text and which of it is chosen, at most `room` tokens, as `joined`
    takes them.
  """
  text = _partner_of(window)
  segments = text['segment_ids']
  index = jnp.arange(segments.shape[0])
  total = jnp.sum(segments > 0)
  # Text does not go on behind the end of a packed document.
  same = base.same_segment(segments, segments)
  end = 1 + jnp.max(jnp.where(same, index, -1), 1)
  starts = (text['flags'] & SENTENCE_START > 0) & (end - index >= room)
  draws = jnp.where(starts, jax.random.uniform(key, segments.shape), -1.0)
  start = jnp.where(jnp.any(starts), jnp.argmax(draws), 0)
  chosen = (index >= start) & (index < start + room) & (index < total) & (
      segments == segments[start])
  return text, chosen


def whole_partner(key, window, room, most):
  """As `partner`, whole sentences alone: of all runs of them, of at most
  `most` tokens, one whose length is nearest to `room`; nothing where there is
  none."""
  text = _partner_of(window)
  inside = arrange.longest_document(text['segment_ids'])
  kept, starts = _whole(inside, inside & (text['flags'] & SENTENCE_START > 0))
  index = jnp.arange(kept.shape[0])
  follows = jnp.append((starts | ~kept)[1:], True)
  size = index[None] - index[:, None] + 1
  runs = (starts[:, None] & (kept & follows)[None]
          & (size > 0) & (size <= most))
  # Less than 1, so that it decides between runs of equal length alone.
  draws = jax.random.uniform(key, runs.shape)
  misses = jnp.where(runs, jnp.abs(size - room) + draws, jnp.inf)
  start, last = jnp.unravel_index(jnp.argmin(misses), runs.shape)
  return text, (index >= start) & (index <= last) & jnp.any(runs)


def _partner_of(window):
  return {name.removeprefix('partner_'): jnp.asarray(value)
          for name, value in window.items() if name.startswith('partner_')}


def either(condition, one, other):
  """One of two parts, by a traced condition."""
  return jax.tree.map(lambda a, b: jnp.where(condition, a, b),
                      (text_of(one[0]), one[1]), (text_of(other[0]), other[1]))


def text_of(window):
  """The fields that go with the tokens of a text."""
  return {'tokens': window['tokens'], **arrange.planes(window)}


def joined(parts, size, vocabulary):
  """`[CLS]`, then each part that is not empty with a `[SEP]` behind it.

  Args:
    parts: pairs of a text (`tokens` and planes, each `[length]`) and bool
      `[length]`, which of it is shown.
    size: static; tokens of the result, the rest is padding.
    vocabulary: gives the two ids.

  Returns:
    dict of `[size]` arrays as `BaseObjective.arrange` says, with
    `token_types`: 0 up to the first `[SEP]`, then 1.
  """
  fields = text_of(parts[0][0])
  result = {name: jnp.zeros((size,), value.dtype)
            for name, value in fields.items()}
  result['tokens'] = result['tokens'].at[0].set(vocabulary.cls_id)
  result['candidates'] = jnp.zeros((size,), bool)
  types = jnp.zeros((size,), jnp.int32)
  end = jnp.int32(1)
  for number, (text, chosen) in enumerate(parts):
    place = jnp.where(chosen, end + jnp.cumsum(chosen) - 1, size)
    for name, value in text_of(text).items():
      result[name] = result[name].at[place].set(value, mode='drop')
    result['candidates'] = result['candidates'].at[place].set(
        True, mode='drop')
    before, end = end, end + jnp.sum(chosen)
    there = end > before
    result['tokens'] = result['tokens'].at[jnp.where(there, end, size)].set(
        vocabulary.sep_id, mode='drop')
    end = end + there
    if number:
      types = jnp.where(jnp.arange(size) >= before, 1, types)
  real = (jnp.arange(size) < end).astype(jnp.int32)
  return {**result, 'segment_ids': real, 'token_types': types * real,
          'positions': jnp.arange(size, dtype=jnp.int32) * real}
