"""Gap sentences: its card's vector, the three choices, ROUGE, what stays."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.leaks import Prover
from ptm_jax.objectives import gap_sentences
from tests.objectives.cases import bound
from tests.objectives.words import VOCABULARY, random_windows, sentences, show

# The choice by ROUGE follows from the tokens, so its data proof says nothing.
FIELDS = {'ratio': 0.4, 'choice': 'random', 'keep_share': 0.3}
LEARNS = {'seq2seq': 2.9}


def rebuild(one):
  """What stays is in the input, what is hidden among the targets."""
  targets = one['targets'][one['weights'] > 0][:-1]
  shown = one['encoder_inputs'][one['encoder_segment_ids'] > 0][:-1]
  kept = one['kept'][:len(shown)]
  out, rest = np.zeros(one['noise'].shape, np.int32), ~one['noise']
  out[np.flatnonzero(rest)[:np.sum(shown != VOCABULARY.mask_id)]] = shown[
      shown != VOCABULARY.mask_id]
  # Targets come in the order of the text: kept sentences are among them.
  chosen = one['noise'].copy()
  chosen[np.flatnonzero(rest)[:len(shown[shown != VOCABULARY.mask_id])]] = kept[
      shown != VOCABULARY.mask_id]
  out[chosen] = targets
  return out[out > 0]


def gaps(text, **fields):
  """Input and target of a text of sentences."""
  tokens = jax.tree.map(jnp.asarray, sentences(text))
  one = bound('gap_sentences', length=len(tokens['tokens']),
              **{'keep_share': 0.0, **fields}).corrupt(
                  jax.random.key(0), tokens)
  return (show(one['encoder_inputs'][one['encoder_segment_ids'] > 0]),
          show(one['targets'][one['weights'] > 0]))


def test_vector():
  # Of three sentences the second shares c with the first and e with the third.
  assert gaps('a b c x | c d e y | e f g z', ratio=0.4,
              choice='principal') == (
      'a b c x [M] e f g z </s>', 'c d e y </s>')


def test_lead():
  assert gaps('a b | c d | e f | g h | i j', ratio=0.4, choice='lead') == (
      '[M] [M] e f g h i j </s>', 'a b c d </s>')


def test_repeats_count_as_often_as_both_sides_have_them():
  # 'a a a' has one a in common with the rest, 'b b' two bs.
  assert gaps('a a a | b b | b b a', ratio=0.34, choice='principal') == (
      'a a a b b [M] </s>', 'b b a </s>')
  assert gaps('a a a | b b | c b d b', ratio=0.34, choice='principal')[1] == (
      'b b </s>')


def test_a_single_sentence_is_only_read():
  assert gaps('a b c') == ('a b c </s>', '</s>')


def test_sentences_that_do_not_fit_stay():
  # 9 tokens, twice a quarter of them: 5 may be written.
  assert gaps('a a a | a a a | b b b', ratio=0.25, choice='lead') == (
      '[M] a a a b b b </s>', 'a a a </s>')
  assert gaps('a a a a a a | b | c c', ratio=0.25, choice='lead') == (
      'a a a a a a b c c </s>', '</s>')


def test_kept_sentences_show_and_are_written():
  found = {gaps('a b | c d', ratio=0.5, choice='lead', keep_share=share)
           for share in (0.0, 0.999999)}
  assert found == {('[M] c d </s>', 'a b </s>'),
                   ('a b c d </s>', 'a b </s>')}


def rouge(one, rest):
  """ROUGE-1 F1 by its definition."""
  common = (collections.Counter(one) & collections.Counter(rest)).total()
  if not common:
    return 0.0
  precision, recall = common / len(one), common / len(rest)
  return 2 * precision * recall / (precision + recall)


def test_choice_is_that_of_rouge():
  windows = random_windows(40, 60, 2, 5)
  windows['tokens'] = np.where(windows['tokens'] > 0,
                               7 + windows['tokens'] % 9, 0)
  counts = jnp.asarray([0, 0, *[2] * 60])

  @jax.jit
  @jax.vmap
  def choose(tokens, segment_ids, starts):
    scores = gap_sentences.overlap(
        tokens, segment_ids, jnp.cumsum(starts) - 1)
    return gap_sentences.best(scores, starts, segment_ids, counts)

  starts = windows['flags'] & 2 > 0
  chosen = np.asarray(choose(
      windows['tokens'], windows['segment_ids'], starts))
  compared = 0
  for row in range(40):
    for segment in (1, 2):
      inside = windows['segment_ids'][row] == segment
      places = np.flatnonzero(starts[row] & inside)
      if len(places) < 3:
        continue
      text = windows['tokens'][row]
      ends = [*places[1:], np.flatnonzero(inside)[-1] + 1]
      parts = [text[a:b].tolist() for a, b in zip(places, ends, strict=True)]
      scores = [rouge(part, sum(parts[:i] + parts[i + 1:], []))
                for i, part in enumerate(parts)]
      order = sorted(range(len(parts)), key=lambda i: (
          -round(scores[i], 9), i))  # pylint: disable=cell-var-from-loop
      assert sorted(places[order[:2]]) == np.flatnonzero(
          chosen[row] & inside).tolist()
      compared += 1
  assert compared > 60


def test_all_sets_of_sentences_are_equally_likely():
  tokens = jax.tree.map(jnp.asarray, sentences('a | b | c | d'))
  objective = bound('gap_sentences', length=4, ratio=0.5, keep_share=0.0)
  hidden = np.asarray(jax.vmap(
      lambda key: objective.corrupt(key, tokens)['noise'])(
          jax.random.split(jax.random.key(0), 3000)))
  sets = collections.Counter(map(tuple, hidden.tolist()))
  assert len(sets) == 6 and all(sum(one) == 2 for one in sets)
  assert all(abs(count - 500) < 82 for count in sets.values())


def test_sentences_stay_whole_and_with_their_share():
  tokens = jax.tree.map(jnp.asarray, sentences('a b | c d | e f | g h'))
  objective = bound('gap_sentences', length=8, ratio=0.5, choice='lead',
                    keep_share=0.25)
  hidden = np.asarray(jax.vmap(
      lambda key: objective.corrupt(key, tokens)['noise'])(
          jax.random.split(jax.random.key(0), 3000)))
  assert np.array_equal(hidden[:, ::2], hidden[:, 1::2])
  # Four standard errors of 6,000 draws.
  assert hidden[:, :4].mean() == pytest.approx(0.75, abs=0.023)
  assert not hidden[:, 4:].any()


def test_a_choice_by_rouge_follows_from_the_tokens():
  assert bound('gap_sentences', choice='principal').exempt({}) == {
      'seq2seq': None}


def test_lead_does_not_leak():
  shared = Prover(bound('gap_sentences', choice='lead', keep_share=0.0))
  (verdict,) = shared.data(random_windows(3, 12, 2, 2))
  assert not verdict.leaks and verdict.checked > 0, verdict


@pytest.mark.parametrize('fields,found', [
    ({'ratio': 0.0}, 'ratio=0.0'), ({'keep_share': 1.0}, 'keep_share=1.0'),
    ({'choice': 'leads'}, 'did you mean lead')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'gap_sentences')(**fields).validate()
