"""Masked next-token prediction: masked LM in the outputs of a causal LM.

A hidden token is predicted one position to its left, so causal and masked
modelling share one head and one stack. References: Charpentier and Samuel
2024, arXiv:2410.24159, section 2 (GPT-BERT); BehnamGhader et al. 2024,
arXiv:2404.05961, section 2.1 (LLM2Vec).
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ptm_jax import checks, losses
from ptm_jax.objectives import (arrange, base, hiding, ideal, masked, noise,
                                ways)
from ptm_jax.rng import stream


@dataclasses.dataclass
class Objective(masked.Objective):
  """Masked next-token prediction (LLM2Vec), some rows causal (GPT-BERT).

  Each example reads `<s> text`, in both directions with hidden tokens or to
  the left alone with none. The two terms' means are weighted by the shares of
  such rows, as in the released code, whatever their numbers of tokens. A
  document packed behind another has no `<s>`, so its first token is not
  predicted.

  Attributes:
    rate: fraction of the tokens that is hidden at the run's beginning.
    final_rate: at its end, linear in between; evaluation has it.
    causal_share: fraction of the examples that are causal: the released
      code's 1/16; 0 leaves causal modelling out.
  """

  rate: float = 0.3
  final_rate: float = 0.15
  causal_share: float = 1 / 16

  forms = ('prefix',)
  traced = (*masked.Objective.traced, 'final_rate', 'causal_share')

  def validate(self):
    super().validate()
    checks.fraction(self, 'objective', 'final_rate', open_low=True)
    checks.fraction(self, 'objective', 'causal_share')
    checks.choices(self, 'objective', {'unit': masked.EXACT_UNITS})

  def make_numbers(self):
    return {**super().make_numbers(),
            'final_predictions': self.counts(self.final_rate),
            'causal_share': np.float32(self.causal_share)}

  def make_sizes(self):
    return {'predictions': int(max(self.counts(self.rate).max(),
                                   self.counts(self.final_rate).max()))}

  def count(self, total):
    first = self.number('num_predictions')[total].astype(jnp.float32)
    last = self.number('final_predictions')[total].astype(jnp.float32)
    return jnp.round(first + self.progress * (last - first)).astype(jnp.int32)

  def lengths(self):
    return {'inputs': self.raw_length + 1}

  def coefficients(self):
    causal = {'lm': self.causal_share} if self.causal_share else {}
    return {'mntp': 1 - self.causal_share, **causal}

  def arrange(self, key, window):
    del key
    arranged = arrange.opened(window, self.vocabulary.bos_id)
    # A document's first token has no position of its own to its left.
    return dict(arranged, candidates=arranged['candidates'] & (
        arranged['positions'] > 0))

  def noise(self, key, arranged):
    causal = jax.random.uniform(stream(key, 'causal')) < (
        self.numbers['causal_share'])
    example = super().noise(key, arranged)
    for name in 'noise', 'hidden':
      example[name] &= ~causal

    def predicting(values):  # position k is to predict what stands at k + 1
      return jnp.concatenate([values[1:], jnp.zeros((1,), values.dtype)])

    weights = predicting(example['noise'])
    return {
        **example,
        'inputs': jnp.where(causal, arranged['tokens'], example['inputs']),
        'targets': predicting(arranged['tokens']),
        'weights': weights.astype(jnp.float32),
        'predicted': noise.first_places(weights, self.sizes['predictions']),
        'causal_weights': (causal & predicting(arranged['candidates'])
                           ).astype(jnp.float32),
        'prefix_length': jnp.where(causal, 0, self.raw_length + 1)}

  def score(self, params, hidden, batch):
    terms = {'mntp': self.recover(params, hidden, batch)}
    if self.causal_share:
      terms['lm'] = losses.cross_entropy(
          *base.apply_head(self._head(), params, hidden, self.model),
          batch['targets'], batch['causal_weights'])
    return terms

  def visibility(self, batch):
    segments, index = batch['segment_ids'], jnp.arange(self.raw_length + 1)
    seen = base.same_segment(segments, segments) & (
        (index[None, None] <= index[None, :, None])
        | (index[None, None] < batch['prefix_length'][:, None, None]))
    terms = {'mntp': {'inputs': base.at(seen, batch['predicted'])}}
    return {**terms, 'lm': {'inputs': seen}} if self.causal_share else terms

  def floor(self, law, batch):
    # A position's target is the token behind it.
    places = batch['predicted'] + 1
    tokens = np.pad(batch['targets'], ((0, 0), (1, 0)))
    segments = np.pad(batch['segment_ids'], ((0, 0), (0, 1)))
    text = ideal.symbols(self.vocabulary, tokens)
    def padded(name):
      return np.pad(batch[name], ((0, 0), (0, 1)))
    found = {'mntp': self.best(
        law, text, ideal.symbols(self.vocabulary, padded('inputs')),
        padded('noise'), ideal.stretches(text, segments), places,
        padded('positions') > 0)}
    if self.causal_share:
      chances = law.before(law.evidence(text),
                           ideal.stretches(text, segments))
      found['lm'] = ideal.Ideal(chances[:, 1:], np.maximum(text, 0)[:, 1:])
    return found

  def ways(self):
    loss = functools.partial(hiding.recovered, self)
    found = hiding.pseudo(self._asked, loss)
    if self.causal_share:
      found['chain_rule'] = ways.Way(
          'likelihood', 'log-likelihood, each token given those before it',
          ways.once, self._asked_causally, loss)
    return found

  def _asked(self, predictions, window, rank, factor):
    arranged = arrange.opened(window, self.vocabulary.bos_id)
    # Position k predicts the text's token k, which stands at k + 1.
    predicted = noise.first_places(factor > 0, predictions or factor.size)
    return {
        'inputs': jnp.where(jnp.pad(rank > 0, (1, 0)), self.vocabulary.mask_id,
                            arranged['tokens']),
        'segment_ids': arranged['segment_ids'],
        'positions': arranged['positions'],
        'targets': window['tokens'],
        'weights': (factor > 0).astype(jnp.float32),
        'predicted': predicted,
        'prefix_length': jnp.int32(factor.size + 1),
    }, {'mlm': predicted}

  def _asked_causally(self, window, rank, factor):
    example, origins = self._asked(
        None, window, jnp.zeros_like(rank), factor)
    return {**example, 'prefix_length': jnp.int32(0)}, origins

  def exempt(self, batch):
    (kept,) = super().exempt(batch).values()
    return {'mntp': kept}
