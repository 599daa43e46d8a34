"""Two stacks: what they share, and what is each one's own. Their states are
compared with plain loops in `test_transformer.py`."""

import jax
import numpy as np

from ptm_jax.models import encoder_decoder
from tests.models.stacks import apply, build


def test_the_stacks_share_the_embedding_alone():
  _, _, _, params = build('t5', 'encoder_decoder')
  assert sorted(params) == ['decoder', 'decoder_bias', 'encoder',
                            'encoder_bias', 'token_embedding']
  assert sorted(params['encoder']) == ['final_norm', 'layer_0']
  assert 'cross_attention' not in params['encoder']['layer_0']
  assert 'cross_attention' in params['decoder']['layer_0']


def test_encoding_and_decoding_apart_is_the_same():
  _, module, inputs, params = build('t5', 'encoder_decoder')

  @jax.jit
  def run(params):
    variables = {'params': params}
    encoded = module.apply(variables, inputs, method='encode')
    return encoded, module.apply(variables, inputs, encoded, method='decode')

  encoded, decoded = run(params)
  assert encoded.shape == (5, 8, 8)
  np.testing.assert_allclose(decoded, apply(module, params, inputs),
                             atol=1e-6)


def test_a_target_without_an_input_is_finite():
  _, module, inputs, params = build('t5', 'encoder_decoder')
  empty = dict(inputs, encoder_segment_ids=np.zeros((5, 8), np.int32))
  found = apply(module, params, empty)
  assert np.all(np.isfinite(found))
  # Nothing of the input is left in it.
  other = apply(module, params, dict(
      empty, encoder_inputs=(inputs['encoder_inputs'] + 1) % 13))
  assert np.array_equal(found, other)


def test_each_stack_has_its_own_dropout():
  """The same key must not drop the same entries of both."""
  keys = jax.random.split(jax.random.key(0), 2)
  one, other = (encoder_decoder._own(keys, name)
                for name in ('encoder', 'decoder'))
  assert not np.array_equal(jax.random.key_data(one),
                            jax.random.key_data(other))
  assert encoder_decoder._own(None, 'encoder') is None
