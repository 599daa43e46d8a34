"""What a prompt makes of a trunk is what its own logits say."""

import json
import types

import numpy as np
import pytest

from ptm_jax.__main__ import main
from ptm_jax.data.corpora import python_docs
from ptm_jax.data.documents import Document
from ptm_jax.errors import ConfigError
from ptm_jax.find import find
from ptm_jax.scoring import evaluation, prompting
from ptm_jax.scoring.scorer import Ids, Scorer
from ptm_jax.scoring.trunk import Trunk
from ptm_jax.tasks import base, identifier_cloze, prompt
from tests.objectives.words import ids
from tests.scoring.runs import run_of
from tests.scoring.test_scorer import masked_nats, totals
from tests.tasks.runs import tokenizer, untrained_run, write


def parsed(*lines):
  return prompt.parse(enumerate(lines, 1), 'mine.txt')


ASKED = parsed('pattern: {text} q [MASK] z', 'label 0: b', 'label 1: cd | a')


def label_scores(name, way=''):
  run = run_of(name)
  trunk = Trunk(run, types.SimpleNamespace(
      kinds=prompting.Prompted.kinds, prefers=prompting.Prompted.prefers), way)
  # Room as of a longer window.
  trunk.run = types.SimpleNamespace(
      tokenizer=run.tokenizer, objective=types.SimpleNamespace(raw_length=20))
  asker = prompting.Asker(trunk, ASKED, ASKED.choices(('0', '1')), [])
  return trunk, asker.scores([asker.question(('a',))])[0]


@pytest.mark.parametrize('way', ['', 'within_word'])
def test_a_masked_trunk_fills_the_blank(way):
  trunk, found = label_scores('masked', way)
  assert trunk.scorer.name == (way or 'all_hidden')
  def at(shown, place, letter):
    return masked_nats(run_of('masked'), f'[CLS] a q {shown} z [SEP]', place,
                       letter)
  two = at('[M] [M]', 3, 'c') + (
      at('c [M]', 4, 'd') if way else at('[M] [M]', 4, 'd'))
  assert found == pytest.approx([
      -at('[M]', 3, 'b'),
      np.log((np.exp(-two) + np.exp(-at('[M]', 3, 'a'))) / 2)], rel=1e-4)
  assert trunk.in_place([prompt.Filled(ids('a q b z'), 2, 3)]) == (
      pytest.approx([at('[M]', 3, 'b')], rel=1e-4))


def test_an_autoregressive_trunk_completes_and_goes_on():
  _, found = label_scores('autoregressive')
  scorer = Scorer(run_of('autoregressive'))
  before, b, cd, a = totals(scorer, ['aq', 'aqbz', 'aqcdz', 'aqaz'])
  assert found == pytest.approx([
      before - b, np.log((np.exp(before - cd) + np.exp(before - a)) / 2)],
                                rel=1e-4)


@pytest.mark.parametrize('name,way', [
    ('masked_diffusion', 'bound'), pytest.param(
        'electric', 'energy', marks=pytest.mark.slow)])
def test_others_are_given_what_stands_behind(name, way):
  scorer = Scorer(run_of(name), way)
  def nats(text):
    return scorer.score_ids([Ids(ids(text), 1, np.ones(4, bool), 2)])[0][0]
  one, = nats('a b c d')
  assert one == nats('a b c d')[0] != nats('a b d c')[0]


class Told:
  """A trunk whose score of a word depends on the text before it."""

  cut, room = 0, 1000
  run = types.SimpleNamespace(
      tokenizer=tokenizer(), objective=types.SimpleNamespace(raw_length=1000))

  def __init__(self, chances):
    self.chances, self.read = chances, []

  def score_ids(self, texts):
    found = []
    for one in texts:
      text = tokenizer().decode(one.ids)
      self.read.append(text)
      question = text.rpartition('\n\n')[2]
      bad = self.chances[question.partition(' It')[0]]
      # Longer questions are less likely, whatever the answer.
      found.append(len(question.partition(' It')[0]) - np.log(
          bad if question.endswith('terrible.') else 1 - bad))
    return np.asarray(found)


def prompted(train, test, **options):
  task = find('tasks', 'sst2')()
  asked = prompting.Prompted(task, 'default', **options)
  asked.examples = base.Examples(train, test, task.labels, {})
  return asked


def examples(*pairs):
  return [base.Example((text,), label, 'x') for text, label in pairs]


EMPTY = {'N/A': 0.8, '[MASK]': 0.6, '': 0.7}


def test_calibration_divides_by_what_no_content_gives():
  train = examples(('u', 0), ('v', 0), ('w', 1))
  test = examples(('p', 1), ('q', 0))
  chances = {'p': 0.6, 'q': 0.75, **EMPTY}
  plain = prompted(train, test).measure(Told(chances), test)
  # 0.6 / 0.7 < 0.4 / 0.3, and 0.75 / 0.7 > 0.25 / 0.3.
  calibrated = prompted(train, test, calibrate=True).measure(
      Told(chances), test)
  assert plain['accuracy'] == 0.5 and calibrated['accuracy'] == 1.0
  assert plain['same_answer/accuracy'] == 0.5  # 0 to all
  trunk = Told(chances)
  asker = prompting.Asker(trunk, prompt.of_task(find('tasks', 'sst2')(),
                                                'default'),
                          [(0, 'terrible'), (1, 'great')], [])
  assert np.exp(prompting.without_content(asker, 0)) == pytest.approx(
      [0.7, 0.3], rel=1e-5)


def test_shots_are_balanced_drawn_once_and_in_a_seeded_order():
  train = examples(*((f't{number}', number % 3 == 0) for number in range(60)))
  one = prompting.draw(train, 6, 0)
  assert sum(example.label for example in one) == 3
  assert one == prompting.draw(train, 6, 0) != prompting.draw(train, 6, 1)
  assert len({example.texts for example in one}) == 6
  # A label that has no more gives way; all there are is all there is.
  few = prompting.draw(train[:4], 10, 0)
  assert len(few) == 4 and sum(example.label for example in few) == 2


def test_shots_stand_in_front_as_many_as_there_is_room_for():
  train = examples(('u', 0), ('v', 1), *[('q', 1)] * 30)
  test = examples(('q', 1), ('pppppppp', 1))
  trunk = Told({'q': 0.1, 'pppppppp': 0.1, **EMPTY})
  asked = prompted(train, test, shots=2, calibrate=True)
  found = asked.measure(trunk, test)
  assert found['shots'] == 2 and found['examples_with_fewer_shots'] == 0
  shown = {'u It was terrible.', 'v It was great.'}
  for text in trunk.read:  # those without content too
    *front, question = text.split('\n\n')
    assert set(front) == shown and len(front) == 2  # q is a test example
  assert question == ' It was great.'
  room = trunk.room = len(tokenizer().encode(trunk.read[0])) + 6
  trunk.read = []
  found = asked.measure(trunk, test)
  assert found['shots'] == 1.5 and found['examples_with_fewer_shots'] == 1
  assert {text.count('\n\n') for text in trunk.read[:2]} == {2}
  assert {text.count('\n\n') for text in trunk.read[2:4]} == {1}
  assert max(len(tokenizer().encode(text)) for text in trunk.read) <= room
  assert trunk.cut == 0


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  return {name: untrained_run(tmp_path_factory.mktemp(name), name)
          for name in ('masked', 'autoregressive')}


def films(folder):
  lines = ['label\ttext_a', '0\tarray', '1\tdata', '0\tnone']
  write(folder, 'train.tsv', lines)
  return write(folder, 'test.tsv', lines[:3])


@pytest.mark.parametrize('name,scorer', [
    ('masked', 'all_hidden'), ('autoregressive', 'chain_rule')])
def test_a_user_asks_with_a_file(name, scorer, runs, tmp_path, capsys):
  data = films(tmp_path / 'data')
  path = write(tmp_path, 'mine.txt', [
      'pattern: {text} is [MASK]', 'label 0: none', 'label 1: new']) / (
          'mine.txt')
  command = ['evaluate', f'--checkpoint={runs[name]}', '--tasks=own_classes',
             f'--data_dir={data}', f'--prompt={path}', '--shots=1',
             '--calibrate', f'--output={tmp_path / "found.json"}']
  assert main(command) == 0
  said = capsys.readouterr().out
  assert 'own_classes prompt=mine shots=1 calibrated  (2 examples, ' in said
  assert f'{scorer}: log-' in said and 'same_answer/accuracy' in said
  (found,) = json.loads((tmp_path / 'found.json').read_text())[
      'tasks'].values()
  assert found['metrics']['same_answer/accuracy'] == 0.5
  # The same command takes what is there, another seed does not.
  assert main(command) == 0
  assert 'taken from' in capsys.readouterr().out
  assert main([*command, '--shots_seed=1']) == 0
  assert 'taken from' not in capsys.readouterr().out


@pytest.mark.parametrize('name,scorer', [
    ('masked', 'all_hidden'), ('autoregressive', 'chain_rule')])
def test_an_embedded_task_is_asked_without_a_folder(
    name, scorer, runs, tmp_path, capsys, monkeypatch):
  texts = [f'the array is as {one}_array has none and shape the new array'
           for one in ('array', 'data', 'has', 'the')]
  monkeypatch.setattr(python_docs.Corpus, 'entities', lambda self: [
      text.split()[4] for text in texts])
  monkeypatch.setattr(python_docs.Corpus, 'documents', lambda self: [
      Document(text, text) for text in texts])
  monkeypatch.setattr(identifier_cloze, 'split_of', lambda document: 'test')
  assert main(['evaluate', f'--checkpoint={runs[name]}',
               '--tasks=identifier_cloze',
               f'--output={tmp_path / "found.json"}']) == 0
  said = capsys.readouterr().out
  assert f'(4 examples, {scorer}: log-' in said and 'chance' in said
  found = json.loads((tmp_path / 'found.json').read_text())['tasks']
  assert found['identifier_cloze']['metrics']['asked'] == 4


@pytest.mark.parametrize('lines,said', [
    (['pattern: {text} is so'], 'bad.txt:1: the pattern has no [MASK]'),
    (['pattern: {text} [MASK]', 'label 0: a', 'label 7: b'],
     "bad.txt:3: there is no label '7'")])
def test_a_bad_prompt_ends_with_3(lines, said, runs, tmp_path, capsys):
  data = films(tmp_path / 'data')
  write(tmp_path, 'bad.txt', lines)
  def code(*flags):
    return main(['evaluate', f'--checkpoint={runs["masked"]}',
                 '--tasks=own_classes', f'--data_dir={data}',
                 f'--output={tmp_path / "found.json"}', *flags])
  assert code(f'--prompt={tmp_path / "bad.txt"}') == 3
  error = capsys.readouterr().err
  assert said in error and error.count('\n') == 1
  assert not (tmp_path / 'found.json').exists()
  assert code(f'--prompt={tmp_path / "absent.txt"}') == 3
  assert code() == 2 and code('--shots=2') == 2


def test_what_needs_no_prompt_is_refused():
  with pytest.raises(ConfigError, match='needs no --prompt'):
    evaluation.tasks_of(['blimp'], ['.'], str)
