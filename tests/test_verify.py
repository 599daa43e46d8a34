"""`verify` prints a verdict per term and fails where a proof does."""

import collections
import pathlib

import pytest

from ptm_jax import floors, leaks, resume_proof
from ptm_jax.__main__ import main

GPT = str(pathlib.Path(__file__).parent.parent / 'experiments' / 'gpt.py')
COMMAND = ['verify', f'--config={GPT}:tiny']


@pytest.fixture
def found(monkeypatch):
  """What the leak proofs find."""
  verdicts = [leaks.Verdict('derivative', 'lm', 7, []),
              leaks.Verdict('data', 'lm', 5, [])]
  monkeypatch.setattr(leaks, 'prove', lambda objective, model: verdicts)
  return verdicts


def test_a_verdict_per_term_and_proof(found, capsys):
  assert main(COMMAND) == 0
  assert capsys.readouterr().out.splitlines() == [
      'no leak, lm, by derivative: holds (7 predictions)',
      'no leak, lm, by data: holds (5 changed targets)']


def test_a_leak_is_shown_and_fails(found, capsys):
  found[1].leaks.append('token 3 of example 0 shows')
  assert main(COMMAND) == 1
  printed = capsys.readouterr()
  assert 'lm, by data: LEAKS' in printed.out
  assert 'token 3 of example 0 shows' in printed.out
  assert 'NOT proven: lm leaks by data' in printed.err


@pytest.mark.parametrize('differences,code', [([], 0), (['leaf key'], 1)])
def test_the_proof_of_resuming(found, capsys, monkeypatch, tmp_path,
                               differences, code):
  def prove(experiment, path, kills, steps, seed):
    assert (kills, steps, seed) == (3, 8, 0)
    return resume_proof.Proof(collections.Counter(save=2, start=1), 2,
                              differences)
  monkeypatch.setattr(resume_proof, 'prove', prove)
  assert main([*COMMAND, '--resume', '--kills=3', '--steps=8',
               f'--workdir={tmp_path}']) == code
  printed = capsys.readouterr()
  assert 'killed 2 x in save, 1 x in start' in printed.out
  assert ('resume: holds (3 kills, 2 runs' in printed.out) == (not code)
  assert ('NOT proven: leaf key' in printed.err) == bool(code)


def test_a_folder_that_is_not_empty_is_refused(found, capsys, tmp_path):
  (tmp_path / 'file').write_text('')
  assert main([*COMMAND, '--resume', f'--workdir={tmp_path}']) == 2
  assert 'is not empty' in capsys.readouterr().err


SHORT = [f'--config={GPT}:tiny,corpus=source', '--floor',
         '--config.corpus.num_documents=400', '--config.num_steps=4',
         '--config.model.width=16', '--config.model.depth=1']


def test_a_loss_is_held_against_its_floor(found, capsys, tmp_path,
                                          monkeypatch):
  command = ['verify', *SHORT, f'--workdir={tmp_path / "run"}']
  assert main(command) == 0
  printed = capsys.readouterr().out
  assert 'floor, lm: loss 5.' in printed and 'of the possible gain' in printed
  # The same run again, as if its loss were below the floor.
  score = floors.score
  def lower(trained, places):
    (metrics,) = score(trained, places)
    return [dict(metrics, **{'floor/lm/excess': -0.5,
                             'floor/lm/excess_se': 0.1})]
  monkeypatch.setattr(floors, 'score', lower)
  assert main(command) == 1
  assert ('NOT proven: lm lies 0.5000 nats below its floor, 5.0 standard '
          'errors' in capsys.readouterr().err)


@pytest.mark.parametrize('arguments,line', [
    ([f'--config={GPT}:tiny', '--floor'], 'corpus=hidden_markov'),
    # What its masks show besides [MASK] tells of the text.
    ([SHORT[0].replace('gpt', 'unilm'), '--floor'], 'no known floor'),
    ([*SHORT, '--resume'], 'one at a time'),
    ([SHORT[0].replace('gpt', 'bart'), *SHORT[1:], '--config.model.depth=2'],
     'no known floor')])
def test_what_has_no_floor_is_one_line(found, capsys, arguments, line):
  assert main(['verify', *arguments]) == 2
  assert line in capsys.readouterr().err
