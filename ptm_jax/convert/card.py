"""The model card of a published run: what it is and what it scored."""

import dataclasses
import json
import pathlib

from ptm_jax import __version__
from ptm_jax.find import name_of


def text(run, made, source=None):
  """The README.md of a run, Markdown.

  Args:
    run: `load.Loaded`.
    made: its `export.Plan`.
    source: the run's folder; its `results.json`, if any, has the scores.
  """
  settings, tuned = run.config, run.finetune or {}
  tuned = tuned if 'task' in tuned else {}
  # Of a fine-tuned run `step` counts what followed its pre-training.
  step = 0 if tuned.get('from_scratch') else tuned.get(
      'trunk_step', run.step)
  came = run.published.get('architecture', '')
  lines = [
      '---', 'library_name: transformers', '# license: state it here', '---',
      '', f'# {made.architecture} '
      f'{_deed(tuned, step)} with ptm_jax', '',
      f'- Objective: {name_of(settings.objective)[1]}',
      f'- Model: {settings.model.depth} layers, width {settings.model.width}, '
      f'{settings.model.num_heads} heads',
      f'- Budget: {step:,} updates of {settings.data.batch_size} x '
      f'{settings.data.raw_length} tokens' if step else
      '- Budget: not trained here',
      f'- Data: {_data(settings.corpus)}' if step else '- Data: not trained '
      f'here{f": it was a published {came}" if came else ""}',
      *_tuning(tuned, run.step),
      f'- Written by: ptm_jax {__version__}',
      '- Licence: to be stated by whoever publishes it; the licences of the '
      'text bind too', '', '## Scores', '']
  scores = _scores(source)
  lines += [f'- {name}: {value:.4f}' for name, value in scores] or [
      'None was measured.']
  return '\n'.join(lines) + '\n'


def _deed(tuned, step):
  return 'fine-tuned' if tuned else 'pre-trained' if step else 'converted'


def _data(corpus):
  """What it was trained on, files without the folders that they were in."""
  said = [f'{field.name}={pathlib.PurePath(str(value)).name}'
          for field in dataclasses.fields(corpus)
          if (value := getattr(corpus, field.name)) != field.default]
  return name_of(corpus)[1] + (f' ({", ".join(said)})' if said else '')


def _tuning(tuned, num_steps):
  """What fine-tuning did, given what `config.json` says of it."""
  if not tuned:
    return []
  return [f'- Fine-tuned on: {tuned["task"]} ({tuned.get("way")}), '
          f'{num_steps:,} updates of {tuned.get("batch_size")} rows of at most '
          f'{tuned.get("max_length")} tokens, learning rate '
          f'{tuned.get("learning_rate")}, seed {tuned.get("seed")}']


def _scores(source):
  """`(name, value)` of the run's own results, sorted."""
  try:
    entries = json.loads((pathlib.Path(source) / 'results.json').read_text(
        encoding='utf8'))['runs']
    found = entries[0]['metrics'].items()
  except (OSError, ValueError, KeyError, IndexError, TypeError,
          AttributeError):
    return []
  return sorted((name, value) for name, value in found
                if isinstance(value, (int, float)))
