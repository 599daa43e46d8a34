"""Reports from invented files: what they say, and what they withstand."""

import json
import re

import pytest

from ptm_jax import report
from ptm_jax.errors import DataError
from tests.report import fabricated


def build(path):
  report.build(path)
  return (path / 'report.html').read_text(), (path / 'report.md').read_text()


def test_a_whole_comparison(tmp_path):
  fabricated.write(tmp_path)
  page, markdown = build(tmp_path)
  first = re.search(r'<p class="verdict">(.*?)</p>', page)[1]
  assert first.startswith('Every run ended below the best constant predictor')
  assert markdown.startswith('Every run ended below')
  for text in (page, markdown):
    for name in fabricated.TERMS:
      assert name in text
    assert 'untuned' in text and '0123456789ab' in text
    assert 'runs/masked/seed-2' in text
  # 5 curves, one downstream plot, 4 attention maps.
  assert page.count('<svg') == 10
  assert '| masked | 3 | mlm | 4.0' in markdown
  assert ' ± ' in markdown


def test_scores_without_training_name_their_scorer(tmp_path):
  fabricated.write(tmp_path)
  assert 'Without training' not in build(tmp_path)[1]
  for name, scorer, says in (
      ('masked', 'pseudo_likelihood', 'pseudo-log-likelihood'),
      ('autoregressive', None, None)):
    (tmp_path / 'runs' / name / 'seed-1' / 'evaluation.json').write_text(
        json.dumps({'tasks': {'blimp': {
            'scorer': scorer, 'says': says, 'examples': 1000, 'metrics': {
                'accuracy': .625, 'paradigm/one': .5, 'words': 1234}}}}))
  page, markdown = build(tmp_path)
  assert ('| masked, seed 1 | blimp | accuracy | 0.6250 | pseudo_likelihood: '
          'pseudo-log-likelihood | 1,000 |') in markdown
  assert '| autoregressive, seed 1 | blimp | accuracy | 0.6250 | vectors |' in (
      markdown)
  assert 'Without training' in page and 'paradigm/one' not in page
  assert ' | words | 1,234 | ' in markdown
  (tmp_path / 'runs' / 'masked' / 'seed-1' / 'evaluation.json').write_text(
      '{"tasks": {"blimp": 3}}')
  with pytest.raises(DataError, match='make no report'):
    build(tmp_path)


def test_the_page_is_self_contained(tmp_path):
  fabricated.write(tmp_path, names=('masked',))
  page, _ = build(tmp_path)
  assert '<script' not in page
  # Namespaces are names; nothing else may point out of the page.
  links = re.findall(r'(?:src|href)="([^"]*)"', page)
  assert links
  for link in links:
    assert link.startswith(('data:', '#', 'runs/')), link
  assert 'prefers-color-scheme: dark' in page and 'name="viewport"' in page


def test_ids_are_unique(tmp_path):
  fabricated.write(tmp_path)
  page, _ = build(tmp_path)
  ids = re.findall(r'\bid="([^"]+)"', page)
  assert len(ids) == len(set(ids)) > 50
  for used in re.findall(r'url\(#([^)]+)\)|xlink:href="#([^"]+)"', page):
    assert (used[0] or used[1]) in ids


def test_too_small_a_budget_is_the_first_line(tmp_path):
  fabricated.write(tmp_path, learned=False)
  page, markdown = build(tmp_path)
  assert markdown.startswith('The budget was too small to compare: ')
  assert 'masked is not below' in markdown.splitlines()[0]
  assert 'class="verdict bad"' in page


@pytest.mark.parametrize('trained,good', [
    ((0.50, 0.51, 0.52), True), ((0.41, 0.42, 0.43), False),
    ((0.60, 0.30, 0.50), False)])
def test_a_probe_must_beat_the_untrained_trunk_by_more_than_the_interval(
    tmp_path, trained, good):
  results = fabricated.write(tmp_path, names=('masked',))
  for run, probe, untrained in zip(results['runs'], trained,
                                   (0.40, 0.44, 0.42), strict=True):
    run['metrics']['docstring_library/probe/accuracy'] = probe
    run['metrics']['docstring_library/probe_untrained/accuracy'] = untrained
  (tmp_path / 'results.json').write_text(json.dumps(results))
  _, markdown = build(tmp_path)
  assert markdown.startswith('The run') == good, markdown.splitlines()[0]


def test_one_seed_has_no_interval(tmp_path):
  fabricated.write(tmp_path, names=('masked',), seeds=(0,))
  _, markdown = build(tmp_path)
  assert ' ± ' not in markdown.split('## Own loss')[1].split('\n\n')[2]


def test_a_run_without_tasks_or_attention(tmp_path):
  results = fabricated.write(tmp_path, names=('masked',))
  for run in results['runs']:
    run['metrics'] = {name: value for name, value in run['metrics'].items()
                      if 'docstring' not in name}
    (tmp_path / run['workdir'] / 'attention.json').unlink()
  (tmp_path / 'results.json').write_text(json.dumps(results))
  page, _ = build(tmp_path)
  assert 'Downstream' not in page and page.count('<svg') == 1


def test_text_from_files_is_inert(tmp_path):
  fabricated.write(tmp_path, names=('masked',),
                   label=lambda name: '<script>alert(1)</script>|x')
  page, markdown = build(tmp_path)
  assert '<script' not in page and '&lt;script&gt;' in page
  assert '<script' not in markdown and '\\|x' in markdown


def test_curves_are_thinned(tmp_path):
  fabricated.write(tmp_path, names=('masked',), points=20000)
  page, _ = build(tmp_path)
  assert len(page) < 400_000


@pytest.mark.parametrize('damage,found', [
    (lambda path: (path / 'results.json').unlink(), 'results.json'),
    (lambda path: (path / 'results.json').write_text('{'), 'damaged'),
    (lambda path: (path / 'results.json').write_text('[]'), 'damaged'),
    (lambda path: (path / 'results.json').write_text('{"runs": [{}]}'),
     'damaged'),
    (lambda path: (path / 'config.json').unlink(), 'config.json'),
    (lambda path: (path / 'runs/masked/seed-1/metrics.jsonl').write_text(
        '{"step": 1}\nnonsense\n'), 'metrics.jsonl line 2'),
])
def test_damage_is_one_line_that_names_the_file(tmp_path, damage, found):
  fabricated.write(tmp_path, names=('masked',))
  damage(tmp_path)
  with pytest.raises(DataError, match=found):
    report.build(tmp_path)


def test_a_run_outside_the_folder_is_refused(tmp_path):
  inside = tmp_path / 'inside'
  inside.mkdir()
  results = fabricated.write(inside, names=('masked',))
  results['runs'][0]['workdir'] = '../elsewhere'
  (inside / 'results.json').write_text(json.dumps(results))
  with pytest.raises(DataError, match='outside its folder'):
    report.build(inside)


def with_floors(path):
  """A run of known law in three seeds, its loss on record at 60 and 120."""
  results = fabricated.write(path, names=('masked',))
  for run, excess in zip(results['runs'], (0.0213, 0.0214, 0.0215),
                         strict=True):
    run['metrics'].update({f'floor/mlm/{name}': value for name, value in {
        'loss': 2.76, 'nll': 2.7, 'constant_nll': 3.7, 'excess': excess,
        'excess_se': 0.004, 'share': 0.98, 'accuracy': 0.25, 'exact': 1.0,
        'divergence': 0.0217}.items()})
    place = path / run['workdir']
    lines = [{'kind': 'validation', 'step': step, 'mlm/nll': nll}
             for step, nll in ((60, 3.1), (120, 2.78))]
    (place / 'metrics.jsonl').write_text(
        ''.join(json.dumps(line) + '\n' for line in lines))
    (place / 'posterior.json').write_text(json.dumps({'mlm': {
        'ideal': [[0.9, 0.1]] * 3, 'model': [[0.8, 0.2]] * 3,
        'divergence': [0.1, 0.2, 0.3], 'mean_divergence': [0.1, 0.1, 0.1]}}))
  (path / 'results.json').write_text(json.dumps(results))


def test_distances_from_the_floor(tmp_path):
  with_floors(tmp_path)
  html, markdown = build(tmp_path)
  assert '## Distance from the floor' in markdown
  (row,) = [line for line in markdown.splitlines() if '0.0214' in line]
  assert '| masked | mlm | 3.700' in row and '0.0080' in row
  assert '0.980' in row and '| exact |' in row and '0.0217' in row
  assert 'masked: mlm: chances (square root)' in html
  assert 'held-out loss less the floor' in html


def test_tokens_and_flops_to_a_share_of_the_gain(tmp_path):
  with_floors(tmp_path)
  _, markdown = build(tmp_path)
  table = markdown.split('## Reaching')[1].split('##')[0]
  (row,) = [line for line in table.splitlines() if '| masked' in line]
  # The losses are moved by .02, to end in 2.76. Half of the way from 3.7 to
  # 2.7 is 3.2, 50/62 of the first 60 updates; 2.8 lies at 60 + 60 * 28/32. An
  # update sees 1000 tokens and costs 1.25e10 FLOPs.
  assert row == ('| masked | mlm | 4.84e+04 | 6.05e+11 | 1.12e+05 | 1.41e+12 | '
                 'not reached | not reached |')
