"""Blanks filled by runs that write, and by taking masks away one by one."""

import sys
import types

import numpy as np
import pytest

from ptm_jax import __main__
from ptm_jax.config import Model
from ptm_jax.data.vocabulary import Listed
from ptm_jax.find import find
from ptm_jax.generation import beam, decoding, filling
from ptm_jax.generation.sampling import Sampling
from ptm_jax.objectives import blanks
from tests.objectives.cases import bound, corrupt
from tests.objectives.words import ids, random_windows, show
from tests.test_generation import run_of

PARTS = [ids('a b').tolist(), ids('c').tolist(), ids('d e').tolist()]
X, Y = (bound('span_corruption').vocabulary.sentinel_id(n) for n in (0, 1))
PRE, SUF, MID = (bound('fill_in_the_middle').vocabulary.mark_id(n)
                 for n in range(3))


@pytest.mark.parametrize('name,fields,asked', [
    ('span_corruption', {}, ['a b <X> c <Y> d e']),
    ('denoising', {}, ['a b [M] c [M] d e']),
    ('fill_in_the_middle', {'spm_share': 0.5}, [
        (PRE, 'a b', SUF, 'c d e', MID), (PRE, 'a b z c', SUF, 'd e', MID)]),
    ('fill_in_the_middle', {'spm_share': 1.0}, [
        (PRE, SUF, 'c d e', MID, 'a b'), (PRE, SUF, 'd e', MID, 'a b z c')]),
    ('blank_infilling', {}, ['a b [M] c [M] d e'] * 2)])
def test_what_is_read(name, fields, asked):
  objective, filled = bound(name, length=32, **fields), []
  for expected in asked:
    if isinstance(expected, str):
      expected = (expected,)
    expected = [one for piece in expected for one in (
        ids(piece).tolist() if isinstance(piece, str) else [piece])]
    assert objective.ask(PARTS, filled).ids == expected
    filled = [*filled, ids('z').tolist()]


def test_sentinels_say_which_blank_is_meant():
  objective = bound('span_corruption')
  assert objective.ask(PARTS, []).more == (X, Y)
  written = ids('q <X> z z <Y> y <Z> x').tolist()
  # A sentinel that was not asked for is text like any other.
  assert [show(one) for one in objective.answer(PARTS, written)] == [
      'z z', 'y <Z> x']
  assert objective.answer(PARTS, ids('<Y> y').tolist()) == [
      [], ids('y').tolist()]


def test_blanks_of_a_text_that_was_written_whole():
  def found(text):
    answer = blanks.between(PARTS, ids(text).tolist())
    return answer and [show(one) for one in answer]
  assert found('a b z c y x d e') == ['z', 'y x']
  assert found('a b c d e') == ['', '']
  assert found('a b z d e') is None and found('b z c y d e') is None
  assert found('a b c d') is None and found('a b d e') is None
  assert blanks.between([[], []], [1, 2]) == [[1, 2]]


def test_blocks_stand_as_in_training():
  """The question behind filled blanks is the input of a training example."""
  objective = bound('blank_infilling', length=32)
  filled = [ids('z y').tolist()]
  question = objective.ask(PARTS, filled)
  assert show(question.behind['inputs']) == '<s> z y <s>'
  assert question.behind['positions'] == [2, 2, 2, 4]
  assert question.behind['block_positions'] == [1, 2, 3, 1]
  # Of many windows, one with its spans in the order of the text.
  short = bound('blank_infilling', length=12, rate=0.3)
  batch = corrupt(short, random_windows(64, 12))
  for row in range(64):
    one = {name: np.asarray(value[row]) for name, value in batch.items()
           if name != 'key'}
    real = one['decoder_segment_ids'] > 0
    starts = np.flatnonzero(one['decoder_block_positions'][real] == 1)
    places = one['decoder_positions'][starts]
    if len(places) > 1 and np.all(np.diff(places) > 0):
      break
  text = one['encoder_inputs'][one['encoder_segment_ids'] > 0]
  parts = np.split(text, places)
  parts = [parts[0].tolist(), *(part[1:].tolist() for part in parts[1:])]
  inputs = one['decoder_inputs'][real]
  filled = [block[1:].tolist() for block in np.split(inputs, starts)[1:]]
  asked = short.ask(parts, filled[:-1])
  assert asked.ids == text.tolist()
  count = len(asked.behind['inputs'])
  for name in 'inputs', 'positions', 'block_positions':
    assert asked.behind[name] == one[f'decoder_{name}'][:count].tolist()


@pytest.mark.parametrize('name', ['fill_in_the_middle', 'blank_infilling',
                                  'span_corruption', 'denoising'])
def test_a_text_comes_back_filled(name):
  run = run_of(name, seed=1, max_length=64)
  texts, whole = filling.infill(run, ['ab', 'c', 'de'], 4, beam.Search(2))
  if name == 'denoising':
    assert texts is None and len(whole) <= 4  # too short for all the parts
  else:
    assert whole == f'ab{texts[0]}c{texts[1]}de' and len(texts) == 2
    assert name == 'span_corruption' or 0 < len(''.join(texts)) <= 8


def test_a_piece_of_text_may_have_the_id_of_padding(monkeypatch):
  """As in a published vocabulary; here a digit is its id."""
  listed = Listed(16, (('bos', 10), ('eos', 11)), (12, 13, 14, 15),
                  tuple(range(10)))
  tokenizer = types.SimpleNamespace(
      encode=lambda text: np.asarray([int(one) for one in text], np.int32),
      decode=lambda tokens: ''.join(map(str, tokens)))
  run = types.SimpleNamespace(
      tokenizer=tokenizer, objective=find('objectives', 'fill_in_the_middle')(
          ).bind(Model(max_length=32), listed, 12))
  monkeypatch.setattr(beam, 'Searcher', lambda *_: types.SimpleNamespace(
      decoder=types.SimpleNamespace(prompt=lambda windows: windows),
      search=lambda stack, room: (np.array([[0, 5, 0, 11, 11]]), None)))
  assert filling.infill(run, ['1', '2'], 5) == (['050'], '10502')


def test_a_second_blanks_scores_are_those_of_training():
  """What is kept of a block's two positions is what the stack declares."""
  run = run_of('blank_infilling', max_length=64)
  decoder = decoding.Decoder(run)
  filled, written = [ids('z y').tolist()], ids('x w').tolist()
  def stack(filled_, blank):
    question = run.objective.ask(PARTS, filled_)
    behind = question.behind
    for number, one in enumerate(blank, 2):
      behind['inputs'].append(one)
      behind['positions'].append(behind['positions'][-1])
      behind['block_positions'].append(number)
    return filling._stack(run, decoder, question)
  state = decoder.read(run.params, stack(filled, []), room=3)
  for number, token in enumerate(written, 1):
    state = decoder.next(run.params, state, np.array([token], np.int32))
    exact = decoder.read(run.params, stack(filled, written[:number]), room=1)
    largest = np.abs(exact['scores']).max()
    np.testing.assert_allclose(state['scores'], exact['scores'],
                               atol=1e-5 * largest)


def test_masks_go_one_by_one_the_surest_first():
  run = run_of('masked_diffusion', seed=2)
  parts = ['ab', '', 'c', 'd']
  tokens, scores = filling._hidden(run, parts)
  assert show(tokens) == 'a b [M] [M] c [M] d'
  places = [2, 3, 5]
  left = set(range(3))
  while left:
    rows = np.asarray(scores(run.params, tokens))
    rows = rows - np.log(np.sum(np.exp(rows - rows.max(-1, keepdims=True)),
                                -1, keepdims=True)) - rows.max(
                                    -1, keepdims=True)
    best = max(left, key=lambda one: rows[one].max())
    tokens[places[best]] = rows[best].argmax()
    left.remove(best)
  assert filling.unmask(run, parts) == [show([tokens[one]]) for one in places]
  at_once = filling.unmask(run, parts, steps=1)
  assert at_once == [found[0][0] for found in filling.fill(run, parts, top=1)]
  drawn = {tuple(filling.unmask(run, parts, 2, Sampling(temperature=50.0),
                                seed)) for seed in range(4)}
  assert len(drawn) > 2 and all(len(one) == 3 for one in drawn)


def test_what_the_verbs_print(monkeypatch, capsys):
  run = run_of('masked_diffusion', seed=2)
  monkeypatch.setattr(sys.modules['ptm_jax.load'], 'load', lambda path: run)
  filled = ''.join(filling.unmask(run, ['ab', '', 'c']))
  assert __main__.main(['fill', '--checkpoint=x', '--text=ab [MASK][MASK]c'
                        ]) == 0
  assert capsys.readouterr().out == f'ab{filled}c\n'
  assert __main__.main(['generate', '--checkpoint=x', '--prompt=ab',
                        '--max_tokens=2', '--temperature=0']) == 0
  written = capsys.readouterr().out
  assert written == 'ab' + ''.join(filling.unmask(run, ['ab', '', ''])) + '\n'
  run = run_of('span_corruption', seed=1)
  assert __main__.main(['fill', '--checkpoint=x', '--text=ab [MASK]c',
                        '--max_tokens=4', '--beam=2']) == 0
  _, whole = filling.infill(run, ['ab', 'c'], 4, beam.Search(2))
  assert capsys.readouterr().out == whole + '\n'


@pytest.mark.parametrize('arguments,found', [
    (['--max_tokens=0'], '--max_tokens=0'), (['--beam=0'], '--beam=0'),
    (['--steps=-1'], '--steps=-1'), (['--temperature=-1'], '--temperature=-1')])
def test_bad_flags_are_one_line(capsys, arguments, found):
  assert __main__.main(
      ['fill', '--checkpoint=x', '--text=a [MASK]', *arguments]) == 2
  assert found in capsys.readouterr().err
