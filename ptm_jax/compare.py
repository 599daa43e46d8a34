"""Objectives compared: the same text, model and budget, several seeds.

The seeds of one objective are trials of one program. Every run is a work
directory of its own below `runs/NAME/seed-S`; a finished one is not run
again, so a killed comparison goes on where it stopped.
"""

import pathlib
import time

from ptm_jax import (floors, processes, questions, report, serialize,
                     transfer, workdir)
from ptm_jax.assemble import first_error
from ptm_jax.config import Comparison
from ptm_jax.errors import ConfigError, DataError
from ptm_jax.find import name_of
from ptm_jax.train import train


def compare(comparison, path, say=print):
  """Runs a comparison and writes its report.

  Args:
    comparison: `config.Comparison`.
    path: its work directory.
    say: takes one line for the user.

  Returns:
    What `results.json` holds; None in every process but the first.

  Raises:
    ConfigError: a setting cannot work, or `path` holds another comparison.
  """
  path = pathlib.Path(path)
  comparison.validate()
  for name in comparison.runs:
    first_error([comparison.experiment(name, comparison.seeds[0])])
  _refuse_another(comparison, path)
  start = time.time()
  runs, facts = [], {}
  for name in comparison.runs:
    entries, facts = _run(comparison, name, path, say)
    runs.extend(entries)
  if not processes.is_first():
    return None
  results = {
      'kind': 'comparison', 'source_revision': workdir.revision(), **facts,
      'seconds_total': time.time() - start,
      'learning_rates': {
          name: {'value': comparison.experiment(
              name, 0).optimizer.learning_rate,
                 'source': comparison.learning_rates_source
                           if name in comparison.learning_rates else 'untuned'}
          for name in comparison.runs},
      'warnings': _warnings(runs),
      'runs': runs}
  workdir.write_json(path / 'results.json', results)
  report.build(path)
  say(f'report: {path / "report.html"}')
  return results


def _refuse_another(comparison, path):
  recorded = path / 'config.json'
  if recorded.exists():
    changed = serialize.differences(
        serialize.read(recorded, Comparison), comparison)
    # More objectives may join; those that ran must be what they were.
    changed = {name: values for name, values in changed.items()
               if not (name.startswith(('runs.', 'learning_rates'))
                       and values[0] is None)}
    if changed:
      listed = '; '.join(f'{name} was {was!r}, is {now!r}'
                         for name, (was, now) in changed.items())
      raise ConfigError(f'{path} holds another comparison: {listed}. Use '
                        'another --workdir')
  processes.wait('the comparison is read')
  if processes.is_first():
    workdir.write_json(recorded, workdir.record(comparison))


def _run(comparison, name, path, say):
  """Trains and scores all seeds of one objective, unless that is done."""
  experiments = [comparison.experiment(name, seed)
                 for seed in comparison.seeds]
  places = [path / 'runs' / name / f'seed-{seed}'
            for seed in comparison.seeds]
  if all((place / 'results.json').exists() for place in places):
    return _finished(places, path)
  if processes.is_first():
    say(f'{name}: seeds {", ".join(map(str, comparison.seeds))}')
  # The seeds are trials of one program, or, where several processes share
  # the work, one run after the other.
  size = len(places) if processes.count() == 1 else 1
  entries, facts = [], {}
  for start in range(0, len(places), size):
    part = slice(start, start + size)
    some, facts = run_and_score(experiments[part], places[part], name, say)
    entries.extend(some)
  for entry, place in zip(entries, places, strict=True):
    entry['workdir'] = str(place.relative_to(path))
  return entries, facts


def _finished(places, path):
  """What `_run` gives, from the results of runs that are done."""
  entries, facts = [], {}
  for place in places:
    results = serialize.read_json(place / 'results.json', DataError)
    try:
      entries.append(dict(results['runs'][0],
                          workdir=str(place.relative_to(path))))
      facts = {'corpus': results['corpus']}
    except (KeyError, IndexError, TypeError, ValueError) as error:
      raise DataError(f'{place / "results.json"} is damaged: {error!r}; delete '
                      'it, and the same command writes it again') from error
  return entries, facts


def run_and_score(experiments, places, name, say=print, init_from=None,
                  make_program=None):
  """Trains a group of trials, scores its tasks, writes each `results.json`.

  Returns:
    one `runs` entry per trial, and the facts about the corpus. Tasks are
    scored in the first process only.
  """
  trained = train(experiments, places, init_from, label=name, say=say,
                  make_program=make_program)
  facts = {'corpus': corpus_facts(trained.setup)}
  if processes.count() > 1:
    trained = trained.on_one_device()
  if not processes.is_first():
    return trained.results, facts
  for task in experiments[0].evaluation.tasks:
    say(f'{name}: {task}')
    for entry, scores in zip(
        trained.results, transfer.score(task, trained), strict=True):
      entry['metrics'].update(scores)
  for found in questions.score(trained), floors.score(trained, places):
    for entry, scores in zip(trained.results, found, strict=True):
      entry['metrics'].update(scores)
  transfer.write_attention(trained, places)
  for entry, place in zip(trained.results, places, strict=True):
    entry.update(name=name, workdir='.')
    workdir.write_json(place / 'results.json', {
        'kind': 'run', 'source_revision': workdir.revision(), **facts,
        'warnings': _warnings([entry]), 'runs': [entry]})
  return trained.results, facts


def corpus_facts(setup):
  """What the report says about the text."""
  prepared = setup.prepared
  return {
      'name': name_of(setup.experiments[0].corpus)[1],
      'hash': prepared.corpus_hash,
      'tokenizer_hash': prepared.tokenizer.hash,
      **{f'{split}_tokens': store.num_tokens
         for split, store in prepared.stores.items()}}


def _warnings(runs):
  return [f'{run["name"]} seed {run["seed"]}: {run["skipped"]} updates were '
          'not finite and were skipped' for run in runs if run['skipped']]
