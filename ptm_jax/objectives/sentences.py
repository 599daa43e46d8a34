"""What objectives share that cut a document into runs of sentences, show some
of them as `[CLS] A [SEP] B [SEP]`, and ask one question about the whole.

A window gives its longest document; the packing 'document' loses nothing.
"""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from ptm_jax import losses
from ptm_jax.models.heads import PooledClassifier
from ptm_jax.objectives import arrange, base, ideal, parts, readings


@dataclasses.dataclass
class SentenceLevel(base.BaseObjective):
  """A question about a text of several parts, answered from `[CLS]`.

  Class attributes that an objective sets:
    term: of the loss.
    num_parts: most parts that are shown.

  Attributes:
    whole_sentences: leaves out what a window's edges may have cut off of a
      sentence, and takes whole sentences of another document. Parts that
      begin or end within one tell where they stood; so documents that are
      longer than a window need this, and those that are not would lose their
      last sentence. A document of less than two whole sentences is shown and
      not asked about.
  """

  whole_sentences: bool = False

  forms = ('encoder',)
  needs_sentences = True
  arranges, changes = True, False
  term: ClassVar[str] = ''
  num_parts: ClassVar[int] = 2

  def num_classes(self):
    """Answers that there are."""
    return 2

  def compose(self, key, window):
    """What is shown, and what is asked.

    Returns:
      A list of parts in the order shown, each `(text, chosen)`, as
      `parts.joined` takes them; the label, int32; whether there is a question
      at all, bool.
    """
    raise NotImplementedError

  def origins(self):
    """Where the parts are from, under each label, for the floor.

    Returns:
      A list of pairs: the places of the parts in the order in which they
      stood in one document, and where the second was instead: 'apart', in
      another document, 'behind', at the end with text in between, or None.
    """
    raise NotImplementedError

  def other(self, key, window, part, room):
    """About `room` tokens of another document, to stand behind part 0."""
    if not self.whole_sentences:
      return parts.partner(key, window, room)
    most = jnp.where(jnp.any(part == 1),
                     self.raw_length - jnp.sum(part == 0), 0)
    return parts.whole_partner(key, window, room, most)

  def lengths(self):
    return {'inputs': self.raw_length + 1 + self.num_parts}

  def coefficients(self):
    return {self.term: 1.0}

  def arrange(self, key, window):
    shown, label, asked = self.compose(key, window)
    return {**parts.joined(shown, self.lengths()['inputs'], self.vocabulary),
            'label': label[None].astype(jnp.int32),
            'total': jnp.sum(arrange.longest_document(window['segment_ids']))[
                None],
            'asked': asked[None].astype(jnp.float32)}

  def noise(self, key, arranged):
    del key
    return {'inputs': arranged['tokens'],
            'noise': jnp.zeros(arranged['tokens'].shape, bool),
            'weights': arranged['asked'],
            **{name: arranged[name] for name in (
                'segment_ids', 'positions', 'token_types', 'label', 'asked',
                'total')}}

  def networks(self):
    length = self.lengths()['inputs']
    return {'trunk': (self.trunk(), (base.empty_stack(length),)),
            'sentence_head': (self._classifier(),
                              (jnp.zeros((1, 1, self.model.width)),))}

  def _classifier(self):
    return PooledClassifier(self.model, self.num_classes())

  def score(self, params, hidden, batch):
    logits = self._classifier().apply(
        {'params': params['sentence_head']}, hidden)
    return {self.term: losses.class_cross_entropy(
        logits[:, None], batch['label'], batch['asked'])}

  def visibility(self, batch):
    return {self.term: {'inputs': batch['segment_ids'][:, None] > 0}}

  def exempt(self, batch):
    return {self.term: None}  # the label is no token of the text

  def floor(self, law, batch):
    shown = ideal.symbols(self.vocabulary, batch['inputs'])
    parted = self.parted(law, batch, shown >= 0)
    return {} if parted is None else self.answers(
        parted, law.evidence(shown), True, batch)

  def parted(self, law, batch, text):
    """The law of texts as they are shown, or None: sentences of several
    lengths tell of the cuts, and whole ones of windows that cut one leave out
    some places of another document.

    Args:
      law: of the source.
      batch: a corrupted one.
      text: bool `[batch, length]`, what of the inputs is text.
    """
    if not law.sentence_length or (self.whole_sentences and self.partner):
      return None
    separators = np.asarray(batch['inputs']) == self.vocabulary.sep_id
    part = np.where(text, np.cumsum(separators, 1), -1)
    return readings.Parted(law, self.origins(), part, separators.sum(1),
                           np.asarray(batch['total'])[:, 0])

  def answers(self, parted, evidence, exact, batch):
    """The floor of the question, given what is seen of the text."""
    chances, _ = parted.labels(evidence)
    return {self.term: ideal.Ideal(
        chances[:, None], np.asarray(batch['label'], np.int64), exact)}

  def read(self, window):
    # A text is read as the first part, as in fine-tuning.
    arranged = arrange.surround(
        window, self.vocabulary.cls_id, self.vocabulary.sep_id)
    return {'inputs': arranged['tokens'],
            'segment_ids': arranged['segment_ids'],
            'positions': arranged['positions']}
