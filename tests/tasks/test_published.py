"""Every published task: fixtures in its layout, and the real files where they
are."""

import pathlib

import numpy as np
import pytest

from ptm_jax.errors import DataError
from ptm_jax.find import find
from tests.tasks.runs import write

FIXTURES = pathlib.Path(__file__).parent / 'fixtures'
GLUE, ZH = 'glue_cola_rte_wnli', 'zh_tencentpretrain/datasets'
# Folder, training and test examples, and distinct test texts in the training
# data, as the data's own notes count them.
REAL = {
    'cola': (f'{GLUE}/CoLA', 8551, 1043, 16),
    'rte': (f'{GLUE}/RTE', 2490, 277, 0),
    'wnli': (f'{GLUE}/WNLI', 635, 71, 0),
    'sst2': ('cls_sentence', 6920, 1821, 2),
    'sst5': ('cls_sentence', 8544, 2210, 2),
    'mr': ('cls_sentence', 9539, 1123, 0),
    'subj': ('cls_sentence', 8987, 1013, 0),
    'trec': ('cls_sentence', 5452, 500, 10),
    'mrpc': ('pairs_mrpc_wang_mctest/msr', 4076, 1725, 0),
    'trecqa': ('pairs_mrpc_wang_mctest/wang', 4718, 1517, 0),
    'ag_news': ('ag_news_5k', 5000, 1000, 0),
    'wnut17': ('ner_wnut17_wikiann/WNUT17', 3394, 1287, 0),
    'chnsenticorp': (f'{ZH}/chnsenticorp', 9600, 1200, 330),
    'book_review': (f'{ZH}/book_review', 20000, 8000, 138),
    'wikiann': ('ner_wnut17_wikiann/WikiANN/en', 20000, 10000, 226),
    'msra': (f'{ZH}/msra_ner', 2318, 4636, 0),
    'cmrc2018': (f'{ZH}/cmrc2018', 2854, 365, 0),
    'c3': (f'{ZH}/c3', 3462, 354, 0),
    'tnews': ('zh_fewclue/tnews', 1185, 2010, 0),
    'ocnli': ('zh_fewclue/ocnli', 160, 2520, 0),
    'bustm': ('zh_fewclue/bustm', 160, 1772, 0),
    'eprstmt': ('zh_fewclue/eprstmt', 160, 610, 0),
    'cluewsc': ('zh_fewclue/cluewsc', 160, 976, 25)}


@pytest.mark.parametrize('name', REAL)
def test_the_published_files_are_read_whole(name, shared_data):
  folder, train, test, leaked = REAL[name]
  found = find('tasks', name)().read(shared_data / folder)
  assert (len(found.train), len(found.test)) == (train, test)
  known = {one.texts for one in found.train}
  assert len({one.texts for one in found.test} & known) == leaked
  assert all(text.strip() for one in found.test for text in one.texts)


@pytest.mark.parametrize('name,labels,first', [
    ('qnli', ('entailment', 'not_entailment'), (
        'What lives in the tall tower?', 'An old owl lives in the tall tower.',
        0)),
    ('qqp', ('0', '1'), ('How do I mend a kettle?',
                         'What is the way to mend a kettle?', 1)),
    ('mnli', ('contradiction', 'entailment', 'neutral'), (
        'The ferry left before dawn.', 'The ferry left early.', 1)),
    ('stsb', (), ('How do I mend a kettle?',
                  'What is the way to mend a kettle?', 4.8)),
])
def test_invented_rows_in_the_published_layout(name, labels, first):
  found = find('tasks', name)().read(FIXTURES / name)
  assert len(found.train) == len(found.test) == 10
  assert found.labels == labels
  assert (*found.train[0].texts, found.train[0].label) == first
  assert found.train[0].where.endswith('train.tsv line 2')


def test_pairs_without_a_majority_are_left_out(tmp_path):
  pair = '{"sentence1": "甲", "sentence2": "乙", "label": "%s"}'
  write(tmp_path, 'train.50k.json', [pair % 'neutral', pair % '-'])
  write(tmp_path, 'dev.json', [pair % '-', pair % 'entailment'])
  found = find('tasks', 'ocnli')().read(tmp_path)
  assert [one.where.rpartition('/')[2] for one in found.train + found.test] == [
      'train.50k.json line 1', 'dev.json line 2']


def test_the_same_answer_to_all():
  for name, expected in (('mnli', 'entailment'), ('qnli', 'entailment'),
                         ('squad', None)):
    task = find('tasks', name)()
    found = task.read(FIXTURES / name)
    assert task.constant(found.train, found.labels) == expected
  task = find('tasks', 'stsb')()
  found = task.read(FIXTURES / 'stsb')
  mean = task.constant(found.train, ())
  assert mean == pytest.approx(3.11)
  assert task.score([mean] * 10, found.test, ()) == {
      'spearman': 0.0, 'pearson': 0.0}


def test_a_split_by_hash_keeps_units_together(tmp_path):
  write(tmp_path, 'rt-polarity.all',
        [f'{number % 2} text {number // 2}' for number in range(400)])
  found = find('tasks', 'mr')().read(tmp_path)
  texts = [{one.texts for one in split} for split in (found.train, found.test)]
  assert not texts[0] & texts[1] and 20 < len(found.test) < 60
  assert len(found.train) + len(found.test) == 400
  assert found.files['test'] == ['a tenth of rt-polarity.all, by hash']


def test_an_own_file_has_its_own_labels(tmp_path):
  write(tmp_path, 'train.tsv', ['label\ttext_a', 'good\ta', 'bad\tb'])
  write(tmp_path, 'test.tsv', ['label\ttext_a', 'good\tc', 'ugly\td'])
  with pytest.raises(DataError, match="test.tsv line 3: label 'ugly' is not a "
                     'label of the training data: bad, good'):
    find('tasks', 'own_classes')().read(tmp_path)
  write(tmp_path, 'train.tsv', ['label\ttext_a', 'good\ta', '\tb'])
  with pytest.raises(DataError, match='train.tsv line 3 has no label'):
    find('tasks', 'own_classes')().read(tmp_path)
  write(tmp_path, 'train.tsv', ['label\ttext_a', 'good\ta\t', 'bad\tb\tc'])
  with pytest.raises(DataError, match='train.tsv line 3 has 3 columns, 2 are'):
    find('tasks', 'own_classes')().read(tmp_path)
  write(tmp_path, 'train.tsv', ['label\ttext_a', 'good\ta', 'good\tb'])
  with pytest.raises(DataError, match="train.tsv line 2 and all behind it have "
                     "the label 'good': there is nothing to learn"):
    find('tasks', 'own_classes')().read(tmp_path)
  write(tmp_path, 'train.tsv', ['label\ttext_a', '\ta', ' \tb'])
  with pytest.raises(DataError, match='and all behind it have no label'):
    find('tasks', 'own_marks')().read(tmp_path)
  write(tmp_path, 'train.tsv', ['label\ttext_a', 'good\ta'])
  write(tmp_path, 'test.tsv', ['label\ttext', 'good\tc'])
  with pytest.raises(DataError, match="test.tsv line 2 has no column 'text_a', "
                     'found label, text'):
    find('tasks', 'own_classes')().read(tmp_path)


def test_several_labels(tmp_path):
  write(tmp_path, 'train.tsv', ['label\ttext_a\ttext_b', 'x,y\ta\tb',
                                'y\tb\tc', '\tc\td'])
  write(tmp_path, 'test.tsv', ['label\ttext_a\ttext_b', 'y\td\te', 'x\te\tf'])
  task = find('tasks', 'own_marks')()
  found = task.read(tmp_path)
  assert found.labels == ('x', 'y') and found.train[0].texts == ('a', 'b')
  assert [one.label for one in found.train] == [(1, 1), (0, 1), (0, 0)]
  answers = task.predict([np.asarray([-1.0, 2.0]), np.asarray([1.0, 1.0])],
                         None, found.test, found.labels)
  assert answers == [['y'], ['x', 'y']]
  assert task.score(answers, found.test, found.labels) == {
      'micro_f1': pytest.approx(4 / 5), 'macro_f1': pytest.approx(5 / 6),
      'exact_match': 0.5}
  assert task.constant(found.train, found.labels) == ['y']


def test_a_folder_without_the_files_is_named(tmp_path):
  with pytest.raises(DataError, match='has no stsa.binary.train or train.tsv'):
    find('tasks', 'sst2')().read(tmp_path)
  write(tmp_path, 'train.tsv', ['sentence\tlabel', 'a\t1'])
  with pytest.raises(DataError, match='has no dev.tsv'):
    find('tasks', 'sst2')().read(tmp_path)
