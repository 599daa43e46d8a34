"""Live parity with transformers, in both directions: states of every layer,
scores, losses, gradients, and bits that come back.
"""

import copy
import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from ptm_jax.convert import (check, export, importing, mapping, pooled,
                             published, strips, tensors)
from ptm_jax.convert.check import relative
from ptm_jax.data.vocabulary import Vocabulary
from ptm_jax.errors import ConfigError
from ptm_jax.generation.sampling import Sampling
from ptm_jax.generation.writing import Writer
from ptm_jax.load import load
from ptm_jax.models.relative import distance_rows
from ptm_jax.scoring.embedder import Embedder
from ptm_jax.models.sown import entering_states
from tests.convert import cases

pytestmark = pytest.mark.peers
CLOSE, LOSS, GRADIENT = 2e-5, 1e-5, 1e-4


def compared(name, run, entries, peer):
  """Asserts that a model here and one of transformers are the same."""
  stack, targets, weights = cases.batch(run)
  ours = cases.compute(run, stack, targets, weights,
                       cases.is_bare(name))
  theirs = cases.ask(peer, stack, targets, weights)
  real = weights > 0
  assert len(ours['states']) == len(theirs['states'])
  for one, other in zip(ours['states'], theirs['states'], strict=True):
    assert relative(one[real], other[real]) < CLOSE
  assert ('scores' in ours) == ('scores' in theirs)
  if 'scores' in ours:
    scores = theirs['scores'].reshape(ours['scores'].shape)
    of_text = scores.ndim == 2  # one for each text, not each token
    assert relative(*(one if of_text else one[real] for one in (
        ours['scores'], scores))) < CLOSE
  assert ours['loss'] == pytest.approx(theirs['loss'], rel=LOSS)
  compare_gradients(mapping.flatten({'trunk': ours['grads']}), entries, peer)


def compare_gradients(ours, entries, peer):
  named = dict(peer.named_parameters(remove_duplicate=False))
  theirs = {}
  for entry in entries:
    if not any(leaf.path in ours for leaf in entry.leaves):
      continue
    # A bare trunk's names have no prefix.
    name = entry.name if entry.name in named else entry.name.split('.', 1)[1]
    found = named[name].grad
    parts = entry.to_ours((0 * named[name] if found is None
                           else found).detach().numpy())
    theirs.update(zip((leaf.path for leaf in entry.leaves), parts,
                      strict=True))
  assert set(theirs) == set(ours)
  largest = max(np.abs(one).max() for one in theirs.values())
  for path, one in theirs.items():
    # A key's bias has no gradient but rounding.
    scale = max(np.abs(one).max(), 1e-2 * largest)
    assert np.abs(one - ours[path]).max() < GRADIENT * scale, path


@pytest.mark.parametrize('name', cases.CASES)
def test_published_to_ours(name, tmp_path):
  peer = cases.publish(name, tmp_path / 'published')
  run = load(tmp_path / 'published')
  opened = published.open_folder(tmp_path / 'published')
  compared(name, run, opened.entries, peer)


@pytest.mark.parametrize('name', cases.SHARED)
def test_shared_heads_and_bare_trunks(name, tmp_path):
  peer = cases.publish(name, tmp_path / 'there')
  run = load(tmp_path / 'there')
  stack, targets, weights = cases.batch(run)
  theirs = cases.ask(peer, stack, targets, weights)
  ours = cases.forward(run, stack, cases.is_bare(name))
  expected = theirs.get('scores', theirs['states'][-1]).reshape(ours.shape)
  real = weights > 0
  assert relative(*(one if one.ndim == 2 else one[real]
                    for one in (ours, expected))) < CLOSE
  export.write(run, export.plan(run, origin=run.published), tmp_path / 'back')
  there, back = (tensors.Tensors(tmp_path / one) for one in ('there', 'back'))
  assert set(back.shapes) == set(there.shapes)
  for one in back.shapes:
    assert strips.same(there.read(one), back.read(one)), one
  says = [json.loads((tmp_path / one / 'config.json').read_text())[
      'architectures'] for one in ('there', 'back')]
  assert says[0] == says[1]


def test_an_mpnet_counts_from_2_wherever_its_padding_is(tmp_path):
  run = load(cases.FIXTURES / 'mpnet')
  assert run.objective.vocabulary.pad_id == 1
  objective = copy.copy(run.objective)
  objective.vocabulary = Vocabulary(cases.VOCAB, num_sentinels=9)
  run = dataclasses.replace(run, objective=objective)
  made = export.plan(run, 'mpnet')
  assert made.values['pad_token_id'] == 0
  export.write(run, made, tmp_path / 'out')
  assert check.difference(run, tmp_path / 'out') < CLOSE
  assert load(tmp_path / 'out').config.model == run.config.model
  objective.model = dataclasses.replace(objective.model, position_offset=1)
  with pytest.raises(ConfigError, match='counts positions from 2 on, and model.'
                                        'position_offset=1'):
    export.plan(run, 'mpnet')


def test_pooled_vectors_are_the_means_of_the_published_states(tmp_path):
  import torch
  import transformers
  place = tmp_path / 'there'
  shutil.copytree(cases.FIXTURES / 'bert_pretraining', place)
  letters = [chr(97 + one) for one in range(26)]
  (place / 'vocab.txt').write_text('\n'.join(
      ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *letters]) + '\n')
  texts = ['a b c', 'd', 'e f g h i j k']
  peer = transformers.BertModel.from_pretrained(place).eval()
  rows = transformers.BertTokenizer(str(place / 'vocab.txt'))(
      texts, padding=True, return_tensors='pt')
  assert rows['input_ids'][1].tolist() == [2, 8, 3] + [0] * 6
  with torch.no_grad():
    states = peer(**rows).last_hidden_state
  mask = rows['attention_mask'][..., None]
  means = ((states * mask).sum(1) / mask.sum(1)).numpy()
  ones = states[:, 0].numpy()
  ones /= np.linalg.norm(ones, axis=1, keepdims=True)
  run = load(place)
  for encoder, expected in (pooled.Pooled(), means), (
      pooled.Pooled('cls', True), ones):
    run.published['pooled'] = dataclasses.asdict(encoder)
    assert relative(Embedder(run).embed(texts), expected) < CLOSE


@pytest.mark.parametrize('name', cases.COMMITTED)
def test_packed_rows_are_as_rows_of_their_own(name):
  run = load(cases.FIXTURES / name)
  stack, _, weights = cases.batch(run)
  alone = cases.forward(run, stack, cases.is_bare(name))
  if alone.ndim == 2:
    pytest.skip('a class is of a row, not of a document')
  real = weights > 0
  packed = {field: np.concatenate(
      [row[:count] * (number if 'segment' in field else 1)
       for number, (row, count) in enumerate(zip(
           values, cases.LENGTHS, strict=True), 1)])[None]
            for field, values in stack.items()}
  together = cases.forward(run, packed, cases.is_bare(name))
  assert relative(together[0], alone[real]) < CLOSE


def test_two_streams_predict_in_an_order_as_published(tmp_path):
  """The objective's own loss, of a batch that it made."""
  import torch
  peer = cases.publish('xlnet', tmp_path / 'published')
  opened = published.open_folder(tmp_path / 'published')
  objective = dataclasses.replace(opened.settings.objective, rate=.4).bind(
      opened.settings.model, opened.objective.vocabulary, 10)
  real = np.arange(10)[None] < np.array([[10], [7], [3]])
  windows = {
      'tokens': real * objective.vocabulary.text_id(
          np.random.default_rng(0).integers(0, 5, real.shape)),
      'segment_ids': real.astype(int), 'positions': real * np.arange(10)[None],
      'flags': 0 * real, 'index': np.arange(3), 'epoch': np.zeros(3)}
  batch = objective.corrupt_batch(jax.random.key(0), jax.tree.map(
      np.int32, windows))
  params = opened.params()

  @jax.jit
  def loss(trunk):
    stack = objective.stack(batch)
    hidden, sown = objective.trunk().apply(
        {'params': trunk}, stack, mutable=['intermediates'])
    term = objective.score({**params, 'trunk': trunk}, hidden, batch)['plm']
    return term.sum / term.weight, [
        *entering_states(sown['intermediates']['stack']), hidden]

  (value, states), grads = jax.device_get(jax.value_and_grad(
      loss, has_aux=True)(params['trunk']))
  batch = jax.tree.map(torch.as_tensor, {
      name: np.array(batch[name]) for name in (
          'inputs', 'segment_ids', 'token_types', 'rank', 'predicted',
          'targets', 'weights')})
  rank, weights = batch['rank'], batch['weights']
  found = peer(
      batch['inputs'][:, :12], (batch['segment_ids'] > 0)[:, :12].long(),
      token_type_ids=batch['token_types'][:, :12].long(),
      perm_mask=((rank[:, None] > 0) & (rank[:, None] >= rank[..., None])
                 ).float(),
      target_mapping=torch.nn.functional.one_hot(
          batch['predicted'].long(), 12).float(), output_hidden_states=True)
  expected = (torch.nn.functional.cross_entropy(
      found.logits.transpose(1, 2), batch['targets'].long(), reduction='none')
              * weights).sum() / weights.sum()
  assert value == pytest.approx(expected.item(), rel=LOSS)
  assert len(found.hidden_states) == 2 * len(states)
  rows = np.concatenate([batch['segment_ids'][:, :12] > 0, weights > 0], 1)
  for place, one in enumerate(states):
    both = torch.cat(found.hidden_states[2 * place:][:2], 1).detach().numpy()
    assert relative(one[rows], both[rows]) < CLOSE
  expected.backward()
  compare_gradients(mapping.flatten({'trunk': grads}), opened.entries, peer)


def test_what_has_learnt_to_end_ends_there_too(tmp_path):
  import torch
  import transformers
  run = cases.redrawn(load(cases.FIXTURES / 'gpt2'), seed=15)
  run = dataclasses.replace(
      run, objective=run.objective.ending(), finetune={'parameters': {}},
      params={**run.params, 'task': {}})  # as a writer is fine-tuned
  export.write(run, export.plan(run), tmp_path / 'out')
  assert check.difference(run, tmp_path / 'out') < CLOSE
  peer = transformers.AutoModelForCausalLM.from_pretrained(
      tmp_path / 'out').eval()
  vocabulary = run.objective.vocabulary
  ids = np.random.default_rng(0).integers(7, vocabulary.text_end, (12, 3))
  written = np.stack([*Writer(run, Sampling(temperature=0)).go_on(
      check.stack_of(ids), 8)], 1)
  found = peer.generate(
      torch.as_tensor(ids), do_sample=False, max_new_tokens=8,
      suppress_tokens=[one for one in range(cases.VOCAB) if one != 2
                       and not vocabulary.is_text(one)])[:, 3:].numpy()
  np.testing.assert_array_equal(written[:, :found.shape[1]], found)
  ended = np.any(found == vocabulary.eos_id, 1)
  assert 0 < ended.sum() < len(ended)


def test_far_distances_share_rows_as_published():
  from transformers.models.deberta_v2 import modeling_deberta_v2 as theirs
  import torch
  away = torch.arange(-999, 1000)
  for half, max_length in (256, 512), (4, 24), (64, 2048), (256, 257):
    found = theirs.make_log_bucket_position(away, half, max_length).long()
    np.testing.assert_array_equal(
        distance_rows(1000, half, max_length),
        (found + half).clamp(0, 2 * half - 1))


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('name', cases.CASES)
def test_published_comes_back_bit_equal(name, dtype, tmp_path):
  cases.publish(name, tmp_path / 'there', dtype)
  importing.write(published.open_folder(tmp_path / 'there'),
                       tmp_path / 'ours')
  run = load(tmp_path / 'ours')
  assert run.config.model.param_dtype == dtype
  export.write(run, export.plan(run, origin=published.origin(
      tmp_path / 'ours')), tmp_path / 'back')
  there = tensors.Tensors(tmp_path / 'there')
  back = tensors.Tensors(tmp_path / 'back')
  assert set(back.shapes) == set(there.shapes) - cases.UNUSED.get(name, set())
  for one in back.shapes:
    assert strips.same(there.read(one), back.read(one)), one


@pytest.mark.parametrize('name', cases.CASES)
def test_ours_to_published(name, tmp_path):
  """Random parameters of ours, written, are what transformers reads."""
  import transformers
  cases.publish(name, tmp_path / 'shapes')
  run = cases.redrawn(load(tmp_path / 'shapes'))
  family = published.open_folder(tmp_path / 'shapes').family
  made = export.plan(run, next(
      key for key, one in published.families().items() if one is family),
                     bare=cases.is_bare(name))
  made.values.update(pad_token_id=run.objective.vocabulary.pad_id)
  export.write(run, made, tmp_path / 'written')
  (cls,) = made.values['architectures']
  peer = getattr(transformers, cls).from_pretrained(
      tmp_path / 'written').eval()
  compared(name, run, made.entries, peer)
  again = load(tmp_path / 'written')
  before, after = (mapping.flatten(one.params) for one in (run, again))
  assert set(before) == set(after)
  for path in before:
    assert strips.same(np.asarray(before[path]), np.asarray(after[path])), path
  assert dataclasses.replace(again.config.model) == run.config.model
