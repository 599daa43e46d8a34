"""Special tokens and positions: what happens to a window before noise.

Each function works on one example with fixed shapes and keeps packed
documents apart: positions restart with each segment, segment 0 is padding.
"""

import jax.numpy as jnp

from ptm_jax.models.positions import restart_positions

_FIELDS = ('tokens', 'segment_ids', 'positions', 'index', 'epoch')


def shift_right(tokens, segment_ids, bos_id):
  """Each position shows the token before it, `bos_id` where a segment starts.

  A document packed behind another thus begins like one that stands alone,
  and its first token is scored as well.
  """
  before = jnp.concatenate([jnp.zeros((1,), jnp.int32), segment_ids[:-1]])
  shifted = jnp.concatenate(
      [jnp.full((1,), bos_id, jnp.int32), tokens[:-1]])
  shifted = jnp.where(segment_ids == before, shifted, bos_id)
  return jnp.where(segment_ids > 0, shifted, 0)


def plain(window):
  """The window as it is; every token may be noise."""
  segment_ids = window['segment_ids']
  return {**planes(window), 'tokens': window['tokens'],
          'segment_ids': segment_ids, 'positions': window['positions'],
          'candidates': segment_ids > 0}


def longest_document(segment_ids):
  """bool `[length]`, True on the longest packed document, the first of
  several; on none where all is padding."""
  real = segment_ids > 0
  same = segment_ids[:, None] == segment_ids[None, :]
  sizes = jnp.sum(same & real[None, :], 1)
  return real & (segment_ids == segment_ids[jnp.argmax(sizes)])


def planes(window):
  """The byte planes of a window: its flags and what annotators say."""
  return {name: plane for name, plane in window.items()
          if name not in _FIELDS and not name.startswith('partner_')}


def surround(window, first_id, last_id):
  """Puts one token before and one behind the text, never to be noise.

  They belong to the first and to the last packed document, so a document in
  the middle of a window has neither.

  Args:
    window: tokens and segment_ids, each `[length]`; padding is at the end.
    first_id: id of the token before the text, such as `[CLS]`.
    last_id: id of the token behind the last real token, such as `[SEP]`.

  Returns:
    dict of `[length + 2]` arrays, as `BaseObjective.arrange` says.
  """
  def padded(values, first, last):
    return jnp.concatenate([jnp.full((1,), first, jnp.int32), values,
                            jnp.full((1,), last, jnp.int32)])

  segments = window['segment_ids']
  count = jnp.sum(segments > 0)
  index = jnp.arange(segments.shape[0] + 2, dtype=jnp.int32)
  end = index == count + 1
  segment_ids = padded(segments, jnp.maximum(segments[0], 1), 0)
  segment_ids = jnp.where(end, jnp.maximum(jnp.max(segments), 1), segment_ids)
  tokens = jnp.where(end, last_id, padded(window['tokens'], first_id, 0))
  return {**{name: jnp.pad(plane, 1)
             for name, plane in planes(window).items()},
          'tokens': tokens, 'segment_ids': segment_ids,
          'positions': restart_positions(segment_ids),
          'candidates': (index > 0) & (index <= count)}


def around_text(segment_ids):
  """bool like `segment_ids [..., length]` of `surround`, True on the text and
  the two tokens around it; on none where these are alone: a row of padding."""
  real = segment_ids > 0
  return real & (jnp.sum(real, -1, keepdims=True) > 2)


def closed(window, first_id, last_id):
  """As `surround`, with both tokens behind the text."""
  count = jnp.sum(window['segment_ids'] > 0)
  wide = {name: jnp.pad(values, (0, 2)) for name, values in {
      **planes(window), 'tokens': window['tokens'],
      'segment_ids': window['segment_ids']}.items()}
  index = jnp.arange(wide['tokens'].shape[0])
  first, last = index == count, index == count + 1
  segment_ids = jnp.where(
      first | last, jnp.maximum(jnp.max(window['segment_ids']), 1),
      wide['segment_ids'])
  tokens = jnp.where(first, first_id, jnp.where(
      last, last_id, wide['tokens']))
  return {**wide, 'tokens': tokens, 'segment_ids': segment_ids,
          'positions': restart_positions(segment_ids),
          'candidates': index < count}


def part_numbers(tokens, segment_ids, end_id):
  """int32 `[..., length]`: how many `end_id` stand before a token; 0 on
  padding."""
  ends = (tokens == end_id).astype(jnp.int32)
  return jnp.where(segment_ids > 0, jnp.cumsum(ends, -1) - ends, 0)


def opened(window, first_id):
  """As `surround`, with a token before the text alone.

  Returns:
    dict of `[length + 1]` arrays.
  """
  around = surround(window, first_id, 0)
  count = jnp.sum(window['segment_ids'] > 0)
  # The closing place is not part of the text: it is turned into padding.
  inside = jnp.arange(around['tokens'].shape[0]) <= count
  around['segment_ids'] = jnp.where(inside, around['segment_ids'], 0)
  around['positions'] = jnp.where(inside, around['positions'], 0)
  return {name: values[:-1] for name, values in around.items()}


def paired(window, cut, first_id, last_id):
  """As `surround`, with one more `last_id` that ends a first part.

  Args:
    window: as for `surround`.
    cut: int32, text tokens in the first part; the token that ends it belongs
      to the document that its last token belongs to.

  Returns:
    dict of `[length + 3]` arrays, and `parts` int32: 0 on the first part and
    the tokens around it, 1 behind.
  """
  around = surround(window, first_id, last_id)
  index = jnp.arange(around['tokens'].shape[0] + 1, dtype=jnp.int32)
  middle = index == cut + 1
  # The middle is a copy of its left neighbour, but for what it shows.
  pair = {name: values[index - (index > cut)]
          for name, values in around.items()}
  pair.update({name: jnp.where(middle, jnp.zeros_like(pair[name]), pair[name])
               for name in (*planes(window), 'candidates')})
  return {**pair, 'tokens': jnp.where(middle, last_id, pair['tokens']),
          'positions': restart_positions(pair['segment_ids']),
          'parts': (index > cut + 1).astype(jnp.int32)}
