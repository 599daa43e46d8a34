"""Token-document relation: does a token occur again, elsewhere in its
document?

Reference: Sun et al. 2020, arXiv:1907.12412, section 3.2.1.
"""

import dataclasses

import jax.numpy as jnp

from ptm_jax import losses
from ptm_jax.data.flags import SENTENCE_START
from ptm_jax.models.heads import TokenClassifier
from ptm_jax.objectives import base, masked


@dataclasses.dataclass
class Objective(masked.Cloze):
  """Of every text token of `[CLS] text [SEP]`, whether it occurs in another
  sentence of its document as well; no hyper-parameters.

  The paper asks about other segments of the document, which the input may
  lack; here these are the document's other sentences in the window, so alone
  the task is a look-up. In a sum with masked LM the tokens looked for are
  partly hidden.
  """

  needs_sentences = True
  changes = False

  def coefficients(self):
    return {'token_document': 1.0}

  def noise(self, key, arranged):
    del key
    tokens, text = arranged['tokens'], arranged['candidates']
    sentence = jnp.cumsum(arranged['flags'] & SENTENCE_START > 0)
    segments = arranged['segment_ids']
    again = (base.same_segment(segments, segments)
             & (tokens[:, None] == tokens[None])
             & (sentence[:, None] != sentence[None]) & text[None])
    return {'inputs': tokens,
            'segment_ids': segments,
            'positions': arranged['positions'],
            'noise': jnp.zeros(tokens.shape, bool),
            'labels': (text & jnp.any(again, 1)).astype(jnp.int32),
            'weights': text.astype(jnp.float32)}

  def networks(self):
    return {'trunk': super().networks()['trunk'],
            'document_head': (self._classifier(),
                              (jnp.zeros((1, 1, self.model.width)),))}

  def _classifier(self):
    return TokenClassifier(self.model, num_classes=1, transform=True)

  def score(self, params, hidden, batch):
    logits = self._classifier().apply(
        {'params': params['document_head']}, hidden)[..., 0]
    return {'token_document': losses.binary_cross_entropy(
        logits, batch['labels'], batch['weights'])}

  def visibility(self, batch):
    segments = batch['segment_ids']
    return {'token_document': {'inputs': base.same_segment(
        segments, segments)}}

  def exempt(self, batch):
    return {'token_document': None}  # the label is no token of the text
