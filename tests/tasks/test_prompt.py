"""Prompts: what a user writes, and how an example goes into it."""

import numpy as np
import pytest

from ptm_jax.errors import ConfigError, DataError
from ptm_jax.find import find, names
from ptm_jax.tasks import base, prompt
from tests.tasks.runs import tokenizer

GOOD = ('# A film.', '', 'pattern: {text} It was [MASK].', 'label 0: bad',
        'label 1: great | not bad')


def parsed(*lines):
  return prompt.parse(enumerate(lines, 1), 'mine.txt')


def example(*texts):
  return base.Example(texts, 0, 'train.tsv line 7')


def test_a_file_is_a_pattern_and_words(tmp_path):
  path = tmp_path / 'film.txt'
  path.write_bytes(b'\xef\xbb\xbf' + '\r\n'.join(GOOD).encode())
  found = prompt.of_task(find('tasks', 'sst2')(), str(path))
  assert found.before == (prompt.Field('text'), ' It was ')
  assert found.behind == ('.',)
  assert found.words == {'0': ('bad',), '1': ('great', 'not bad')}
  assert found.choices(('0', '1')) == [(0, 'bad'), (1, 'great'),
                                       (1, 'not bad')]
  found.check([example('a')], ('0', '1'))


def test_braces_and_lines_are_written_so():
  found = parsed(r'pattern: {{{text}}}\n[MASK]', 'label a: b', 'label x: y: z',
                 'label t: 10:30')
  assert found.before == ('{', prompt.Field('text'), '}\n')
  assert found.behind == ()
  assert found.words == {'a': ('b',), 'x: y': ('z',), 't': ('10:30',)}


@pytest.mark.parametrize('lines,said', [
    (['pattern: {text} It was.'], ':1: the pattern has no [MASK]'),
    (['', 'pattern: [MASK] {text} [MASK]'], ':2: the pattern has 2 [MASK]'),
    (['pattern: {review} [MASK]'], ':1: there is no {review}'),
    (['pattern: {text [MASK]'], ":1: a '{' alone"),
    (['pattern: It was [MASK].'], ':1: the pattern shows no text'),
    ([*GOOD, 'pattern: {text} [MASK]'], ':6: a second pattern'),
    ([*GOOD, 'label 1: good'], ":6: label '1' was given before"),
    ([*GOOD, 'label 2:'], ":6: label '2' has no word"),
    ([*GOOD, 'label 2: good | '], ":6: label '2' has no word"),
    ([*GOOD, 'label 2: great'], ":6: 'great' is also a word of label '1'"),
    ([*GOOD, 'it was good'], ":6: 'it was good' is neither"),
    (['label 0: bad'], ':1: there is no line "pattern: TEXT"'),
    ([], ':1: there is no line "pattern: TEXT"')])
def test_what_is_malformed_is_named_with_its_line(lines, said):
  with pytest.raises(DataError) as error:
    parsed(*lines)
  assert str(error.value).startswith('mine.txt' + said)


@pytest.mark.parametrize('labels,texts,said', [
    (('0', '1', '2'), ('a',), "mine.txt:3: the label '2' has no word"),
    (('0', '2'), ('a',), "mine.txt:5: there is no label '1'"),
    (('0', '1'), ('a', 'b'), 'mine.txt:3: {text} is no text of train.tsv '
     'line 7, which has text_a and text_b')])
def test_what_does_not_suit_the_data_is_named_with_its_line(
    labels, texts, said):
  with pytest.raises(DataError) as error:
    parsed(*GOOD).check([example(*texts)], labels)
  assert str(error.value).startswith(said)


def test_a_pair_needs_two_texts():
  pair = parsed('pattern: {text_a} [MASK] {text_b}', 'label 0: so')
  pair.check([example('a', 'b')], ('0',))
  with pytest.raises(DataError, match='{text_b} is no text of train.tsv'):
    pair.check([example('a')], ('0',))


def test_text_is_data_whatever_it_looks_like():
  text = '{text_b} [MASK] <mask> </s> \u2581 {'
  (filled, other, _), cut = parsed(*GOOD).fill(
      tokenizer(), (text,), ['great', 'bad', 'not bad'], 200)
  assert tokenizer().decode(filled.ids) == text + ' It was great.'
  assert tokenizer().decode(other.ids) == text + ' It was bad.'
  assert filled.ids.min() >= 7 and not cut  # no control token
  # The space before a word is its own, as in training.
  assert tokenizer().decode(filled.ids[filled.begin:filled.end]) == ' great'
  assert np.flatnonzero(filled.starts).tolist() == [filled.begin]


def test_the_longer_text_is_cut_and_never_the_pattern():
  pair = parsed('pattern: {text_a}? [MASK], {text_b}', 'label 0: qq')
  def filled(first, second, room):
    (found,), cut = pair.fill(tokenizer(), (first, second), ['qq'], room)
    assert len(found.ids) == min(room, len(tokenizer().encode(
        f'{first}? qq, {second}')))
    return tokenizer().decode(found.ids), cut
  whole = len(tokenizer().encode('qqqqqqqq? qq, zz'))
  assert filled('qqqqqqqq', 'zz', whole) == ('qqqqqqqq? qq, zz', False)
  assert filled('qqqqqqqq', 'zz', whole - 3) == ('qqqqq? qq, zz', True)
  assert filled('qq', 'zzzzzzzz', whole - 3) == ('qq? qq, zzzzz', True)
  with pytest.raises(DataError, match='mine.txt:1: the pattern alone has'):
    pair.fill(tokenizer(), ('q', 'z'), ['qq'], 3)


def test_a_label_has_the_mean_probability_of_its_words():
  scores = np.log([[0.5, 0.1, 0.3], [0.2, 0.4, 0.4]])
  found = prompt.by_label(scores, [(0, 'a'), (1, 'b'), (1, 'c')])
  assert np.exp(found) == pytest.approx(np.asarray([[0.5, 0.2], [0.2, 0.4]]))


def test_the_tasks_own_prompts_suit_them():
  own = [task for task in map(lambda name: find('tasks', name),
                              names('tasks')) if getattr(task, 'prompt', '')]
  assert len(own) >= 3
  for task in own:
    found, second = prompt.of_task(task(), 'default'), (
        'second' in task.layouts[0].columns)
    found.check([example('a', 'b') if second else example('a')], task.labels)
  with pytest.raises(DataError, match='cola has no prompt of its own'):
    prompt.of_task(find('tasks', 'cola')(), 'default')
  for name in 'stsb', 'own_marks':
    with pytest.raises(ConfigError, match='are no single labels'):
      prompt.of_task(find('tasks', name)(), 'default')
