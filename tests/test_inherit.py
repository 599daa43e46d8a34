"""A run that starts from a published model's networks."""

import dataclasses
import shutil
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import config
from ptm_jax.data.published import Published
from ptm_jax.errors import ConfigError
from ptm_jax.inherit import _settled, take_networks
from ptm_jax.load import load
from tests.convert import cases

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]',
         *(chr(97 + one) for one in range(26))]


@pytest.fixture
def place(tmp_path):
  """A published BERT with a tokenizer of as many ids as it has rows."""
  shutil.copytree(cases.FIXTURES / 'bert_pretraining', tmp_path / 'bert')
  (tmp_path / 'bert' / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  return tmp_path / 'bert'


def new_run(place, **fields):
  """The setup of a run on that tokenizer, and its initial parameters."""
  old = load(place)
  tokenizer = Published.read(place, complete=True)
  objective = old.config.objective.bind(
      dataclasses.replace(old.config.model, **fields), tokenizer.vocabulary,
      old.config.data.raw_length)
  shapes = meta.unbox(jax.eval_shape(objective.init, jax.random.key(0)))
  params = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 7, leaf.dtype),
                        shapes)
  return old, params, types.SimpleNamespace(
      objective=objective,
      prepared=types.SimpleNamespace(tokenizer=tokenizer))


def test_tables_take_the_published_rows_and_keep_their_own(place):
  old, params, setup = new_run(place)
  said = []
  made = take_networks(place, params, setup, said.append)
  rows, size = len(WORDS), setup.objective.vocabulary.size
  assert size > rows
  for network, path in (('trunk', ('token_embedding', 'embedding')),
                        ('head', ('bias',))):
    before, after = old.params[network], made[network]
    for name in path:
      before, after = before[name], after[name]
    assert len(after) == size
    np.testing.assert_array_equal(after[:rows], before)
    assert np.all(np.asarray(after[rows:]) == 7)
  np.testing.assert_array_equal(
      made['trunk']['stack']['layer_1']['mlp']['up']['kernel'],
      old.params['trunk']['stack']['layer_1']['mlp']['up']['kernel'])
  assert len(said) == 1 and 'took' in said[0]


def test_it_is_kept_in_the_type_of_the_new_run(place):
  _, params, setup = new_run(place, param_dtype='bfloat16')
  made = take_networks(place, params, setup, lambda line: None)
  kinds = {leaf.dtype.name for leaf in jax.tree.leaves(made['trunk'])}
  assert kinds == {'bfloat16'}


def test_fields_that_differ_are_named_as_flags(place):
  _, params, setup = new_run(place, width=32, mlp_dim=None, norm_epsilon=1e-6)
  with pytest.raises(ConfigError, match='other shapes') as error:
    take_networks(place, params, setup)
  message = str(error.value)
  assert '--config.model.width=16 (here 32)' in message
  assert '--config.model.mlp_dim=24 (here 128)' in message
  assert '--config.model.norm_epsilon=1e-12 (here 1e-06)' in message
  # Neither what follows from these, nor what is equal.
  assert 'head_dim' not in message and 'depth' not in message
  assert '\n' not in message


def test_what_no_shape_tells_is_said(place):
  # A pooler's activation is a head's, and no function of the trunk.
  _, params, setup = new_run(place, activation='relu',
                             pooler_activation='gelu')
  said = []
  assert take_networks(place, params, setup, said.append)
  assert '--config.model.activation=gelu (here relu)' in said[1]
  assert 'pooler' not in said[1]


def test_another_tokenizer_is_named(place, tmp_path):
  other = tmp_path / 'other'
  other.mkdir()
  (other / 'vocab.txt').write_text('\n'.join(WORDS[:-1]) + '\n')
  _, params, setup = new_run(place)
  setup.prepared.tokenizer = Published.read(other, complete=True)
  with pytest.raises(ConfigError, match=f'--config.tokenizer.path={place} '):
    take_networks(place, params, setup)


def test_a_field_that_follows_from_another_is_not_named():
  assert _settled(config.Model(width=32, mlp_dim=128, head_dim=16)) == (
      dataclasses.replace(config.Model(), width=32))
  assert _settled(config.Model(width=32, mlp_dim=64)).mlp_dim == 64
