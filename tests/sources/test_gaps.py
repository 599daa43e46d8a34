"""Texts with gaps of unknown length: sums over lengths, two ways."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ptm_jax.sources.chain import Chain
from ptm_jax.sources.gaps import GAP, OVER
from ptm_jax.sources.law import Law
from tests.sources.test_laws import random_chain


def test_two_gaps_by_hand():
  # After a comes b, after b either; the text is `a ? a ? b`, 2 are hidden.
  law = Chain([[0., 1.], [.5, .5]], np.eye(2))
  weights = np.array([[[0., 1, 1], [1., 1, 1]]])
  found = law.gapped(np.array([[0, GAP, 0, GAP, 1]]), weights, [2], [0])
  # Behind a is b. `a b b a b` has .25 of its own, `a b a b b` as much.
  np.testing.assert_allclose(found, [[0, 1, 0]], atol=1e-12)
  found = law.gapped(np.array([[0, GAP, 0, GAP, 1]]), weights, [2], [1])
  np.testing.assert_allclose(found, [[0, .5, .5]], atol=1e-12)
  # What stands in the gap is told by its length.
  weights[0, 0, 2] = 3
  found = law.gapped(np.array([[0, GAP, 0, GAP, 1]]), weights, [2], [1])
  np.testing.assert_allclose(found, [[0, .25, .75]], atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(0, 4))
def test_powers_of_the_transition_are_sums_over_lengths(seed, gaps, hidden):
  rng = np.random.default_rng(seed)
  law = random_chain(rng)
  texts = rng.integers(0, law.num_symbols, (3, 5))
  for row in texts:
    row[rng.choice(5, gaps, replace=False)] = GAP
  texts[0] = np.append(texts[0, 1:], OVER) if texts[0, 0] != GAP else texts[0]
  weights = rng.random((3, gaps, 5)) * (rng.random((3, gaps, 5)) < .8)
  weights[:, 0] += .1  # so that some lengths fit
  weights[:, 1:, 0] += .1
  asked = rng.integers(0, gaps, 3)
  count = np.full(3, hidden)
  found = law.gapped(texts, weights, count, asked)
  np.testing.assert_allclose(found.sum(1), 1)
  np.testing.assert_allclose(
      found, Law.gapped(law, texts, weights, count, asked), atol=1e-10)
