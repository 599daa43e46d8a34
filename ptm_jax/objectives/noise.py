"""The algebra of denoising: which tokens are noise x how the input shows
them x what the target is.

Every function works on one example, is pure `jax.numpy` with fixed shapes,
and takes counts and rates that may be traced; noise is chosen by rank below
a count, never by a shape that depends on a rate.

Reference for the three axes: Raffel et al. 2020, arXiv:1910.10683, section
3.3 and figure 4.
"""

import jax
import jax.numpy as jnp

from ptm_jax.rng import stream


# --- which tokens are noise --------------------------------------------------

def distinct_positions(key, candidates, count, size):
  """Draws `count` different positions, all sets equally likely.

  Args:
    key: this example's key; used up.
    candidates: bool `[length]`, True where noise may fall.
    count: int32, at most the number of candidates. May be traced.
    size: static; positions returned, at least `count`.

  Returns:
    noise bool `[length]`, and positions int32 `[size]` whose first `count`
    are the noise and whose rest are other positions.
  """
  scores = jnp.where(candidates, jax.random.uniform(key, candidates.shape), 2.)
  order = jnp.argsort(scores)
  chosen = jnp.arange(candidates.shape[0]) < count
  noise = jnp.zeros(candidates.shape, bool).at[order].set(chosen)
  return noise & candidates, order[:size].astype(jnp.int32)


def repeated_positions(key, candidates, count, size):
  """Draws `count` positions with replacement, as ELECTRA's code does.

  Args:
    key: this example's key; used up.
    candidates: bool `[length]`, True where noise may fall.
    count: int32 number of draws. May be traced.
    size: static; positions returned, at least `count`.

  Returns:
    noise bool `[length]`, fewer than `count` where draws coincide, and
    positions int32 `[size]`, of which the first `count` are drawn.
  """
  total = jnp.sum(candidates)
  draws = jax.random.uniform(key, (size,))
  nth = jnp.minimum((draws * total).astype(jnp.int32), total - 1)
  # The n-th candidate, found by its rank among all positions.
  order = jnp.argsort(~candidates, stable=True)
  positions = order[jnp.maximum(nth, 0)].astype(jnp.int32)
  drawn = (jnp.arange(size) < count) & (total > 0)
  noise = jnp.zeros(candidates.shape, bool).at[positions].max(drawn)
  return noise, positions


def first_places(noise, size):
  """The places of the noise in their order, then others, int32 `[size]`."""
  return jnp.argsort(~noise, stable=True)[:size].astype(jnp.int32)


def random_spans(key, length, total, num_noise, num_spans, max_spans):
  """Draws spans of noise with exact counts of tokens and of spans.

  Noise and non-noise are each cut at random into `num_spans` non-empty
  parts, which alternate and begin with non-noise; so the example always ends
  in noise.

  Args:
    key: this example's key; used up.
    length: static; positions in the example.
    total: int32 real tokens, which come first. May be traced.
    num_noise: int32 noise tokens, in [1, total - 1]. May be traced.
    num_spans: int32 spans, at most noise and non-noise. May be traced.
    max_spans: static; largest `num_spans`.

  Returns:
    bool `[length]`, True where the token is noise.

  Reference: Raffel et al. 2020, arXiv:1910.10683, section 3.3.4.
  """
  noise_parts = _random_parts(
      stream(key, 'noise'), length, num_noise, num_spans, max_spans)
  other_parts = _random_parts(
      stream(key, 'other'), length, total - num_noise, num_spans, max_spans)
  # [non-noise 0, noise 0, non-noise 1, noise 1, ...], each part's end.
  ends = jnp.cumsum(jnp.stack([other_parts, noise_parts], 1).reshape(-1))
  index = jnp.arange(length)
  part = jnp.sum(index[:, None] >= ends[None, :], 1)
  return (part % 2 == 1) & (index < total)


def _random_parts(key, length, num_items, num_parts, max_parts):
  """Lengths `[max_parts]` of a random cut into `num_parts` non-empty parts."""
  index = jnp.arange(length)
  inner = (index >= 1) & (index < num_items)
  starts, _ = distinct_positions(key, inner, num_parts - 1, 0)
  part = jnp.cumsum(starts)
  part = jnp.where(index < num_items, part, max_parts)
  return jnp.sum(part[:, None] == jnp.arange(max_parts)[None, :], 0)


# --- how the input shows them ------------------------------------------------

def show_channel(key, tokens, noise, mask_share, random_share, vocabulary,
                 together=False):
  """Shows each noise token as `[MASK]`, as a random text token, or as it is.

  Args:
    key: this example's key; used up.
    tokens: int32 `[length]`.
    noise: bool `[length]`.
    mask_share, random_share: fractions of the noise; the rest stays visible.
      May be traced.
    vocabulary: gives `mask_id` and the text ids; a random token is
      uniform over text and may equal the original.
    together: static; whether all tokens of a run of noise are shown the same
      way (random ones differ), or each is drawn for itself.

  Returns:
    int32 `[length]` and bool `[length]`, True where the token is hidden: it
    is noise and not kept.

  Reference: Devlin et al. 2019, arXiv:1810.04805, section 3.1.
  """
  draw = jax.random.uniform(stream(key, 'channel'), tokens.shape)
  if together:
    index = jnp.arange(tokens.shape[0])
    draw = draw[jax.lax.cummax(jnp.where(run_starts(noise), index, 0))]
  random_tokens = vocabulary.text_id(jax.random.randint(
      stream(key, 'random_token'), tokens.shape, 0, vocabulary.num_text,
      jnp.int32))
  masked = noise & (draw < mask_share)
  hidden = noise & (draw < mask_share + random_share)
  shown = jnp.where(hidden, random_tokens, tokens)
  return jnp.where(masked, vocabulary.mask_id, shown), hidden


def show_shuffled(key, tokens, noise):
  """Shows the noise tokens in each other's places, int32 `[length]`; all
  permutations are equally likely."""
  places = first_places(noise, tokens.shape[0])
  scores = jax.random.uniform(key, tokens.shape)
  order = jnp.argsort(jnp.where(noise, scores, 2.0))
  # Where there is no noise, both orders are that of the text.
  return tokens.at[places].set(tokens[order])


def show_shuffled_groups(key, tokens, chosen, length):
  """Shows the tokens of each group in a random order, int32 `[tokens]`.

  Args:
    key: this example's key; used up.
    tokens: int32.
    chosen: bool like `tokens`, runs of whole groups (`units.groups`).
    length: static; tokens in a group.
  """
  index = jnp.arange(tokens.shape[0])
  first = jax.lax.cummax(jnp.where(run_starts(chosen), index, 0))
  group = first + (index - first) // length * length
  draws = jax.random.uniform(key, tokens.shape)
  # Sorting by these numbers moves no token out of its group.
  return tokens[jnp.argsort(jnp.where(chosen, group + length * draws, index))]


def show_sentinels(tokens, segment_ids, noise, size, vocabulary):
  """Shows each run of noise as one sentinel, and ends with `</s>`.

  A run that crosses into another packed document is one span; its sentinel
  belongs to the document in which the run begins.

  Args:
    tokens, segment_ids: int32 `[length]`; segment 0 is padding, at the end.
    noise: bool `[length]`.
    size: static; tokens of the result, the rest is padding.
    vocabulary: gives `sentinel_id` and `eos_id`.

  Returns:
    tokens and segment_ids, each int32 `[size]`.
  """
  start = run_starts(noise)
  keep = (~noise & (segment_ids > 0)) | start
  sentinels = vocabulary.sentinel_id(jnp.cumsum(start) - 1)
  return compact([(keep, jnp.cumsum(keep) - 1,
                   jnp.where(start, sentinels, tokens))],
                 segment_ids, jnp.sum(keep), size, vocabulary.eos_id)


# --- what the target is ------------------------------------------------------

def target_spans(tokens, segment_ids, noise, size, vocabulary):
  """Each run of noise behind its sentinel, one after the other, and `</s>`;
  a text that ends visibly is closed by the next sentinel (T5).

  Args and Returns: as `show_sentinels`, of which it is the complement.
  """
  start = run_starts(noise)
  spans = jnp.cumsum(start)
  place = jnp.cumsum(noise) - 1 + spans
  count = jnp.sum(noise) + jnp.sum(start)
  real = segment_ids > 0
  last = real & (jnp.cumsum(real) == jnp.sum(real)) & ~noise
  return compact([(start, place - 1, vocabulary.sentinel_id(spans - 1)),
                  (noise, place, tokens),
                  (last, count, vocabulary.sentinel_id(spans))],
                 segment_ids, count + jnp.sum(last), size, vocabulary.eos_id)


def run_starts(noise):
  """bool `[length]`, True at the first token of each run of noise."""
  return noise & ~jnp.concatenate([jnp.zeros((1,), bool), noise[:-1]])


def compact(parts, segment_ids, count, size, eos_id):
  """Writes parts of a window and a closing `</s>` one after the other.

  Args:
    parts: triples `(which, place, value)` over the window: where `which` is
      True, `value` goes to `place`.
    segment_ids: int32 `[length]` of the window.
    count: int32 tokens that are written; `</s>` follows them.
    size: static; tokens of the result, the rest is padding.
    eos_id: id of `</s>`.

  Returns:
    tokens and segment_ids, each int32 `[size]`.
  """
  tokens = jnp.zeros((size,), jnp.int32)
  segments = jnp.zeros((size,), jnp.int32)
  for which, place, value in parts:
    place = jnp.where(which, place, size)
    tokens = tokens.at[place].set(value, mode='drop')
    segments = segments.at[place].set(segment_ids, mode='drop')
  # `</s>` closes the document that the last written token belongs to; where
  # there is none it is the first document's, and of no text padding.
  last = jnp.where(count > 0, segments[jnp.clip(count - 1, 0, size - 1)],
                   segment_ids[0])
  tokens = tokens.at[count].set(eos_id, mode='drop')
  return tokens, segments.at[count].set(last, mode='drop')
