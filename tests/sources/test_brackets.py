"""Brackets close what they opened, at most so deep."""

import math

import numpy as np
import pytest

from ptm_jax.sources import brackets


def test_what_is_closed_was_opened_last():
  source = brackets.Source(kinds=3, depth=3)
  source.validate()
  rows = source.law().sample(np.random.default_rng(0), 200, 40)
  deepest = 0
  for row in rows.tolist():
    stack = []
    for symbol in row:
      if symbol < 3:
        stack.append(symbol)
      elif stack:  # else it was opened before the document began
        assert stack.pop() == symbol - 3
      deepest = max(deepest, len(stack))
  assert deepest == 3


def test_a_single_level_by_hand():
  law = brackets.Source(kinds=2, depth=1).law()
  # Open one of two, close it: half the symbols are certain.
  assert law.entropy_rate() == pytest.approx([math.log(2) / 2] * 2, abs=1e-12)
  shown = law.evidence([[0, -1, -1]])
  np.testing.assert_allclose(law.before(shown)[0], [
      [.25, .25, .25, .25], [0, 0, 1, 0], [.5, .5, 0, 0]], atol=1e-12)
  # A closing bracket tells what was opened.
  np.testing.assert_allclose(
      law.behind(law.evidence([[-1, 3]]))[0, 0], [0, 1, 0, 0], atol=1e-12)


def test_stacks_by_hand():
  law = brackets.Source(kinds=1, depth=2, opening=0.25).law()
  # Depths 0, 1, 2 have shares 3/8, 1/2, 1/8, since 1 goes to 0 three times in
  # four; only depth 1 is in doubt.
  doubt = -.25 * math.log(.25) - .75 * math.log(.75)
  assert law.entropy_rate() == pytest.approx([doubt / 2] * 2, abs=1e-12)
  # Behind `((` comes `)`, whatever came before.
  np.testing.assert_allclose(
      law.before(law.evidence([[0, 0, -1]]))[0, 2], [0, 1], atol=1e-12)
