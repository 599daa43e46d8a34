"""Questions about sentences that a trunk was not trained on, asked of it.

So Lan et al. 2020, arXiv:1909.11942, Table 5, asks a model of sentence order
which sentences follow each other, and the other way round. There are two
readings of it, and both are given: the model's own classifier is asked the
other question as it is, or a linear one is fitted to the frozen state of
`[CLS]`. The latter is repeated on untrained trunks.
"""

import math

import jax
import numpy as np

from ptm_jax import transfer
from ptm_jax.data.flags import SENTENCE_START
from ptm_jax.data.windows import Windows, evaluation_batches
from ptm_jax.rng import stream
from ptm_jax.step import evaluation_batch


def score(trained, num_train=8192, num_test=4096):
  """Scores every trial of a group on `evaluation.questions`.

  Args:
    trained: `train.Trained`.
    num_train: windows of the train split that a classifier is fitted to.
    num_test: windows of the validation split that are asked about; both at
      most, those without a second sentence not counted.

  Returns:
    One dict per trial; under `asked/QUESTION/`, as fractions, `head` (of its
    own classifier, where it has one), `probe` and `probe_untrained`, and `se`,
    the standard error that each of them has at most.
  """
  setup = trained.setup
  first = setup.experiments[0]
  scores = [{} for _ in setup.experiments]
  if not first.evaluation.questions:
    return scores
  untrained = [trained.program.init(
      [stream(jax.random.key(one.seed), 'untrained', number)
       for one in setup.experiments], setup.hparams)
               for number in range(transfer.UNTRAINED)]
  for name, question in first.evaluation.questions.items():
    asked = question.bind(setup.objective.model, setup.objective.vocabulary,
                          setup.objective.raw_length)
    batches = [_batches(setup, split, asked, size) for split, size in (
        ('train', num_train), ('validation', num_test))]
    answer = _answers(asked)
    def accuracies(state, answer=answer, batches=batches):
      found = []
      for one in trained.program.split(state):
        train, test = ([np.concatenate(part) for part in zip(*(
            answer(one['params'], batch) for batch in some), strict=True)]
                       for some in batches)
        found.append(_accuracies(train, test))
      return found
    plain = [accuracies(state) for state in untrained]
    for number, one in enumerate(accuracies(trained.state)):
      if one:
        one['probe_untrained'] = float(np.mean(
            [trial[number]['probe'] for trial in plain]))
      scores[number].update((f'asked/{name}/{key}', value)
                            for key, value in one.items())
  return scores


def _batches(setup, split, asked, size):
  """Host batches of a split, in a fixed order, spread evenly."""
  data = setup.experiments[0].data
  windows = Windows(setup.prepared.stores[split], data.raw_length,
                    data.packing, asked.partner)
  return evaluation_batches(windows, data.batch_size,
                            max(1, size // data.batch_size))


def _answers(asked):
  """Returns `(params, windows) -> states of [CLS], labels, answers`, numpy, of
  the windows in which there is something to ask; no answers without a
  classifier."""
  @jax.jit
  def run(params, windows):
    batch = evaluation_batch(asked, windows)
    hidden, _ = asked.run_trunk(params, asked.stack(batch), None)
    answers = (asked.score(params, hidden, batch)[asked.term].correct
               if 'sentence_head' in params else ())
    return hidden[:, 0], batch['label'][:, 0], batch['asked'][:, 0], answers

  def answer(params, windows):
    states, labels, there, answers = jax.tree.map(
        np.asarray, run(params, windows))
    # One sentence alone has no next one: its answer shows in its length.
    several = np.sum((windows['flags'] & SENTENCE_START > 0)
                     & (windows['segment_ids'] > 0), 1) > 1
    used = several & (there > 0)
    correct = answers[used, 0] if len(answers) else np.zeros(0, bool)
    return states[used], labels[used], correct

  return answer


def _accuracies(train, test):
  """Of the answers of `_answers`; {} where nothing was asked."""
  states, labels, correct = test
  if not len(labels) or len(np.unique(train[1])) < 2:
    return {}
  found = {'se': 0.5 / math.sqrt(len(labels)),
           'probe': float(np.mean(labels == transfer.ridge(
               train[0], train[1], states)))}
  if len(correct):
    found['head'] = float(np.mean(correct))
  return found
