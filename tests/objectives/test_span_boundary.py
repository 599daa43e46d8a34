"""Span boundary objective: its card's vector, which spans it leaves out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import units
from tests.objectives.cases import bound
from tests.objectives.test_masked import rebuild  # noqa: F401
from tests.objectives.words import ids, show, window

FIELDS = {'rate': 0.25, 'max_words': 1}
LEARNS = {'mlm': 3.8, 'sbo': 3.9}


def pairs(monkeypatch, text, spans, **fields):
  """What the second term predicts: (left, right, place, target) by token."""
  tokens = window(*text)
  hidden = np.isin(np.arange(len(tokens['tokens']) + 2), spans)
  monkeypatch.setattr(units, 'spans', lambda *arguments: jnp.asarray(hidden))
  objective = bound('span_boundary', length=len(tokens['tokens']), rate=0.6,
                    **fields)
  one = objective.corrupt(jax.random.key(0), tokens)
  chosen = np.asarray(one['span_weights']) > 0
  shown = ids('[CLS] a b c d e f g h [SEP]')
  return [(show([shown[l]]), show([shown[r]]), int(p), show([t]))
          for l, r, p, t in zip(
              one['left'][chosen], one['right'][chosen], one['place'][chosen],
              one['targets'][one['predicted'][chosen]])]


def test_vector(monkeypatch):
  # Card 8: span 2-4 of the text; tokens 3-5 behind [CLS].
  assert pairs(monkeypatch, ('a b c d e f g h',), [3, 4, 5]) == [
      ('b', 'f', 0, 'c'), ('b', 'f', 1, 'd'), ('b', 'f', 2, 'e')]


@pytest.mark.parametrize('spans', [[1, 2], [7, 8]])
def test_a_span_at_the_edge_has_no_outside(monkeypatch, spans):
  assert pairs(monkeypatch, ('a b c d e f g h',), spans) == []


def test_a_span_between_documents_has_none_of_its_own(monkeypatch):
  text = ('a b c d e f g h', '1 1 1 1 2 2 2 2')
  assert pairs(monkeypatch, text, [4, 5, 7]) == [('f', 'h', 0, 'g')]


def test_long_spans_are_cut(monkeypatch):
  assert pairs(monkeypatch, ('a b c d e f g h',), [3, 4, 5],
               max_span_targets=2) == [('b', 'f', 0, 'c'), ('b', 'f', 1, 'd')]


def test_a_bad_field_is_refused():
  with pytest.raises(ConfigError, match='max_span_targets=0'):
    find('objectives', 'span_boundary')(max_span_targets=0).validate()
