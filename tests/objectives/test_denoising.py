"""Denoising: its card's vector under each noise, packing, laws and shares."""

import collections
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import denoising, units
from tests.objectives.cases import bound
from tests.objectives.words import (VOCABULARY, ids, random_windows, sentences,
                                    show)

FIELDS = {'infill_rate': 0.3, 'mask_rate': 0.1, 'delete_rate': 0.1,
          'rotate_rate': 0.3}
LEARNS = {'seq2seq': 2.9}
OFF = {**dict.fromkeys(FIELDS, 0.0), 'permute_sentences': False}
KEYS = jax.random.split(jax.random.key(0), 2000)


def rebuild(one):
  return one['targets'][one['weights'] > 0][:-1]


def outcomes(keys=KEYS, **fields):
  """What the encoder shows of `a b c . d e .`, and how often; x and y are the
  full stops."""
  text = jax.tree.map(jnp.asarray, sentences('a b c x | d e y'))
  objective = bound('denoising', length=7, **{**OFF, **fields})
  @jax.jit
  @jax.vmap
  def corrupt(key):
    one = objective.corrupt(key, text)
    return one['encoder_inputs'], one['encoder_segment_ids'], one['targets']
  shown, segments, targets = map(np.asarray, corrupt(keys))
  assert {show(row) for row in targets} == {'a b c x d e y </s>'}
  return collections.Counter(
      show(row[real > 0]) for row, real in zip(shown, segments, strict=True))


def test_noise_that_never_falls_leaves_a_copy():
  assert set(outcomes(KEYS[:20], mask_rate=1e-9)) == {'a b c x d e y </s>'}


def test_an_opening_stands_in_front_of_what_is_read_and_written():
  objective = bound('denoising', length=7, opening=True,
                    **{**OFF, 'mask_rate': 1e-9})
  one = objective.corrupt(KEYS[0], sentences('a b c x | d e y'))
  assert show(one['encoder_inputs']) == '<s> a b c x d e y </s>'
  assert show(one['targets']) == '<s> a b c x d e y </s>'
  assert show(one['decoder_inputs'][1:]) == '<s> a b c x d e y'
  assert one['weights'].sum() == 9
  padding = objective.corrupt(KEYS[0], sentences('. . . . . . .'))
  assert not padding['weights'].any()
  with pytest.raises(ConfigError, match='opening=True is for'):
    bound('denoising', 'prefix', opening=True)


@pytest.mark.parametrize('fields,vector,among', [
    ({'mask_rate': 0.3}, 'a [M] c x [M] e y', 128),
    ({'delete_rate': 0.3}, 'a c x e y', 128),
    ({'permute_sentences': True}, 'd e y a b c x', 2),
    ({'rotate_rate': 1.0}, 'c x d e y a b', 7)])
def test_vector(fields, vector, among):
  found = outcomes(**fields)
  assert f'{vector} </s>' in found and len(found) <= among


def test_masks_and_deletions_are_independent():
  found = outcomes(mask_rate=0.3, delete_rate=0.3)
  masks = sum(count * text.count('[M]') for text, count in found.items())
  tokens = sum(count * (len(text.split()) - 1) for text, count in found.items())
  # Of 14,000 tokens, within four standard errors.
  assert masks / 14000 == pytest.approx(0.3 * 0.7, abs=0.014)
  assert tokens / 14000 == pytest.approx(0.7, abs=0.016)


def test_vector_of_infilling():
  """A span of two words, and one of none."""
  found = outcomes(jax.random.split(jax.random.key(0), 20000),
                   infill_rate=2 / 7)
  assert 'a [M] x d [M] e y </s>' in found
  # Two words are covered: by one span, by two that may touch.
  assert {'a b [M] d e y </s>', 'a [M] [M] x d e y </s>'} <= set(found)
  letters = {len(text.replace('[M] ', '').split()) for text in found}
  # Never more; fewer where the text ends before the span.
  assert letters == {6, 7}


def test_permutations_and_rotations_are_uniform():
  found = outcomes(rotate_rate=1.0)
  assert len(found) == 7
  assert all(abs(count - 2000 / 7) < 63 for count in found.values())
  found = outcomes(permute_sentences=True)
  assert all(abs(count - 1000) < 90 for count in found.values())


def test_documents_keep_their_own_text():
  objective = bound('denoising', length=12, **{
      **OFF, 'permute_sentences': True, 'rotate_rate': 1.0})
  windows = random_windows(8, 12, 3, 2)
  batch = jax.jit(jax.vmap(objective.corrupt))(KEYS[:8], windows)
  for row in range(8):
    segments = windows['segment_ids'][row][:10]
    assert batch['encoder_segment_ids'][row][:10].tolist() == segments.tolist()
    for segment in set(segments.tolist()):
      assert sorted(batch['encoder_inputs'][row][:10][segments == segment]
                    ) == sorted(windows['tokens'][row][:10][
                        segments == segment])


def test_placing_by_hand():
  """Words `ab c d e f`; a span within another is lost, one behind it not."""
  starts = jnp.asarray([1, 0, 1, 1, 1, 1], bool)
  patch = pytest.MonkeyPatch()
  # Random order of the words: ab, c, d, e, f.
  patch.setattr(jax.random, 'uniform', lambda *_: jnp.arange(6) / 10)
  begins, covered = denoising.place_spans(
      jax.random.key(0), starts, jnp.asarray([2, 1, 1, 0, 0, 0]))
  patch.undo()
  assert begins.astype(int).tolist() == [1, 0, 0, 1, 0, 0]
  assert covered.astype(int).tolist() == [1, 1, 1, 1, 0, 0]


def test_inserted_masks_belong_to_the_document_before():
  kept = jnp.asarray([1, 0, 0, 1, 1, 0], bool)
  found = set()
  for key in KEYS[:40]:
    tokens, segments = denoising.insert_masks(
        key, ids('a b c d e .'), jnp.asarray([1, 1, 2, 2, 2, 0]), kept, 9,
        VOCABULARY.mask_id)
    text = show(tokens)
    assert text.replace('[M] ', '') == 'a d e .'
    found.add((text, tuple(segments.tolist())))
  # Two words were left out, so two masks have room.
  assert ('a [M] d [M] e .', (1, 1, 2, 2, 2, 0)) in found
  assert ('[M] a [M] d e .', (1, 1, 1, 2, 2, 0)) in found
  assert len(found) == 10


def test_lengths_have_poissons_law():
  law = jnp.asarray(units.poisson_law(3.0, 0, 63))
  lengths, empty = map(np.asarray, jax.vmap(
      lambda key: denoising.draw_spans(key, 60, law, 200))(KEYS))
  assert (lengths.sum(1) == 60).all()
  spans = (lengths > 0).sum(1) + empty
  # Drawn until 60 words are reached: Wald's identity, with the excess that a
  # simulation in plain Python gives.
  expected = [simulated_spans(np.random.default_rng(seed), 60, 3.0)
              for seed in range(2000)]
  both = math.sqrt(2 / 2000)
  for mine, index in ((spans, 0), (empty, 1)):
    theirs = [one[index] for one in expected]
    assert mine.mean() == pytest.approx(
        np.mean(theirs), abs=4 * np.std(theirs) * both)
  # One in e^3 spans is empty.
  assert empty.sum() / spans.sum() == pytest.approx(math.exp(-3), abs=0.005)


def simulated_spans(rng, count, mean):
  number = empty = reached = 0
  while reached < count:
    length = rng.poisson(mean)
    number, reached = number + 1, reached + length
    empty += length == 0
  return number, empty


def test_what_spans_cover_is_as_in_a_simulation():
  """Spans begin at different words at random, and overlap."""
  law = jnp.asarray(units.poisson_law(3.0, 0, 63))
  starts = jnp.ones((100,), bool)

  def place(key):
    lengths, _ = denoising.draw_spans(key, 30, law, 100)
    begins, covered = denoising.place_spans(
        jax.random.fold_in(key, 1), starts, lengths)
    return jnp.sum(begins), jnp.sum(covered)

  mine = np.asarray(jax.vmap(place)(KEYS))
  theirs = np.asarray([simulated_cover(np.random.default_rng(seed))
                       for seed in range(2000)])
  for index in range(2):
    assert mine[index].mean() == pytest.approx(
        theirs[:, index].mean(),
        abs=4 * theirs[:, index].std() * math.sqrt(2 / 2000))


def simulated_cover(rng):
  lengths, left = [], 30
  while left > 0:
    length = min(rng.poisson(3.0), left)
    left -= length
    lengths += [length] * (length > 0)
  places = rng.choice(100, len(lengths), replace=False)
  inner, outer = np.zeros(100, bool), np.zeros(100, bool)
  for place, length in zip(places, lengths, strict=True):
    inner[place + 1:place + length] = True
    outer[place:place + length] = True
  return np.sum(~inner[places]), outer.sum()


@pytest.mark.parametrize('fields,found', [
    ({'infill_rate': 1.0}, 'infill_rate=1.0'), ({'mask_rate': -0.1}, '-0.1'),
    ({'mean_span': 0.0}, 'mean_span=0.0'), ({'rotate_rate': 1.5}, '1.5')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'denoising')(**fields).validate()


def test_only_permutation_needs_sentences():
  assert find('objectives', 'denoising')().needs_sentences
  assert not find('objectives', 'denoising')(
      permute_sentences=False).needs_sentences
