"""Blank infilling: its card's vector, packing, and the laws of each unit."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.config import Model
from ptm_jax.data.vocabulary import Listed
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.leaks import Prover
from ptm_jax.objectives import blank_infilling, units
from tests.objectives.cases import bound, prover
from tests.objectives.words import (VOCABULARY, random_windows, sentences,
                                    show, window)

FIELDS = {'rate': 0.4, 'mean_span': 2.0}
LEARNS = {'seq2seq': 3.4}
KEYS = jax.random.split(jax.random.key(0), 2000)


def rebuild(one):
  """Each mask gives way to the block of its document and position."""
  blocks, out = {}, []
  for row in np.flatnonzero(one['weights'] > 0):
    if one['targets'][row] != VOCABULARY.eos_id:
      blocks.setdefault((one['decoder_segment_ids'][row],
                         one['decoder_positions'][row]), []).append(
                             one['targets'][row])
  for row in np.flatnonzero(one['encoder_segment_ids'] > 0):
    place = one['encoder_segment_ids'][row], one['encoder_positions'][row]
    out.extend(blocks.get(place, [one['encoder_inputs'][row]]))
  return np.asarray(out)


def blank(text, begins, lengths, segments=None, **fields):
  """A window with the given spans."""
  patch = pytest.MonkeyPatch()
  patch.setattr(blank_infilling.Objective, 'spans', lambda *_: (
      jnp.asarray(begins), jnp.asarray(lengths)))
  tokens = jax.tree.map(jnp.asarray, window(text, segments))
  one = bound('blank_infilling', length=len(tokens['tokens']),
              **fields).corrupt(jax.random.key(0), tokens)
  patch.undo()
  return one


def rows(one, field):
  """Part A and part B without their padding."""
  return [one[f'{side}_{field}'][one[f'{side}_segment_ids'] > 0].tolist()
          for side in ('encoder', 'decoder')]


def test_vector():
  one = blank('a b c d e f', [4, 2], [2, 1])
  assert [show(part) for part in rows(one, 'inputs')] == [
      'a b [M] d [M]', '<s> e f <s> c']
  assert rows(one, 'positions') == [[0, 1, 2, 3, 4], [4, 4, 4, 2, 2]]
  assert rows(one, 'block_positions') == [[0] * 5, [1, 2, 3, 1, 2]]
  assert show(one['targets'][one['weights'] > 0]) == 'e f </s> c </s>'
  assert one['noise'].astype(int).tolist() == [0, 0, 1, 0, 1, 1]


def test_packed_documents_and_spans_that_are_not_used():
  one = blank('a b c d e f .', [5, 0, 0], [1, 2, 0], '1 1 1 2 2 2 0')
  assert [show(part) for part in rows(one, 'inputs')] == [
      '[M] c d e [M]', '<s> f <s> a b']
  assert rows(one, 'segment_ids') == [[1, 1, 2, 2, 2], [2, 2, 1, 1, 1]]
  assert rows(one, 'positions') == [[0, 1, 0, 1, 2], [2, 2, 0, 0, 0]]


def test_spans_end_with_their_document():
  windows = random_windows(8, 12, 3, 2)
  batch = jax.tree.map(np.asarray, {
      name: value for name, value in prover('blank_infilling').corrupt(
          windows).items() if name != 'key'})
  for row in range(8):
    one = {name: value[row] for name, value in batch.items()}
    for segment in (1, 2, 3):
      shown = one['encoder_inputs'][one['encoder_segment_ids'] == segment]
      written = one['targets'][one['decoder_segment_ids'] == segment]
      found = [*shown[shown != VOCABULARY.mask_id],
               *written[written != VOCABULARY.eos_id]]
      assert sorted(found) == sorted(
          windows['tokens'][row][windows['segment_ids'][row] == segment])


def test_both_parts_are_one_stack_with_their_positions():
  """What the trunk reads: shifted positions would show in the states."""
  objective, params = prover('blank_infilling').objective, prover(
      'blank_infilling').params
  batch = prover('blank_infilling').corrupt(random_windows(2, 12))
  joined = blank_infilling.sequence_to_sequence.join(
      blank_infilling.sequence_to_sequence.base.stack_of(
          batch, 'encoder_', 'decoder_'))
  assert np.array_equal(joined['positions'][:, 12:],
                        batch['decoder_positions'])
  table = params['trunk']['inputs']['block_position_embedding']['embedding']
  assert table.shape == (256, 8)
  states = objective.trunk().apply({'params': params['trunk']}, joined)
  flat = objective.trunk().apply({'params': params['trunk']}, dict(
      joined, block_positions=0 * joined['block_positions']))
  assert not np.allclose(states, flat)


@pytest.fixture(scope='module')
def spans():
  """2,000 draws for 200 tokens, 30 of them to be reached, of 23 spans."""
  law = jnp.asarray(units.poisson_law(3.0, 1, 16))
  return map(np.asarray, jax.jit(jax.vmap(
      lambda key: blank_infilling.draw_spans(key, 200, 30, law, 23)))(KEYS))


def test_spans_reach_the_count_and_keep_apart(spans):
  begins, lengths = spans
  used = lengths > 0
  ends = begins + lengths
  assert (np.sum(lengths, 1) >= 30).all()
  last = np.take_along_axis(lengths, used.sum(1)[:, None] - 1, 1)[:, 0]
  assert (np.sum(lengths, 1) - last < 30).all()
  assert (begins[:, 1:] > ends[:, :-1])[used[:, 1:]].all()
  assert begins.min() == 0 and ends.max() == 200
  # The first length has Poisson's law without its zeros: 3.157 on average.
  mean = 3 / (1 - math.exp(-3))
  deviation = math.sqrt(mean * (1 + 3 - mean))
  assert lengths[:, 0].mean() == pytest.approx(
      mean, abs=4 * deviation / math.sqrt(2000))
  assert (lengths[:, 0] == 1).mean() == pytest.approx(
      3 * math.exp(-3) / (1 - math.exp(-3)), abs=0.033)
  # All places are equally likely: spans and gaps are so on both sides.
  assert (begins[:, 0].mean() - (200 - ends[used & (
      np.cumsum(used, 1) == used.sum(1)[:, None])].mean())) == pytest.approx(
          0, abs=3)


def test_places_are_drawn_one_by_one():
  begins, _ = jax.vmap(lambda key: blank_infilling.draw_spans(
      key, 5, 2, jnp.ones(1), 2))(KEYS)
  layouts, counts = np.unique(begins, axis=0, return_counts=True)
  assert layouts.tolist() == [
      [0, 2], [0, 3], [0, 4], [1, 3], [1, 4], [2, 4]]
  chances = np.array([1, 2, 2, 1, 2, 1]) / 9
  assert np.all(np.abs(counts / 2000 - chances) < 4 * np.sqrt(
      chances * (1 - chances) / 2000))


def test_spans_fill_a_short_text_and_no_more():
  law = jnp.asarray(units.poisson_law(0.5, 1, 16))
  begins, lengths = map(np.asarray, jax.vmap(
      lambda key: blank_infilling.draw_spans(key, 5, 4, law, 4))(KEYS[:200]))
  ends = begins + lengths
  assert (begins >= 0).all() and (ends <= 5).all()
  assert (begins[:, 1:] > ends[:, :-1])[lengths[:, 1:] > 0].all()


def hidden(text, keys=KEYS[:400], **fields):
  """Each draw's hidden letters."""
  tokens = jax.tree.map(jnp.asarray, sentences(text))
  objective = bound('blank_infilling', length=len(tokens['tokens']), **fields)
  noise = np.asarray(jax.jit(jax.vmap(
      lambda key: objective.corrupt(key, tokens)['noise']))(keys))
  return [''.join(chr(97 + i) for i in np.flatnonzero(row)) for row in noise]


def test_whole_sentences_reach_the_count():
  found = hidden('a b | c d e | f g h i j k | l m n', unit='sentence', rate=0.2)
  # 3 of 14 tokens are to be reached; of more than 6 there is no sentence.
  assert set(found) == {'cde', 'lmn', 'fghijk', 'abcde', 'abfghijk', 'ablmn'}
  found = hidden('a b | c d e | f g h i j k | l m n', unit='sentence', rate=0.1)
  assert set(found) == {'ab', 'cde', 'lmn'}  # at most 3 tokens
  assert found.count('ab') == pytest.approx(400 / 3, abs=38)


def test_one_span_ends_the_longest_document():
  found = hidden('a b c d e', unit='document', shortest=0.5)
  assert set(found) == {'abcde', 'bcde', 'cde'}
  assert all(found.count(one) == pytest.approx(400 / 3, abs=38)
             for one in set(found))


@pytest.mark.parametrize('unit,mark', [('sentence', 0), ('document', 1)])
def test_no_unit_leaks_and_each_has_its_mask(unit, mark):
  shared = Prover(bound('blank_infilling', unit=unit))
  windows = random_windows(3, 12, 2, 2)
  (verdict,) = shared.data(windows)
  assert not verdict.leaks and verdict.checked > 0, verdict
  batch = shared.corrupt(windows)
  assert (batch['encoder_inputs'] == VOCABULARY.mark_id(mark)).any()
  for row in range(3):
    one = {name: np.asarray(value[row]) for name, value in batch.items()
           if name != 'key'}
    assert rebuild(one).tolist() == windows['tokens'][row][:10].tolist()


@pytest.mark.parametrize('fields,found', [
    ({'rate': 0.0}, 'rate=0.0'), ({'unit': 'spans'}, 'did you mean span'),
    ({'mean_span': 9.0}, 'mean_span=9.0'), ({'shortest': 1.0}, 'shortest=1.0')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'blank_infilling')(**fields).validate()


def test_too_few_block_positions_are_refused_whatever_the_positions():
  with pytest.raises(ConfigError, match='needs 102 positions'):
    bound('blank_infilling', length=100, unit='document',
          model=Model(positions='rotary', max_length=101))


def test_spans_need_no_sentinels():
  """As of a published vocabulary, which has a mask and nothing else."""
  listed = Listed(30, tuple((role, one) for one, role in enumerate(
      ('pad', 'bos', 'eos', 'unk', 'mask'))), (), tuple(range(5, 30)))
  objective = blank_infilling.Objective()
  objective.vocabulary = listed
  assert objective._mask_id() == 4
  objective.unit = 'sentence'
  with pytest.raises(ConfigError, match='no sentinels'):
    objective._mask_id()
