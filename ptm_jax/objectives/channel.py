"""The best predictions of a text of which some tokens are shown as others.

Any token that is shown may be noise; how many are is known.
"""

import numpy as np

from ptm_jax.objectives import ideal


def among_noise(law, shown, noisy, sizes, segments):
  """Joint laws of each token and of its being noise, as of
  `law.Law.among_noise`, where what is no noise is shown as it is.

  Args:
    law: of the source.
    shown: int `[batch, length]`, the symbols shown, -1 for what is none.
    noisy: float64 `[batch, length, symbols]`, the likelihood of what is shown
      of noise given each symbol.
    sizes: float64 `[batch, n]`, as of `Law.among_noise`.
    segments: int `[batch, length]`, as `ideal.stretches` gives them.
  """
  clean = np.where((shown >= 0)[..., None], law.evidence(shown), 0)
  return law.among_noise(clean, noisy, sizes, segments)


def counted(noise):
  """The law of a number that is known, of noise bool `[batch, length]`:
  float64 `[batch, n]`."""
  counts = np.sum(noise, 1)
  return np.eye(counts.max(initial=0) + 1)[counts]


def _drawn(shown, noise, mask_share):
  """`shown` without what stands where all noise is masked: that is a leak, of
  which the floor must know nothing."""
  return np.where(noise, -1, shown) if mask_share == 1 else shown


def seen(law, shown, text, noise, mask_share, random_share):
  """What all that is shown says of the text, if each token is noise by itself.

  Args:
    law: of the source.
    shown: int `[batch, length]`, symbols; -1 for what is none.
    text, noise: bool `[batch, length]`.
    mask_share, random_share: of the noise.

  Returns:
    float64 `[batch, length, symbols]`, and whether it is exact.
  """
  found = law.evidence(_drawn(shown, noise, mask_share))
  if random_share:
    rate = (np.sum(noise, 1) / np.maximum(np.sum(text, 1), 1))[:, None, None]
    kept = 1 - mask_share - random_share
    found = np.where((shown >= 0)[..., None], (1 - rate + rate * kept) * found
                     + rate * random_share / law.num_symbols, 1)
  return found, random_share == 0


def recovered(law, text, shown, noise, segments, mask_share, random_share,
              candidates=True, known=1.0):
  """The law of each token if it is noise, given all that is shown.

  Any token that is shown may be a random one; how many tokens are noise is
  known, and all sets of as many are taken as equally likely.

  Args:
    law: of the source.
    text, shown: int `[batch, length]`, symbols; -1 for what is none.
    noise: bool `[batch, length]`.
    segments: int `[batch, length]`, in which what is no text is left out.
    mask_share, random_share: of the noise.
    candidates: bool `[batch, length]`, the text that may be noise.
    known: float64 `[batch, length, symbols]`, what else is told of each token.

  Returns:
    float64 `[batch, length, symbols]`.
  """
  seen = law.evidence(_drawn(shown, noise, mask_share)) * known
  if random_share == 0:  # what is shown is the text
    found = seen * law.around(seen, segments)
  else:
    kept = 1 - mask_share - random_share
    noisy = np.where((shown >= 0)[..., None],
                     kept * seen + random_share / law.num_symbols, 1)
    may = (text >= 0) & candidates
    found = among_noise(law, shown, noisy * may[..., None],
                        counted(noise), segments)[:, :, 1]
  return found / np.maximum(found.sum(-1, keepdims=True), 1e-300)


def of_original(laws, text, shown, labels, exact):
  """Whether each token is the original, the first class, or not; what is no
  text is.

  Args:
    laws: float64 `[batch, length, symbols]`, of the original.
    text, shown: int `[batch, length]`, symbols, -1 for what is none.
    labels: int `[batch, length]`, 1 where a token is not the original.
    exact: as of `ideal.Ideal`.
  """
  return ideal.Ideal(original(laws, text, shown),
                     np.asarray(labels, np.int64), exact)


def original(laws, text, shown):
  """The chances of `of_original`, float64 `[batch, length, 2]`."""
  chance = np.take_along_axis(laws, np.maximum(shown, 0)[..., None], 2)
  chance = np.where((shown >= 0)[..., None], chance, 0)
  chance = np.where((text >= 0)[..., None], np.minimum(chance, 1), 1)
  return np.concatenate([chance, 1 - chance], -1)
