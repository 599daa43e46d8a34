"""Translation: the decoder writes in another language what the encoder reads,
as the first Transformer was trained.

Reference: Vaswani et al. 2017, arXiv:1706.03762, sections 3 and 5.4.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ptm_jax import checks
from ptm_jax.objectives import arrange, base, ideal, sequence_to_sequence


@dataclasses.dataclass
class Objective(sequence_to_sequence.Rewriting):
  """Reads a text and writes its translation, its aligned partner window.

  Every document of a window is closed by `</s>` on both sides and sees its own
  translation alone. Training smooths the labels; the nll that evaluation and
  reports give is of the true tokens, without smoothing.

  Attributes:
    label_smoothing: chance taken from the true token (Szegedy et al. 2016,
      arXiv:1512.00567, section 7).
    smoothed_over: who gets it: 'others', all tokens but the true one, as in
      the authors' tensor2tensor; or 'all', the true one included, as in
      section 7 above.
  """

  partner = 'aligned'
  arranges = True
  changes = False

  label_smoothing: float = 0.1
  smoothed_over: str = 'others'

  def validate(self):
    checks.fraction(self, 'objective', 'label_smoothing')
    checks.choices(self, 'objective', {'smoothed_over': ('others', 'all')})

  def make_sizes(self):
    return {'encoder': self.raw_length + 1, 'decoder': self.raw_length + 1}

  def arrange(self, key, window):
    del key
    return {**arrange.plain(window), 'other': (
        window['partner_tokens'], window['partner_segment_ids'])}

  def noise(self, key, arranged):
    del key
    eos_id = self.vocabulary.eos_id
    segment_ids = arranged['segment_ids']
    return sequence_to_sequence.example(
        closed(arranged['tokens'], segment_ids, eos_id),
        closed(*arranged['other'], eos_id),
        jnp.zeros(segment_ids.shape, bool), self.start_id)

  def score(self, params, hidden, batch):
    terms = super().score(params, hidden, batch)
    if not self.label_smoothing:
      return terms
    return {'seq2seq': smoothed(terms['seq2seq'], *base.apply_head(
        self._head(), params, sequence_to_sequence.written(hidden, batch),
        self.model), self.label_smoothing, self.smoothed_over)}

  def floor(self, law, batch):
    if not hasattr(law, 'channel'):
      return {}
    # A word has one translation, in the same place; where a text ends, so does
    # its translation.
    words = len(law.channel)
    source = ideal.symbols(self.vocabulary, batch['encoder_inputs'])
    labels = ideal.symbols(self.vocabulary, batch['targets'])
    end = np.eye(2 * words + 1)[-1]
    rows = np.pad(law.channel, ((0, 0), (words, 1)))
    return {'seq2seq': ideal.Ideal(
        np.where(source[..., None] < 0, end, rows[source]),
        np.where(labels < 0, 2 * words, labels))}


def closed(tokens, segment_ids, eos_id):
  """Ends every document with `</s>`.

  Args:
    tokens, segment_ids: int32 `[length]`; padding is at the end.
    eos_id: id of `</s>`.

  Returns:
    both, int32 `[length + 1]`. Where tokens and ends do not fit together, the
    last documents have no end.
  """
  size = tokens.shape[0] + 1
  real = segment_ids > 0
  ends = real & (segment_ids != jnp.append(segment_ids[1:], 0))
  room = size - jnp.sum(real)
  before = jnp.cumsum(ends) - ends
  place = jnp.arange(size - 1) + jnp.minimum(before, room)
  place = jnp.where(real, place, size)
  end = jnp.where(ends & (before < room), place + 1, size)
  def put(values, at_ends):
    return jnp.zeros((size,), jnp.int32).at[place].set(
        values, mode='drop').at[end].set(at_ends, mode='drop')
  return put(tokens, eos_id), put(segment_ids, segment_ids)


def smoothed(term, features, table, bias, rate, over):
  """A cross entropy's `losses.Term` with smoothed labels in its `sum`.

  The labels' cross entropy is nll + share * (logit of the target - mean
  logit), with share = rate for labels smoothed over all V tokens and rate * V
  / (V - 1) over all but the target; so no second softmax is needed.

  Args:
    term, features, table, bias: what `losses.cross_entropy` gave and read.
    rate: chance taken from the target.
    over: 'others' or 'all'.
  """
  size = table.shape[0]
  share = rate * size / (size - 1) if over == 'others' else rate
  direction = (table[term.targets] - jnp.mean(table, 0)[None, None]).astype(
      features.dtype)
  extra = jnp.einsum('bnw,bnw->bn', features, direction,
                     preferred_element_type=jnp.float32)
  if bias is not None:
    extra += bias[term.targets] - jnp.mean(bias)
  return term._replace(
      sum=term.sum + share * jnp.sum(term.weights * extra))
