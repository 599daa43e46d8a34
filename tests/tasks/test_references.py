"""Scores of texts beside references: the libraries' own examples."""

import pytest

from ptm_jax.errors import DataError
from ptm_jax.tasks import references

pytest.importorskip('sacrebleu')
pytest.importorskip('rouge_score')


def test_scores_of_a_summary_are_those_counted_by_hand():
  # 5 of 6 and of 7 words, 3 of 5 and of 6 pairs; the other line has nothing.
  scores = references.score(['The cat sat on the mat.', 'one two'],
                            ['the cat lay on the mat today', 'three four'])
  assert scores['rouge1'] == pytest.approx(100 * (10 / 13) / 2)
  assert scores['rouge2'] == pytest.approx(100 * (6 / 11) / 2)
  assert scores['rougeLsum'] == pytest.approx(100 * (10 / 13) / 2)


def test_equal_texts_have_the_best_score():
  lines = ['Ein Hund läuft über eine grüne Wiese.']
  scores = references.score(lines, lines)
  assert {round(scores[name], 6) for name in ('bleu', 'chrf')} == {100.0}


@pytest.mark.parametrize('found,right,message', [
    (['a'], ['a', 'b'], '1 lines and 2 lines of reference'),
    ([], [], 'no line to score')])
def test_lines_that_do_not_pair_are_an_error(found, right, message):
  with pytest.raises(DataError, match=message):
    references.score(found, right)
