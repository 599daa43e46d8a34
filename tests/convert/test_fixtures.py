"""Committed models of transformers give here what they gave there, and come
back as they were.
"""

import jax
import numpy as np
import pytest

from ptm_jax.convert import (export, importing, mapping, published, strips,
                             tensors)
from ptm_jax.convert.check import relative
from ptm_jax.load import load
from tests.convert import cases


@pytest.mark.parametrize('name', cases.COMMITTED)
def test_what_it_gave_and_what_it_was(name, tmp_path):
  there = cases.FIXTURES / name
  importing.write(published.open_folder(there), tmp_path / 'ours')
  run = load(tmp_path / 'ours')
  stack, _, weights = cases.batch(run)
  expected = tensors.Tensors(there, 'expected.safetensors').read('scores')
  real = weights > 0
  scores = cases.forward(run, stack, cases.is_bare(name))
  expected = expected.reshape(scores.shape)
  if scores.ndim == 3:
    scores, expected = scores[real], expected[real]
  assert relative(scores, expected) < 2e-5

  made = export.plan(run, origin=published.origin(tmp_path / 'ours'))
  export.write(run, made, tmp_path / 'back')
  before, after = tensors.Tensors(there), tensors.Tensors(tmp_path / 'back')
  assert set(before.shapes) == set(after.shapes)
  for one in before.shapes:
    assert strips.same(before.read(one), after.read(one)), one
  # The folder itself is a checkpoint too.
  direct = load(there)
  jax.tree.map(np.testing.assert_array_equal, direct.params, run.params)
  assert direct.config.model == run.config.model


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('name', [  # tied, tied, and two with a table more
    'bert_pretraining', 't5', 'llama', 't5_v11'])
def test_ours_comes_back_bit_equal(name, dtype, tmp_path):
  run = cases.redrawn(load(cases.FIXTURES / name))
  run.params = jax.tree.map(lambda leaf: leaf.astype(dtype), run.params)
  for model in run.config.model, run.objective.model:
    model.param_dtype = dtype
  made = export.plan(run)
  export.write(run, made, tmp_path / 'there')
  again = load(tmp_path / 'there')
  assert ('table' in again.params.get('head', {})) == (
      not run.config.model.tied_head)
  before, after = (mapping.flatten(one.params) for one in (run, again))
  assert set(before) == set(after)
  for path in before:
    assert after[path].dtype.name == dtype
    assert strips.same(np.asarray(before[path]), np.asarray(after[path])), path
