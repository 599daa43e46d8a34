"""DeBERTa v2's convolution by loops, and where it may not stand."""

import dataclasses

import jax
import numpy as np
import pytest
from flax.core import meta

from ptm_jax.errors import ConfigError
from ptm_jax.models.attention import Structure
from ptm_jax.models.convolution import Convolution
from ptm_jax.models.transformer import Block
from tests.models.stacks import model

SETTINGS = model(convolution_width=3, norm_position='post')


def test_a_token_reads_its_neighbours_of_the_same_document():
  rng = np.random.default_rng(0)
  x, kernel = rng.normal(size=(2, 7, 8)), rng.normal(size=(3, 8, 8))
  x, kernel = x.astype(np.float32), kernel.astype(np.float32)
  bias = np.arange(8, dtype=np.float32) / 9
  segments = np.array([[1, 1, 1, 2, 2, 3, 0], [1] * 7], np.int32)
  found = Convolution(SETTINGS).apply(
      {'params': {'kernel': kernel, 'bias': bias}}, x,
      Structure(segments, segments))
  for row, place in zip(*np.nonzero(segments), strict=True):
    expected = bias.copy()
    for number, other in enumerate(range(place - 1, place + 2)):
      if 0 <= other < 7 and segments[row, other] == segments[row, place]:
        expected += x[row, other] @ kernel[number]
    np.testing.assert_allclose(found[row, place], np.tanh(expected), atol=1e-5)


def test_it_reads_what_enters_the_layer_and_is_added_to_what_leaves_it():
  rng = np.random.default_rng(0)
  x = rng.normal(size=(1, 4, 8)).astype(np.float32)
  shared = {'structure': Structure(*[np.ones((1, 4), np.int32)] * 2)}
  params = meta.unbox(Block(SETTINGS, convolution=True).init(
      jax.random.key(0), x, np.int32(0), shared)['params'])
  params = jax.tree.map(lambda leaf: np.asarray(leaf) + np.float32(.1), params)
  found, _ = Block(SETTINGS, convolution=True).apply(
      {'params': params}, x, np.int32(0), shared)
  plain = {name: one for name, one in params.items()
           if 'convolution' not in name}
  left, _ = Block(SETTINGS).apply({'params': plain}, x, np.int32(0), shared)
  left = np.asarray(left + Convolution(SETTINGS).apply(
      {'params': params['convolution']}, x, shared['structure']))
  norm = params['convolution_norm']
  left = left - left.mean(-1, keepdims=True)
  left = left / np.sqrt((left ** 2).mean(-1, keepdims=True) + 1e-6)
  np.testing.assert_allclose(found, left * norm['scale'] + norm['bias'],
                             atol=1e-5)


def test_where_it_may_not_stand():
  for fields in (dict(convolution_width=2), dict(scan_layers=True),
                 dict(norm_position='pre')):
    with pytest.raises(ConfigError, match='model.convolution_width'):
      dataclasses.replace(SETTINGS, **fields).validate()
  with pytest.raises(ConfigError, match='is for model.form=encoder'):
    dataclasses.replace(SETTINGS, form='decoder').check_form()
  ones = np.ones((1, 2), np.int32)
  for hides in (dict(visibility=np.ones((1, 2, 2), bool)), dict(causal=True)):
    with pytest.raises(ConfigError, match='reads what this objective hides'):
      Convolution(SETTINGS).init(
          jax.random.key(0), np.ones((1, 2, 8), np.float32),
          Structure(ones, ones, **hides))
