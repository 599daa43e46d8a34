"""Thirteen tokens in a row: counted exactly, wherever they stand."""

import types

import numpy as np

from ptm_jax.tasks import overlap


def test_shared_runs_are_found_at_any_place_and_only_whole():
  draw = np.random.default_rng(0)
  corpus = draw.integers(0, 50, 5000).astype(np.int32)
  inside = np.concatenate([[1, 2], corpus[100:113], [3]])
  almost = np.concatenate([corpus[200:212], [99]])
  swapped = corpus[300:313].copy()
  swapped[[0, 1]] = swapped[[1, 0]] + 1
  short = corpus[400:412]
  found = overlap.shared([inside, almost, swapped, short, corpus[-13:]],
                         corpus)
  assert found.tolist() == [True, False, False, False, True]


def test_a_corpus_in_parts_loses_no_run(monkeypatch):
  corpus = np.random.default_rng(1).integers(0, 50, 300).astype(np.int32)
  monkeypatch.setattr(overlap, '_AT_ONCE', 16)
  assert overlap.shared([corpus[start:start + 13] for start in range(288)],
                        corpus).all()


def test_what_a_published_trunk_has_read_is_not_known(tmp_path):
  (tmp_path / 'config.json').write_text('{"model_type": "bert"}')
  said = []
  assert overlap.with_pretraining(
      types.SimpleNamespace(), tmp_path, [], said.append) == {
          'test_in_pretraining': None}
  assert said == ['overlap with the pre-training text is not known: nothing '
                  'says what a published trunk has read']
