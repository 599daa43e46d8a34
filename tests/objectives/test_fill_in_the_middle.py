"""Fill in the middle: its card's vector in both orders, packing, its laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import fill_in_the_middle
from tests.objectives.cases import bound
from tests.objectives.words import VOCABULARY, random_windows, show, window

FIELDS = {'rate': 0.9}
LEARNS = {'lm': 2.9}
PRE, SUF, MID = (VOCABULARY.mark_id(number) for number in range(3))


def rebuild(one):
  """Marks say where the parts are, whatever the order."""
  text = one['targets'][one['weights'] > 0].tolist()
  if PRE not in text:
    return np.asarray(text)
  begin, suf, mid = text.index(PRE), text.index(SUF), text.index(MID)
  end = text.index(VOCABULARY.eos_id)
  return np.asarray(text[:begin] + text[begin + 1:suf] + text[mid + 1:end]
                    + text[suf + 1:mid] + text[end + 1:])


def cut(text, segments=None, at=(3, 6), **fields):
  """A window whose longest document is cut at two places."""
  patch = pytest.MonkeyPatch()
  patch.setattr(fill_in_the_middle.Objective, 'cuts',
                lambda *_: jnp.asarray(at))
  tokens = window(text, segments)
  one = bound('fill_in_the_middle', length=len(tokens['tokens']),
              **{'rate': 0.999999, **fields}).corrupt(
                  jax.random.key(0), tokens)
  patch.undo()
  return one


@pytest.mark.parametrize('spm_share,expected', [
    (0.0, '<PRE> a b c <SUF> g h <MID> d e f </s>'),
    (1.0, '<PRE> <SUF> g h <MID> a b c d e f </s>')])
def test_vector(spm_share, expected):
  one = cut('a b c d e f g h', spm_share=spm_share)
  assert named(one['targets']) == expected
  assert named(one['inputs']) == '<s> ' + expected.removesuffix(' </s>')
  assert one['weights'].tolist() == [1] * 12
  assert one['positions'].tolist() == list(range(12))


@pytest.mark.parametrize('at,expected', [
    ((0, 2), '<PRE> <SUF> <MID> a b </s>'),
    ((1, 1), '<PRE> a <SUF> b <MID> </s>'),
    ((2, 2), '<PRE> a b <SUF> <MID> </s>')])
def test_parts_may_be_empty(at, expected):
  assert named(cut('a b', at=at, spm_share=0.0)['targets']) == expected


def test_only_the_longest_document_is_cut():
  one = cut('a b c d e f .', '1 2 2 2 3 3 0', at=(1, 2), spm_share=0.0)
  assert named(one['targets']) == 'a <PRE> b <SUF> d <MID> c </s> e f .'
  assert one['segment_ids'].tolist() == [1, 2, 2, 2, 2, 2, 2, 2, 3, 3, 0]
  assert named(one['inputs']) == '<s> <s> <PRE> b <SUF> d <MID> c <s> e .'
  assert one['positions'].tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 0, 1, 0]


def test_padding_alone_stays_padding():
  one = cut('. . .', at=(0, 0))
  assert not one['weights'].any() and not one['segment_ids'].any()


def test_rates():
  objective = bound('fill_in_the_middle', length=4, rate=0.5, spm_share=0.25)
  text = jax.tree.map(lambda x: jnp.asarray(x[0]), random_windows(1, 4))
  found = np.asarray(jax.vmap(
      lambda key: objective.corrupt(key, text)['targets'])(
          jax.random.split(jax.random.key(1), 6000)))
  moved = found[:, 0] == PRE
  # Four standard errors of 6,000 draws, of 3,000 for what is moved.
  assert moved.mean() == pytest.approx(0.5, abs=0.026)
  # <SUF> comes next in SPM, and in PSM where the prefix is empty: 9 of the 25
  # pairs of cuts have a 0.
  assert (found[moved][:, 1] == SUF).mean() == pytest.approx(
      0.25 + 0.75 * 9 / 25, abs=0.037)


def test_both_cuts_are_uniform():
  objective = bound('fill_in_the_middle', length=4)
  cuts = np.asarray(jax.vmap(lambda key: objective.cuts(key, 4))(
      jax.random.split(jax.random.key(2), 6000)))
  counts = np.bincount(cuts[:, 1] - cuts[:, 0], minlength=5)
  assert counts / 6000 == pytest.approx(
      np.asarray([5, 8, 6, 4, 2]) / 25, abs=0.026)


@pytest.mark.parametrize('fields,found', [
    ({'rate': 0.0}, 'rate=0.0'), ({'rate': 1.0}, 'rate=1.0'),
    ({'spm_share': 1.5}, '1.5')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'fill_in_the_middle')(**fields).validate()


def named(ids):
  marks = {PRE: '<PRE>', SUF: '<SUF>', MID: '<MID>'}
  return ' '.join(marks.get(int(one)) or show([one]) for one in ids)
