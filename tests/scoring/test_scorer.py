"""Scores are what they say: the loss, one position at a time, a law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ptm_jax.errors import ConfigError, DataError
from ptm_jax.load import encode_windows
from ptm_jax.objectives import base, ways
from ptm_jax.scoring.scorer import Ids, Scorer, Text
from tests.objectives.cases import NAMES, bound, corrupt
from tests.objectives.words import VOCABULARY, ids, show, window
from tests.scoring.runs import Letters, run_of

TEXTS = ['abcde', 'q', 'the cat', 'xyzw vutsr q', 'ab']


def totals(scorer, texts=TEXTS):
  return [one.total for one in scorer.score([Text(text) for text in texts])]


def test_a_sum_over_tokens_is_the_models_loss():
  run = run_of('autoregressive')
  windows = encode_windows(Letters(), TEXTS)
  term = run.objective.loss(
      None, run.params, corrupt(run.objective, windows))['lm']
  rows = np.sum(term.nll * term.weights, 1)
  assert totals(Scorer(run)) == pytest.approx(rows.tolist(), rel=1e-5)
  assert sum(totals(Scorer(run))) == pytest.approx(float(term.sum), rel=1e-5)


def masked_nats(run, shown, place, target):
  """Of one token of `[CLS] text [SEP]`, from all logits."""
  shown = ids(shown)[None]
  hidden = run.objective.trunk().apply({'params': run.params['trunk']}, {
      'inputs': jnp.asarray(shown), 'segment_ids': jnp.ones_like(shown),
      'positions': jnp.arange(shown.size)[None]})
  features, table, bias = base.apply_head(
      run.objective._head(), run.params, hidden, run.objective.model)
  logits = features[0, place] @ table.T + bias
  return float(-jax.nn.log_softmax(logits)[int(ids(target)[0])])


@pytest.mark.parametrize('way,shown', [
    ('pseudo_likelihood', ('[M] b c', 'a [M] c', 'a b [M]')),
    ('within_word', ('[M] [M] c', 'a [M] c', 'a b [M]'))])
def test_pseudo_likelihood_by_batches_is_one_position_at_a_time(way, shown):
  run = run_of('masked')
  score, = Scorer(run, way).score([Text('ab c')])
  assert score.nats.tolist() == pytest.approx([
      masked_nats(run, f'[CLS] {one} [SEP]', place, letter)
      for place, (one, letter) in enumerate(zip(shown, 'abc'), 1)], rel=1e-4)
  assert score.num_words == 2 and score.num_bytes == 4


def test_a_bound_weighs_each_number_of_hidden_tokens_alike():
  run = run_of('masked_diffusion')
  def at(shown, place, letter):
    return masked_nats(run, f'[CLS] {shown} [SEP]', place, letter)
  # One of two tokens counts twice, both once, and the mean is over both.
  both = (at('[M] [M]', 1, 'a') + at('[M] [M]', 2, 'b')) / 2
  one = [at('[M] b', 1, 'a'), at('a [M]', 2, 'b')]
  assert min(abs(totals(Scorer(run), ['ab'])[0] - both - nats)
             for nats in one) < 1e-4
  ranks, factors = ways.every_size(7, 2, None)
  assert (ranks > 0).sum(1).tolist() == [1, 2, 3, 4, 5]
  assert np.all(ranks[:, :2] == 0)
  assert factors.sum(1) == pytest.approx(np.ones(5))


def test_neighbours_and_padding_change_no_score():
  scorer = Scorer(run_of('masked'))
  together = totals(scorer)
  assert together == pytest.approx(
      [totals(scorer, [text])[0] for text in TEXTS], rel=1e-4)
  assert totals(scorer, TEXTS[::-1]) == pytest.approx(
      together[::-1], rel=1e-4)


FORMS = [('blank_infilling', 'auto', 'target'),
         ('permutation', 'auto', 'any_order')]
MORE = [('prefix_lm', 'prefix', 'chain_rule'),
        ('unilm', 'auto', 'chain_rule'),
        ('autoregressive', 'auto', 'chain_rule'),
        ('fill_in_the_middle', 'auto', 'chain_rule'),
        ('bidirectional_lm', 'auto', 'forward'),
        ('masked_next_token', 'auto', 'chain_rule'),
        ('permuted_masked', 'auto', 'any_order'),
        ('prefix_lm', 'encoder_decoder', 'target'),
        ('span_corruption', 'encoder_decoder', 'target'),
        ('denoising', 'prefix', 'target'), ('fragment', 'auto', 'target'),
        ('gap_sentences', 'encoder_decoder', 'target'),
        ('iid_denoising', 'prefix', 'target'),
        ('mixture_of_denoisers', 'prefix', 'target'),
        ('mixture', 'encoder_decoder', 'target'),
        ('masked', 'auto', 'pseudo_likelihood'),
        ('unilm', 'auto', 'all_hidden'),
        ('masked_next_token', 'auto', 'all_hidden'),
        ('masked_diffusion', 'auto', 'all_hidden')]


@pytest.mark.parametrize('name,form,way', [
    *FORMS, *(pytest.param(*one, marks=pytest.mark.slow) for one in MORE)])
def test_what_may_come_next_has_a_chance_of_one_together(name, form, way):
  """And it is told by what is before it, not by itself."""
  scorer = Scorer(run_of(name, form, max_length=40), way)
  vocab = VOCABULARY.size
  texts = [Ids(np.append(ids('a b c'), one).astype(np.int32), 3,
               np.ones(4, bool)) for one in range(vocab)]
  chances = [np.exp(-nats.sum()) for nats, _ in scorer.score_ids(texts)]
  assert sum(chances) == pytest.approx(1, abs=1e-4)
  likeliest = [one for one, (_, correct) in enumerate(scorer.score_ids(texts))
               if correct.all()]
  assert likeliest == [int(np.argmax(chances))]


@pytest.mark.parametrize('name,form,encoder,targets,places', [
    ('prefix_lm', 'encoder_decoder', 'a b </s>', 'c d </s>', (0, 1)),
    ('span_corruption', 'auto', 'a b <X> </s>', '<X> c d </s>', (1, 2)),
    ('denoising', 'auto', 'a b [M] </s>', 'a b c d </s>', (2, 3)),
    ('gap_sentences', 'auto', 'a b [M] </s>', 'c d </s>', (0, 1)),
    ('fragment', 'auto', 'a b [M] [M]', 'c d', (0, 1)),
    ('blank_infilling', 'auto', 'a b [M]', 'c d </s>', (0, 1))])
def test_what_is_asked_of_a_sequence_to_sequence_model(
    name, form, encoder, targets, places):
  (way,) = bound(name, form).ways().values()
  ranks, factors = way.copies(4, 2, None)
  example, origins = way.example(window('a b c d .'), *(
      jnp.pad(one[0], (0, 1)) for one in (ranks, factors)))
  assert show(example['encoder_inputs']).rstrip(' .') == encoder
  assert show(example['targets']).rstrip(' .') == targets
  (origin,) = origins.values()
  assert [origin.tolist().index(2), origin.tolist().index(3)] == list(places)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['electric', 'replaced_token'])
def test_energies_are_the_heads_logits_on_the_text_as_it_is(name):
  run = run_of(name)
  text = ids('[CLS] a b c [SEP]')[None]
  hidden = run.objective.trunk().apply({'params': run.params['trunk']}, {
      'inputs': jnp.asarray(text), 'segment_ids': jnp.ones_like(text),
      'positions': jnp.arange(5)[None]})
  logits = run.objective._judge().scores(run.params, hidden)[0, 1:4]
  expected = logits if name == 'electric' else np.logaddexp(0, logits)
  score, = Scorer(run).score([Text('abc')])
  assert Scorer(run).way.kind == 'energy'
  assert score.nats.tolist() == pytest.approx(expected.tolist(), rel=1e-4)


@pytest.mark.slow
def test_directions_read_the_text_from_their_side():
  run = run_of('bidirectional_lm')
  forward, backward, both = (
      Scorer(run, way).score([Text('abc'), Text('abd'), Text('cbc')])
      for way in ('forward', 'backward', 'both_directions'))
  assert forward[0].nats[:2] == pytest.approx(forward[1].nats[:2], rel=1e-5)
  assert backward[0].nats[1:] == pytest.approx(backward[2].nats[1:], rel=1e-5)
  assert np.all(forward[0].nats[1:] != forward[2].nats[1:])
  assert both[0].nats == pytest.approx(
      (forward[0].nats + backward[0].nats) / 2, rel=1e-5)


def test_orders_are_fixed_and_all_of_the_text():
  ranks, factors = ways.orders(4)(6, 2, None)
  assert np.all(ranks[:, :2] == 0) and np.all(factors[:, :2] == 0)
  assert np.sort(ranks[:, 2:]).tolist() == [[1, 2, 3, 4]] * 4
  assert len({tuple(one) for one in ranks.tolist()}) > 1
  assert np.array_equal(ranks, ways.orders(4)(6, 2, None)[0])


def test_a_context_is_given_and_is_cut_where_there_is_no_room():
  scorer = Scorer(run_of('autoregressive'))
  whole, = scorer.score([Text('abcdef')])
  end, = scorer.score([Text('ef', context='abcd ')])
  assert end.nats.tolist() == pytest.approx(
      whole.nats[-2:].tolist(), rel=1e-4) and end.cut == 0
  long, = scorer.score([Text('z', context='abcdefgh' * 4)])
  assert long.cut == 5 and len(long.nats) == 1
  with pytest.raises(DataError, match='f line 3 has 29 tokens'):
    scorer.score([Text('a' * 29, where='f line 3')])
  empty, = scorer.score([Text('')])
  assert empty.total == 0 and not len(empty.nats)


def test_what_says_nothing_of_a_text_is_refused():
  none = {name for name in NAMES if not bound(name).ways()}
  assert none == set(NAMES) & {
      'capitalisation', 'deshuffling', 'glove', 'next_sentence',
      'sentence_contrastive', 'sentence_distance', 'sentence_order',
      'sentence_reordering', 'sentence_structure', 'token_document',
      'word2vec'}
  with pytest.raises(ConfigError, match='word2vec gives a text no score'):
    Scorer(run_of('word2vec'))
  with pytest.raises(ConfigError, match='pseudo_likelihood, within_word'):
    Scorer(run_of('masked'), 'chain_rule')
