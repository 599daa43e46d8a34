"""Every objective: its card's vector, rebuild, rates, the two leak proofs.

A new objective joins by a row in `CASES`; everything else follows from what
the objective declares.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import meta

from ptm_jax import losses
from ptm_jax.config import Model
from ptm_jax.find import find, names
from ptm_jax.errors import ConfigError
from ptm_jax.rng import example_keys
from tests.objectives.words import VOCABULARY, ids, random_windows, show, window

MODEL = Model(depth=2, width=8, num_heads=2, max_length=256)
LENGTH = 12
# Objective, its fields for a small window, and the raw lengths it is run on.
CASES = {
    'autoregressive': {},
    'masked': {'rate': 0.3},
    'span_corruption': {'noise_density': 0.4, 'mean_noise_span_length': 2.0},
    'replaced_token': {'rate': 0.3, 'generator_width': 0.5},
}
# Objectives that lose tokens, so that the window cannot be rebuilt: none.
LOSSY = ()
PAIRS = [(name, form) for name in CASES
         for form in find('objectives', name).forms]
PACKINGS = {'one document': (1, 0), 'packed': (3, 0), 'padded': (1, 3),
            'packed and padded': (2, 2)}


def bound(name, form='auto', length=LENGTH, model=MODEL, **fields):
  objective = find('objectives', name)(**{**CASES[name], **fields})
  objective.validate()
  return objective.bind(dataclasses.replace(model, form=form), VOCABULARY,
                        length)


def corrupt(objective, windows, seed=0):
  keys = example_keys(jax.random.key(seed), windows['index'],
                      windows['epoch'])
  return jax.vmap(objective.corrupt)(keys, windows)


def test_every_objective_has_a_case():
  assert set(CASES) == set(names('objectives'))


# --- hand examples: the vectors of the cards ---------------------------------


def test_autoregressive_vector():
  batch = bound('autoregressive', length=4).corrupt(
      jax.random.key(0), window('a b c d'))
  assert show(batch['inputs']) == '<s> a b c'
  assert show(batch['targets']) == 'a b c d'
  assert batch['weights'].tolist() == [1, 1, 1, 1]


def test_autoregressive_starts_each_document_anew():
  batch = bound('autoregressive', length=6).corrupt(
      jax.random.key(0), window('a b c d e .', '1 1 2 2 2 0'))
  assert show(batch['inputs']) == '<s> a <s> c d .'
  assert batch['weights'].tolist() == [1, 1, 1, 1, 1, 0]
  assert batch['positions'].tolist() == [0, 1, 0, 1, 2, 0]


def test_masked_arranges_cls_and_sep():
  objective = bound('masked', length=6)
  arranged = objective.arrange(None, window('a b c d e .', '1 1 2 2 2 0'))
  assert show(arranged['tokens']) == '[CLS] a b c d e [SEP] .'
  assert arranged['segment_ids'].tolist() == [1, 1, 1, 2, 2, 2, 2, 0]
  assert arranged['positions'].tolist() == [0, 1, 2, 0, 1, 2, 3, 0]
  assert arranged['candidates'].tolist() == [
      False, True, True, True, True, True, False, False]


@pytest.mark.parametrize('mask_share,random_share,expected', [
    (1.0, 0.0, '[M]'), (0.0, 0.0, 'kept')])
def test_masked_vector(mask_share, random_share, expected):
  # Card 4: L = 10 with special tokens, two of them predicted.
  objective = bound('masked', length=8, rate=0.15, mask_share=mask_share,
                    random_share=random_share)
  batch = objective.corrupt(jax.random.key(1), window('a b c d e f g h'))
  noise = np.asarray(batch['noise'])
  assert noise.sum() == batch['weights'].sum() == 2
  original = ids('[CLS] a b c d e f g h [SEP]')
  assert np.array_equal(batch['targets'], original)
  shown = np.where(noise, VOCABULARY.mask_id, original)
  assert np.array_equal(
      batch['inputs'], original if expected == 'kept' else shown)
  assert set(np.flatnonzero(noise)) == set(np.asarray(batch['predicted']))


@pytest.mark.parametrize('length,expected', [
    (8, 2), (62, 10), (126, 19), (18, 3), (1, 1)])
def test_masked_count_is_python_round(length, expected):
  # .15 x 10 = 1.5 -> 2; x 64 = 9.6 -> 10; x 128 = 19.2 -> 19; x 20 = 3.
  objective = bound('masked', length=128, rate=0.15)
  assert objective.numbers['num_predictions'][length + 2] == expected


def test_masked_never_predicts_more_than_asked():
  objective = bound('masked', length=128, rate=0.15, max_predictions=7)
  assert objective.sizes['predictions'] == 7
  assert objective.numbers['num_predictions'].max() == 7


def test_span_corruption_published_lengths():
  # 568 raw tokens fill an encoder of 512 and a decoder of 114.
  objective = find('objectives', 'span_corruption')().bind(
      Model(max_length=512), VOCABULARY, 568)
  assert objective.lengths() == {'encoder': 512, 'decoder': 114}


def test_span_corruption_vector_shapes_the_stacks():
  objective = bound('span_corruption', length=10)
  batch = objective.corrupt(jax.random.key(0), window('a b c d e f g h i j'))
  inputs, targets = show(batch['encoder_inputs']), show(batch['targets'])
  assert inputs.endswith('<Y> </s>') and targets.endswith('j </s>')
  assert targets.startswith('<X> ')
  assert show(batch['decoder_inputs']) == '<s> ' + targets[:-5]
  assert batch['weights'].tolist() == [1] * 7


def test_replaced_token_vector():
  # Card 14: holes at 0 and 2 of 'the chef cooked the meal', samples 'the'
  # (the original) and 'ate': only the second is labelled replaced.
  objective = bound('replaced_token', length=5)
  tokens = ids('[CLS] t c k t m [SEP]')[None]
  batch = {'tokens': jnp.asarray(tokens),
           'predicted': jnp.asarray([[1, 3]]),
           'weights': jnp.ones((1, 2))}
  shown = objective.replace(batch, jnp.asarray(ids('t a'))[None])
  assert show(shown[0]) == '[CLS] t c a t m [SEP]'
  assert (shown != tokens).astype(int)[0].tolist() == [0, 0, 0, 1, 0, 0, 0]


def test_replaced_token_shows_the_later_of_two_samples():
  objective = bound('replaced_token', length=5)
  batch = {'tokens': jnp.asarray(ids('[CLS] t c k t m [SEP]'))[None],
           'predicted': jnp.asarray([[3, 3, 1]]),
           'weights': jnp.asarray([[1., 1., 0.]])}
  shown = objective.replace(batch, jnp.asarray(ids('x y z'))[None])
  assert show(shown[0]) == '[CLS] t c y t m [SEP]'


def test_replaced_token_generator_sees_masks_or_originals_only():
  objective = bound('replaced_token', length=200, rate=0.15)
  windows = random_windows(50, 200)
  batch = corrupt(objective, windows)
  noise, inputs = np.asarray(batch['noise']), np.asarray(batch['inputs'])
  masked = inputs == VOCABULARY.mask_id
  assert np.array_equal(inputs[~masked], np.asarray(batch['tokens'])[~masked])
  assert not np.any(masked & ~noise)
  assert masked.sum() / noise.sum() == pytest.approx(0.85, abs=0.04)
  # 30 draws with replacement out of 200 leave fewer different positions.
  assert noise.sum(1).mean() == pytest.approx(200 * (1 - (199 / 200)**30),
                                              abs=0.6)
  assert np.all(batch['weights'].sum(1) == 30)


# --- properties of every objective ---------------------------------------------


@pytest.mark.parametrize('packing', PACKINGS)
@pytest.mark.parametrize('name', CASES)
def test_rebuild(name, packing):
  """Inputs plus targets give the window back."""
  segments, padding = PACKINGS[packing]
  windows = random_windows(8, LENGTH, segments, padding)
  batch = corrupt(bound(name), windows)
  for row in range(8):
    one = {key: np.asarray(value[row]) for key, value in batch.items()
           if key != 'key'}
    real = windows['segment_ids'][row] > 0
    rebuilt = REBUILD[name](one)
    assert show(rebuilt) == show(windows['tokens'][row][real])
  assert name not in LOSSY


def _rebuild_masked(one):
  inputs = np.where(one['noise'], one['targets'], one['inputs'])
  return inputs[one['segment_ids'] > 0][1:-1]


def _rebuild_spans(one):
  spans, out = {}, []
  for token in one['targets'][one['weights'] > 0][:-1]:
    if token >= VOCABULARY.text_end:
      spans[int(token)] = current = []
    else:
      current.append(token)
  for token in one['encoder_inputs'][one['encoder_segment_ids'] > 0][:-1]:
    out.extend(spans.get(int(token), [token]))
  return np.asarray(out)


def _rebuild_replaced(one):
  inputs = one['inputs'].copy()
  drawn = one['weights'] > 0
  inputs[one['predicted'][drawn]] = one['targets'][drawn]
  return inputs[one['segment_ids'] > 0][1:-1]


REBUILD = {
    'autoregressive': lambda one: one['targets'][one['weights'] > 0],
    'masked': _rebuild_masked,
    'span_corruption': _rebuild_spans,
    'replaced_token': _rebuild_replaced,
}


@pytest.mark.parametrize('name', CASES)
def test_noise_depends_on_the_example_alone(name):
  windows = random_windows(6, LENGTH)
  objective = bound(name)
  whole = corrupt(objective, windows)
  order = np.asarray([4, 1, 5])
  part = corrupt(objective, {key: value[order]
                             for key, value in windows.items()})
  later = corrupt(objective, {**windows, 'epoch': windows['epoch'] + 1})
  for key in whole:
    if key == 'key':
      continue
    assert np.array_equal(np.asarray(whole[key])[order], part[key]), key
  if name != 'autoregressive':
    assert not np.array_equal(whole['noise'], later['noise'])


@pytest.mark.parametrize('name', CASES)
def test_shapes_are_what_was_declared(name):
  objective = bound(name)
  batch = corrupt(objective, random_windows(2, LENGTH))
  inputs = {key: value.shape[1] for key, value in batch.items()
            if key.endswith('inputs')}
  assert max(inputs.values()) <= max(objective.lengths().values())
  terms = jax.jit(lambda params, batch: objective.loss(None, params, batch))(
      _params(objective), batch)
  assert set(terms) == set(objective.coefficients())
  for term in terms.values():
    assert term.nll.shape == term.weights.shape == term.targets.shape
    assert float(term.weight) == float(jnp.sum(term.weights)) > 0


_INITIAL = {}


def _kind(objective):
  return (type(objective).__module__, objective.model.form,
          tuple(objective.sizes.items()))


def _params(objective, seed=0, scale=3.0):
  """Parameters large enough that every path shows; made once per kind."""
  kind = _kind(objective)
  if kind not in _INITIAL:
    _INITIAL[kind] = _large(objective, seed, scale)
  return _INITIAL[kind]


def _large(objective, seed, scale):
  params = meta.unbox(jax.jit(objective.init)(jax.random.key(seed)))
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
  return jax.tree.unflatten(tree, [
      leaf + 0.3 * scale * jax.random.normal(key, leaf.shape) / np.sqrt(8)
      for leaf, key in zip(leaves, keys, strict=True)])


# --- leak proofs ----------------------------------------------------------------

# The name under which a batch takes an offset of a stack's embeddings.
OFFSETS = {'inputs': 'offset', 'shown': 'shown_offset',
           'encoder_inputs': 'encoder_offset',
           'decoder_inputs': 'decoder_offset'}


_JACOBIANS = {}


def jacobian(objective, batch, monkeypatch):
  """Largest derivative of each prediction's nll with respect to each
  position's embedding: `{term: {stack: [batch, predictions, length]}}`."""
  # The chunked form gives no derivative of a single prediction.
  monkeypatch.setattr(losses, 'cross_entropy', losses.plain_cross_entropy)
  rows, width = batch['noise'].shape[0], objective.model.width
  lengths = {stack: seen.shape[-1] for seen_by in
             objective.visibility(batch).values()
             for stack, seen in seen_by.items()}

  def derivatives(params, batch):
    offsets = {stack: jnp.zeros((rows, length, width))
               for stack, length in lengths.items()}

    def nll(offsets):
      moved = dict(batch, **{OFFSETS[stack]: value
                             for stack, value in offsets.items()})
      return {name: term.nll for name, term in
              objective.loss(None, params, moved).items()}

    result = {}
    values, pullback = jax.vjp(nll, offsets)
    for term, value in values.items():
      # One prediction at a time, of all examples at once: they are
      # independent.
      def pull(one, term=term):
        return pullback({name: one if name == term else jnp.zeros_like(other)
                         for name, other in values.items()})[0]
      ones = jnp.broadcast_to(jnp.eye(value.shape[1])[:, None, :],
                              (value.shape[1],) + value.shape)
      grads = jax.lax.map(pull, ones)
      result[term] = {stack: jnp.abs(grad).max(-1).swapaxes(0, 1)
                      for stack, grad in grads.items()}
    return result

  kind = _kind(objective)
  if kind not in _JACOBIANS:  # one program for all packings
    _JACOBIANS[kind] = jax.jit(derivatives)
  return jax.tree.map(np.asarray, _JACOBIANS[kind](_params(objective), batch))


def check_jacobian(objective, batch, monkeypatch):
  """Raises AssertionError unless each prediction depends on what it may see
  and on nothing else, exactly."""
  found = jacobian(objective, batch, monkeypatch)
  for term, stacks in objective.visibility(batch).items():
    for stack, allowed in stacks.items():
      allowed = np.asarray(allowed)
      derivative = found[term][stack]
      scored = (_weights(objective, batch, term) > 0)[..., None]
      assert np.all(derivative[~allowed & scored] == 0), (
          term, stack, 'leaks')
      seen = allowed & scored
      assert np.mean(derivative[seen] > 0) > 0.95, (term, stack, 'is blind')
    for stack in set(found[term]) - set(stacks):
      assert np.all(found[term][stack] == 0), (term, stack, 'leaks')


def _weights(objective, batch, term):
  if term == 'discriminator':
    return np.asarray(batch['segment_ids'] > 0)
  if 'predicted' in batch and batch['weights'].shape != (
      batch['predicted'].shape):
    return np.take_along_axis(np.asarray(batch['weights']),
                              np.asarray(batch['predicted']), 1)
  return np.asarray(batch['weights'])


@pytest.mark.parametrize('packing', PACKINGS)
@pytest.mark.parametrize('name,form', PAIRS)
def test_jacobian_is_zero_off_the_visibility(name, form, packing,
                                             monkeypatch):
  segments, padding = PACKINGS[packing]
  windows = random_windows(2, LENGTH, segments, padding)
  objective = bound(name, form)
  check_jacobian(objective, corrupt(objective, windows), monkeypatch)


@pytest.mark.parametrize('name', CASES)
def test_planted_jacobian_leak_is_caught(name, monkeypatch):
  """Segments that are not kept apart are a leak the proof must see."""
  objective = bound(name)
  batch = corrupt(objective, random_windows(2, LENGTH, 3))
  declared = objective.visibility(batch)
  merged = {key: jnp.minimum(value, 1) if key.endswith('segment_ids')
            else value for key, value in batch.items()}
  objective.visibility = lambda _: declared
  with pytest.raises(AssertionError, match='leaks'):
    check_jacobian(objective, merged, monkeypatch)


# Kept tokens of the masking channel are scored and seen, as published.
EXCEPTIONS = {('masked', 'mlm'): 'kept', ('replaced_token', 'generator'):
              'kept', ('replaced_token', 'discriminator'): 'not replaced'}
STACK_FIELDS = ('inputs', 'positions', 'segment_ids')


def check_data(objective, windows, term, exception):
  """Raises AssertionError if changing a raw token moves anything that a
  prediction whose target it is may see. Returns how many it checked."""
  rows, length = windows['tokens'].shape
  # Every row once for each position, with that position's token changed; the
  # example's number and so its noise stay.
  repeated = {name: np.repeat(value, length, 0)
              for name, value in windows.items()}
  place = np.tile(np.arange(length), rows)
  copies = np.arange(rows * length)
  first, size = VOCABULARY.text_start, VOCABULARY.text_end - 7
  tokens = repeated['tokens'].copy()
  tokens[copies, place] = (tokens[copies, place] - first + 1) % size + first
  before = _numpy(corrupt(objective, windows))
  after = _numpy(corrupt(objective, dict(repeated, tokens=tokens)))
  visibility = {stack: np.asarray(seen) for stack, seen
                in objective.visibility(before)[term].items()}
  checked = 0
  for copy in copies[repeated['segment_ids'][copies, place] > 0]:
    row = copy // length
    moved = before['targets'][row] != after['targets'][copy]
    scored = _scored(before, row, moved)
    checked += len(scored)
    for stack, seen in visibility.items():
      prefix = stack.removesuffix('inputs')
      different = np.zeros(seen.shape[2], bool)
      for field in STACK_FIELDS:
        different |= before[prefix + field][row] != after[prefix + field][copy]
      if exception == 'kept':
        # A noise token that was kept shows itself, and only at its place.
        different &= ~(before['noise'][row] & ~before['hidden'][row])
      assert not np.any(seen[row][scored] & different[None]), (
          term, stack, place[copy], 'leaks')
  return checked


def _numpy(batch):
  return {name: np.asarray(value) for name, value in batch.items()
          if name != 'key'}


def _scored(batch, row, moved):
  """Predictions of a row whose target moved."""
  weights = batch['weights'][row]
  if 'predicted' in batch and len(moved) != len(batch['predicted'][row]):
    predicted = batch['predicted'][row]
    moved, weights = moved[predicted], weights[predicted]
  return np.flatnonzero(moved & (weights > 0))


@pytest.mark.parametrize('packing', PACKINGS)
@pytest.mark.parametrize('name', CASES)
def test_data_does_not_leak(name, packing):
  segments, padding = PACKINGS[packing]
  windows = random_windows(3, LENGTH, segments, padding)
  objective = bound(name)
  for term in objective.coefficients():
    if term == 'discriminator':
      continue  # its labels come from the sample: see the next test
    assert check_data(objective, windows, term,
                      EXCEPTIONS.get((name, term))) > 0


def test_discriminator_sees_nothing_of_a_replaced_token():
  """With the samples fixed, a replaced original moves nothing it reads."""
  objective = bound('replaced_token', mask_share=1.0)
  windows = random_windows(3, LENGTH)
  before = corrupt(objective, windows)
  samples = jnp.full(before['targets'].shape, VOCABULARY.text_start)
  shown = objective.replace(before, samples)
  noise = np.asarray(before['noise'])[:, 1:-1]
  tokens = np.where(noise, windows['tokens'] % 20 + 10, windows['tokens'])
  after = corrupt(objective, dict(windows, tokens=tokens.astype(np.int32)))
  assert np.any(after['tokens'] != before['tokens'])
  assert np.array_equal(shown, objective.replace(after, samples))


@pytest.mark.parametrize('name', ['masked', 'autoregressive'])
def test_planted_data_leak_is_caught(name):
  """A target left in the inputs must be seen."""
  objective = bound(name)
  honest = objective.noise

  def leaky(key, arranged):
    example = honest(key, arranged)
    return dict(example, inputs=example['targets'])

  objective.noise = leaky
  with pytest.raises(AssertionError, match='leaks'):
    check_data(objective, random_windows(3, LENGTH),
               next(iter(objective.coefficients())), None)


# --- bad settings -----------------------------------------------------------------


@pytest.mark.parametrize('name,fields,found', [
    ('masked', {'rate': -0.1}, '-0.1'), ('masked', {'rate': 0.0}, '0.0'),
    ('masked', {'rate': 1.0}, '1.0'),
    ('masked', {'mask_share': 0.9, 'random_share': 0.2}, '0.9'),
    ('masked', {'max_predictions': 0}, '0'),
    ('span_corruption', {'noise_density': 1.5}, '1.5'),
    ('span_corruption', {'mean_noise_span_length': 0.5}, '0.5'),
    ('replaced_token', {'generator_width': 0.0}, '0.0'),
    ('replaced_token', {'temperature': 0.0}, '0.0'),
    ('replaced_token', {'discriminator_weight': -1.0}, '-1.0')])
def test_bad_fields_are_refused_by_value(name, fields, found):
  with pytest.raises(ConfigError, match=found):
    find('objectives', name)(**fields).validate()


def test_a_form_that_does_not_fit_is_refused():
  with pytest.raises(ConfigError, match='it fits encoder'):
    bound('masked', 'decoder')


def test_a_window_longer_than_the_positions_is_refused():
  with pytest.raises(ConfigError, match='66 positions'):
    bound('masked', length=64,
          model=dataclasses.replace(MODEL, max_length=64))


def test_more_spans_than_sentinels_are_refused():
  with pytest.raises(ConfigError, match='sentinels'):
    bound('span_corruption', length=1000, mean_noise_span_length=1.0,
          model=Model(max_length=4000))


def test_an_odd_encoder_decoder_is_refused():
  with pytest.raises(ConfigError, match='must be even'):
    bound('span_corruption', model=dataclasses.replace(MODEL, depth=3))
