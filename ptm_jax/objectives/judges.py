"""What the trunk is asked of a text in which a generator replaced tokens.

Replaced-token detection and the stepping stones on the way to it (Clark et
al. 2020, arXiv:2003.10555, section 3.5) differ in nothing else. A judge has
the name of its term, its heads, and the places that it scores.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import losses
from ptm_jax.models.heads import LMHead, TokenClassifier
from ptm_jax.objectives import arrange, base, channel, ideal


class Detect:
  """Of every token, whether it was replaced (ELECTRA)."""

  term, weighted = 'discriminator', True

  def __init__(self, model, vocabulary):
    self.model, self.vocabulary = model, vocabulary

  def heads(self):
    """As `BaseObjective.networks`, without the trunk."""
    return {'head': (self._classifier(),
                     (jnp.zeros((1, 1, self.model.width)),))}

  def _classifier(self):
    return TokenClassifier(self.model, num_classes=1, transform=True)

  def places(self, batch):
    """int32 `[batch, n]`, the places that are scored."""
    index = jnp.arange(batch['tokens'].shape[1])[None]
    return jnp.broadcast_to(index, batch['tokens'].shape)

  def score(self, params, hidden, shown, batch):
    """The term, given the trunk's states and what it was shown."""
    return losses.binary_cross_entropy(
        self.scores(params, hidden),
        (shown != batch['tokens']).astype(jnp.int32), self.weights(batch))

  def scores(self, params, hidden):
    """Logits of every token, `[batch, length]`."""
    return self._classifier().apply({'params': params['head']}, hidden)[..., 0]

  def weights(self, batch):
    """float32 `[batch, length]`, the tokens that count."""
    return arrange.around_text(batch['segment_ids']).astype(jnp.float32)

  def floor(self, joint, told, text, shown, batch):
    """The best that can be said of the term, between two bounds.

    Args:
      joint: float64 `[batch, length, 2, symbols]`, of a place's symbol and of
        its being drawn, by what is shown.
      told: float64 `[batch, length, symbols]`, of its symbol, by the
        generator's input.
      text, shown: int `[batch, length]`, symbols; -1 for what is none.
      batch: with `outcomes`.

    Returns:
      `{term: ideal.Ideal}`.
    """
    labels = (batch['shown'] != batch['tokens']).astype(np.int64)
    drawn = np.asarray(batch['noise'])[..., None]
    known = channel.original(told, text, shown)
    return {self.term: ideal.Ideal(
        channel.original(self.laws(joint), text, shown), labels, False,
        np.where(drawn, known, np.array([1.0, 0.0])))}

  def laws(self, joint):
    """Laws of the symbols of the places that are scored."""
    return joint.sum(2)


class DetectSampled(Detect):
  """Of the tokens a fake was drawn for, whether it differs ('ELECTRA 15%')."""

  def weights(self, batch):
    return batch['noise'].astype(jnp.float32)

  def laws(self, joint):
    return _if_drawn(joint)


class Recover(Detect):
  """What the tokens were that a fake was drawn for ('Replace MLM')."""

  term, weighted = 'mlm', False

  def heads(self):
    return {'head': (self._lm_head(),
                     base.head_arguments(self.model, self.vocabulary))}

  def _lm_head(self):
    return LMHead(self.model, self.vocabulary.size, transform=True, bias=True)

  def places(self, batch):
    return batch['predicted']

  def score(self, params, hidden, shown, batch):
    return losses.cross_entropy(
        *base.apply_head(self._lm_head(), params,
                         base.at(hidden, batch['predicted']), self.model),
        batch['targets'], batch['weights'])

  def floor(self, joint, told, text, shown, batch):
    places = np.asarray(self.places(batch))
    def asked(laws):  # what is no text is certain, and a class of its own
      laws = np.where((text >= 0)[..., None], laws, 0)
      return ideal.at(np.append(laws, text[..., None] < 0, 2), places)
    return {self.term: ideal.Ideal(
        asked(self.laws(joint)), np.where(text < 0, told.shape[2], text)[
            np.arange(len(text))[:, None], places], False, asked(told))}

  def laws(self, joint):
    return _if_drawn(joint)


class RecoverAll(Recover):
  """What every token was, with a gate that copies it ('All-Tokens MLM').

  A token's probability is gate * [it is shown] + (1 - gate) * softmax.
  """

  def heads(self):
    return {**super().heads(),
            'gate': (self._classifier(),
                     (jnp.zeros((1, 1, self.model.width)),))}

  def places(self, batch):
    return Detect.places(self, batch)

  def laws(self, joint):
    return joint.sum(2)

  def score(self, params, hidden, shown, batch):
    scores = base.apply_head(self._lm_head(), params, hidden, self.model)
    gate = self._classifier().apply({'params': params['gate']}, hidden)
    return copy_cross_entropy(
        *scores, gate[..., 0].astype(jnp.float32), shown, batch['tokens'],
        self.weights(batch))


def _if_drawn(joint):
  """Laws of the symbols of places that are drawn."""
  drawn = joint[:, :, 1]
  return drawn / np.maximum(drawn.sum(-1, keepdims=True), 1e-300)


def copy_cross_entropy(features, table, bias, gate, shown, targets, weights):
  """Cross entropy of a softmax mixed with a copy of the input.

  Args:
    features, table, bias, targets, weights: as of `losses.cross_entropy`.
    gate: float32 `[batch, n]`, logits of copying.
    shown: int32 `[batch, n]`, what would be copied.

  Returns:
    `losses.Term`; a prediction is correct if its target has more than half of
    the probability.
  """
  stopped = jax.lax.stop_gradient((features, table, bias))
  nll = losses.cross_entropy(*stopped, targets, weights).nll
  copy, write = -jax.nn.softplus(-gate), -jax.nn.softplus(gate) - nll
  mixed = -jnp.where(shown == targets, jnp.logaddexp(copy, write), write)
  # Of the softmax's own nll the gradient is its share in the target's
  # probability; so another pass with these weights gives it in chunks.
  share = jax.lax.stop_gradient(jnp.exp(write + mixed))
  written = losses.cross_entropy(features, table, bias, targets,
                                 weights * share)

  def gradient_only(x):
    return x - jax.lax.stop_gradient(x)

  return losses.Term(
      jnp.sum(weights * mixed) + gradient_only(written.sum),
      jnp.sum(weights), mixed + share * gradient_only(written.nll),
      mixed < jnp.log(2.0), targets, weights)


JUDGES = {'detect': Detect, 'detect_sampled': DetectSampled,
          'recover': Recover, 'recover_all': RecoverAll}
