"""Fragment: its card's vector, packed documents, its laws, what is hidden."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.objectives import fragment
from tests.objectives.cases import bound, prover
from tests.objectives.words import VOCABULARY, random_windows, show, window

FIELDS = {'rate': 0.4}
LEARNS = {'seq2seq': 2.9}


def rebuild(one):
  tokens = one['encoder_inputs'].copy()
  tokens[one['noise']] = one['targets'][one['weights'] > 0]
  return tokens[one['encoder_segment_ids'] > 0]


def hide(text, segments=None, start=2, **fields):
  """A window's fragment of half its tokens, all of it masked."""
  patch = pytest.MonkeyPatch()
  patch.setattr(fragment.Objective, 'start', lambda *_: jnp.int32(start))
  tokens = window(text, segments)
  one = bound('fragment', length=len(tokens['tokens']), **{
      'rate': 0.5, 'mask_share': 1.0, 'random_share': 0.0, **fields}).corrupt(
          jax.random.key(0), tokens)
  patch.undo()
  return one


def test_vector():
  one = hide('a b c d e f g h')
  assert show(one['encoder_inputs']) == 'a b [M] [M] [M] [M] g h'
  assert show(one['decoder_inputs']) == 'b c d e'
  assert one['decoder_positions'].tolist() == [1, 2, 3, 4]
  assert show(one['targets']) == 'c d e f'
  assert one['encoder_cross_segment_ids'].tolist() == [1, 1, 0, 0, 0, 0, 1, 1]
  seen = hide('a b c d e f g h', see_masks=True)
  assert 'encoder_cross_segment_ids' not in seen


def test_a_fragment_that_begins_the_text_starts_from_bos():
  one = hide('a b c d', start=0)
  assert show(one['decoder_inputs']) == '<s> a'
  assert one['decoder_positions'].tolist() == [0, 0]


def test_packed_documents_and_padding():
  one = hide('a b c d e f . .', '1 1 1 2 2 2 0 0')
  assert show(one['encoder_inputs']) == 'a b [M] [M] [M] f . .'
  assert show(one['targets']) == 'c d e .'
  assert show(one['decoder_inputs']) == 'b <s> d .'
  assert one['decoder_positions'].tolist() == [1, 0, 0, 0]
  assert one['decoder_segment_ids'].tolist() == [1, 2, 2, 0]
  assert one['weights'].tolist() == [1, 1, 1, 0]


@pytest.fixture(scope='module')
def many():
  """5,000 examples of 40 tokens."""
  objective = bound('fragment', length=40, rate=0.5)
  text = jax.tree.map(lambda x: jnp.asarray(x[0]), random_windows(1, 40))

  def corrupt(key):
    one = objective.corrupt(key, text)
    return one['noise'], one['encoder_inputs'], one['unseen']

  return text['tokens'], *map(np.asarray, jax.jit(jax.vmap(corrupt))(
      jax.random.split(jax.random.key(0), 5000)))


def test_where_fragments_begin(many):
  noise = many[1]
  assert (noise.sum(1) == 20).all()
  counts = np.bincount(noise.argmax(1), minlength=21) / 5000
  # 20 % at either end, and 60 % over all of the 21 places.
  expected = np.full(21, 0.6 / 21)
  expected[[0, 20]] += 0.2
  assert counts[21:].sum() == 0
  assert counts == pytest.approx(expected, abs=0.024)  # four standard errors


def test_what_the_encoder_shows(many):
  tokens, noise, shown, unseen = many
  masked = (shown == VOCABULARY.mask_id)
  kept = noise & ~unseen
  # Four standard errors of 100,000 draws.
  assert masked[noise].mean() == pytest.approx(0.8, abs=0.0051)
  assert kept[noise].mean() == pytest.approx(0.1, abs=0.0038)
  assert np.array_equal(shown[~noise | kept], np.broadcast_to(
      tokens, noise.shape)[~noise | kept])


def test_hidden_places_show_nothing_to_the_decoder():
  """The encoder's last state of a masked place moves no prediction."""
  shared = prover('fragment')
  batch = shared.corrupt(random_windows(2, 12))
  trunk, params = shared.objective.trunk(), shared.params['trunk']
  encoded = trunk.apply({'params': params}, batch, method='encode')
  moved = encoded + jnp.where(
      batch['encoder_cross_segment_ids'] > 0, 0.0, 1.0)[..., None]
  def states(encoded):
    return trunk.apply({'params': params}, batch, encoded, method='decode')
  assert np.array_equal(states(encoded), states(moved))
  assert not np.array_equal(states(encoded), states(encoded + 1.0))


@pytest.mark.parametrize('fields,found', [
    ({'rate': 0.0}, 'rate=0.0'), ({'rate': 1.0}, 'rate=1.0'),
    ({'mask_share': 0.8, 'random_share': 0.3}, '0.3')])
def test_bad_fields_are_refused_by_value(fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', 'fragment')(**fields).validate()


def test_one_stack_is_refused():
  with pytest.raises(ConfigError, match='encoder_decoder'):
    bound('fragment', 'prefix')
