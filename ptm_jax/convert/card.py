"""The model card of a published run: what it is and what it scored."""

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
  settings = run.config
  corpus = name_of(settings.corpus)[1]
  tuned = run.finetune if run.finetune and 'task' in run.finetune else None
  step = tuned['trunk_step'] if tuned else run.step
  lines = [
      '---', 'library_name: transformers', '# license: state it here', '---',
      '', f'# {made.architecture} {"fine-tuned" if tuned else "pre-trained"} '
      'with ptm_jax', '',
      f'- Objective: {name_of(settings.objective)[1]}',
      f'- Model: {settings.model.depth} layers, width {settings.model.width}, '
      f'{settings.model.num_heads} heads',
      f'- Budget: {step:,} updates of {settings.data.batch_size} x '
      f'{settings.data.raw_length} tokens' if step else
      '- Budget: not pre-trained here',
      f'- Data: {corpus}' if step else '- Data: not pre-trained here',
      *([f'- Fine-tuned: {tuned["task"]}, {tuned["way"]}, {run.step:,} updates '
         f'of {tuned["batch_size"]} rows'] if tuned else []),
      f'- Written by: ptm_jax {__version__}',
      '- Licence: to be stated by whoever publishes it; the licences of the '
      'text bind too', '', '## Scores', '']
  scores = _scores(source)
  lines += [f'- {name}: {value:.4f}' for name, value in scores] or [
      'None was measured.']
  return '\n'.join(lines) + '\n'


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
