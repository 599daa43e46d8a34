"""The best that can be said of a text in which a generator replaced tokens.

The law of the fakes depends on the text, by way of a network. So the trunk's
term has two bounds: a predictor that reads what the trunk reads and guesses
this law, and one that is told which tokens were drawn and what the generator
read. If the generator does not heed what it reads, the first is exact.
"""

import numpy as np

from ptm_jax.objectives import channel, ideal


def floor(vocabulary, mask_share, judge, law, batch):
  """Floors of both terms: `{term: ideal.Ideal}`.

  Args:
    vocabulary: `Vocabulary`.
    mask_share: of the drawn tokens, that the generator does not see.
    judge: of `judges`, what the trunk is asked.
    law: of the source.
    batch: a corrupted one with `replaced_token.Objective.outcomes`.
  """
  text, seen, shown = (ideal.symbols(vocabulary, batch[name])
                       for name in ('tokens', 'inputs', 'shown'))
  segments = ideal.stretches(text, batch['segment_ids'])
  # The generator is shown no wrong token.
  told = law.evidence(seen)
  told = told * law.around(told, segments)
  told /= np.maximum(told.sum(-1, keepdims=True), 1e-300)
  places = batch['predicted']
  found = {'generator': ideal.Ideal(
      ideal.at(told, places), np.maximum(ideal.at(text, places), 0))}
  draws = np.sum(batch['weights'] > 0, 1)
  joint = channel.among_noise(
      law, shown, _drawn(law, shown, batch, mask_share)
      * (text >= 0)[..., None], distinct(draws, np.sum(text >= 0, 1)),
      segments)
  return {**found, **judge.floor(joint, told, text, shown, batch)}


def _drawn(law, shown, batch, mask_share):
  """The chance of drawing what is shown given each symbol of the text, as it
  looks from there: float64 `[batch, length, symbols]`.

  It is the generator's with the place masked; where it sees the token, it
  copies any as often as the one that is shown.
  """
  hidden, copied = (np.asarray(batch[name], np.float64)[..., None]
                    for name in ('chance_masked', 'chance_shown'))
  free = np.minimum((1 - copied) / np.maximum(1 - hidden, 1e-12), 1)
  itself = (shown >= 0)[..., None] & (law.evidence(np.maximum(shown, 0)) > 0)
  return mask_share * hidden + (1 - mask_share) * np.where(
      itself, copied, free * hidden)


def distinct(draws, places):
  """How many places are drawn at least once.

  Args:
    draws: int `[batch]`, from places that are equally likely.
    places: int `[batch]`, how many there are.

  Returns:
    float64 `[batch, most draws + 1]`, chances.
  """
  count = np.arange(draws.max(initial=0) + 1)
  places = np.maximum(places, 1)[:, None]
  found = np.repeat((count == 0)[None] * 1.0, len(draws), 0)
  for number in range(len(count) - 1):
    again = found * np.minimum(count / places, 1)
    new = np.roll(found * np.maximum(1 - count / places, 0), 1, 1)
    found = np.where((number < draws)[:, None], again + new, found)
  return found
