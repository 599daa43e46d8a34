"""Token-document relation: does a token occur again, elsewhere in its
document?

Reference: Sun et al. 2020, arXiv:1907.12412, section 3.2.1.
"""

import dataclasses

import jax.numpy as jnp

from ptm_jax.data.flags import SENTENCE_START
from ptm_jax.objectives import base, token_labels


@dataclasses.dataclass
class Objective(token_labels.TokenLabels):
  """Of every text token of `[CLS] text [SEP]`, whether it occurs in another
  sentence of its document as well; no hyper-parameters.

  The paper asks about other segments of the document, which the input may
  lack; here these are the document's other sentences in the window, so alone
  the task is a look-up. In a sum with masked LM the tokens looked for are
  partly hidden.
  """

  needs_sentences = True
  term, head = 'token_document', 'document_head'

  def labels(self, arranged):
    tokens, segments = arranged['tokens'], arranged['segment_ids']
    sentence = jnp.cumsum(arranged['flags'] & SENTENCE_START > 0)
    again = (base.same_segment(segments, segments)
             & (tokens[:, None] == tokens[None])
             & (sentence[:, None] != sentence[None])
             & arranged['candidates'][None])
    return jnp.any(again, 1)
