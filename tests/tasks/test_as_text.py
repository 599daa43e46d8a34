"""Text in, text out: what is written for a model, and what it wrote scored."""

import pytest

from ptm_jax.__main__ import main
from tests.tasks.test_published import FIXTURES


def lines(path):
  return path.read_text().splitlines()


def command(task, *flags):
  folders = ','.join(f'{FIXTURES}/{name}' for name in task.split(','))
  return main(['finetune', f'--task={task}', f'--data_dir={folders}', *flags])


def test_tasks_become_lines_and_right_lines_score_best(tmp_path, capsys):
  assert command('mnli,stsb', f'--write_text={tmp_path}') == 0
  sources, targets = (lines(tmp_path / f'train.{side}.txt')
                      for side in ('source', 'target'))
  assert len(sources) == len(targets) == 20
  assert sources[0] == ('mnli first: The ferry left before dawn. second: The '
                        'ferry left early. answer:')
  assert (targets[0], targets[10], targets[13]) == ('entailment', '4.8', '2.4')
  assert lines(tmp_path / 'train.both.txt')[0] == (
      f'{sources[0]} entailment')
  capsys.readouterr()
  assert command('mnli,stsb',
                 f'--score_text={tmp_path / "test.target.txt"}') == 0
  assert 'mnli/accuracy: 1.0000' in capsys.readouterr().out
  # What is no label is wrong, whatever is right.
  found = tmp_path / 'found.txt'
  found.write_text('nonsense\n' * 20)
  assert command('mnli,stsb', f'--score_text={found}') == 0
  assert 'mnli/accuracy: 0.0000' in capsys.readouterr().out
  found.write_text('nonsense\n' * 19)
  assert command('mnli,stsb', f'--score_text={found}') == 3
  assert 'has 19 lines, and the test has 20' in capsys.readouterr().err


def test_answers_that_are_pieces_of_a_text_or_none(tmp_path, capsys):
  assert command('squad', f'--write_text={tmp_path}') == 0
  targets = lines(tmp_path / 'test.target.txt')
  assert targets[4:6] == ['José Núñez', 'no answer']
  assert command('squad', f'--score_text={tmp_path / "test.target.txt"}') == 0
  assert 'exact_match: 1.0000' in capsys.readouterr().out


def test_summaries_are_written_and_scored(tmp_path, capsys):
  assert command('summarisation', f'--write_text={tmp_path}') == 0
  sources, targets = (lines(tmp_path / f'test.{side}.txt')
                      for side in ('source', 'target'))
  assert len(sources) == len(targets) == 10
  assert sources[4].startswith('summarisation text: Café Müller schließt')
  assert targets[8] == (
      'A parcel with a wool hat arrived in Sill twenty three years late.')
  capsys.readouterr()
  found = tmp_path / 'found.txt'
  # 3 of 4 and of 13 words of one line, 1 of 3 and of 12 pairs, and in order 2.
  found.write_text('\n' * 8 + 'arrived late A parcel\n\n')
  assert command('summarisation', f'--score_text={found}') == 0
  said = capsys.readouterr().out
  assert f'rouge1: {(8 / 17) / 10:.4f}' in said
  assert f'rouge2: {(2 / 15) / 10:.4f}' in said
  assert f'rougeL: {(4 / 17) / 10:.4f}' in said


@pytest.mark.parametrize('rows,said', [
    ('{"document": "a"}', 'train.jsonl line 1 has no columns document and '
     'summary or article and highlights or text and summary, found document'),
    ('{"article": "a", "highlights": "b"}\n{"article": "a", "highlights": ""}',
     "train.jsonl line 2: 'highlights' is '', not a text")])
def test_summaries_that_are_malformed_name_their_line(
    rows, said, tmp_path, capsys):
  (tmp_path / 'train.jsonl').write_text(rows)
  (tmp_path / 'validation.jsonl').write_text('{"text": "a", "summary": "b"}')
  assert main(['finetune', '--task=summarisation', f'--data_dir={tmp_path}',
               f'--write_text={tmp_path / "out"}']) == 3
  assert said in capsys.readouterr().err and not (tmp_path / 'out').exists()


@pytest.mark.parametrize('task', ['wnut17', 'c3'])
def test_what_is_no_text_is_refused(task, tmp_path, capsys):
  (tmp_path / 'wnut17train.conll').write_text('a\tO\n')
  (tmp_path / 'emerging.test.annotated').write_text('a\tO\n')
  for name in 'train.json', 'dev.json':
    (tmp_path / name).write_text(
        '[[["a"], [{"question": "b", "choice": ["c"], "answer": "c"}]]]')
  assert main(['finetune', f'--task={task}', f'--data_dir={tmp_path}',
               f'--write_text={tmp_path / "out"}']) == 2
  assert 'are no text' in capsys.readouterr().err
  assert not (tmp_path / 'out').exists()
