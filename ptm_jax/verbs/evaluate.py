"""`evaluate`: a trained run on tasks without training."""

import functools
import pathlib

from ptm_jax.errors import ConfigError


class Verb:
  """Scores a run on zero-shot tasks: minimal pairs, last words, choices by
  score, language modelling, similarity; and, with a prompt, on tasks with
  labels. The same command resumes it.

  A prompt is a file of lines such as

      pattern: {text} It was [MASK].
      label 0: terrible
      label 1: great | wonderful

  ({text_a} and {text_b} for pairs of texts)."""

  takes_config = False
  flags = {
      'checkpoint': ('', 'folder of the run'),
      'tasks': ('', 'names with commas, as blimp,lambada; see `list tasks`'),
      'data_dir': ('', "folder of the tasks' published files, which may hold a "
                       'folder for each, or as many folders with commas; none '
                   'for embedded ones'),
      'scorer': ('', 'how texts are scored, such as within_word; by default '
                     "the objective's first way that suits the task"),
      'prompt': ('', 'file of a prompt, by which a task with labels is asked; '
                     "default: the task's own"),
      'shots': (0, 'training examples in front of each question'),
      'shots_seed': (0, 'of their draw'),
      'calibrate': (False, "divide a label's probability by that without any "
                           'text'),
      'max_examples': (0, 'of each task, spread over its data; 0: all'),
      'output': ('', 'JSON file; by default evaluation.json in the folder of '
                     'the run'),
  }

  @staticmethod
  def run(flags):
    for name in 'checkpoint', 'tasks':
      if not getattr(flags, name):
        raise ConfigError(f'--{name} is missing')
    for name in 'max_examples', 'shots', 'shots_seed':
      if getattr(flags, name) < 0:
        raise ConfigError(f'--{name}={getattr(flags, name)} is negative')
    if (flags.shots or flags.calibrate) and not flags.prompt:
      raise ConfigError('--shots and --calibrate need a --prompt')
    from ptm_jax import setup_jax
    setup_jax.configure()
    from ptm_jax.load import load_with_tokenizer
    from ptm_jax.scoring import evaluation, prompting
    asked = functools.partial(
        prompting.Prompted, file=flags.prompt, shots=flags.shots,
        calibrate=flags.calibrate, seed=flags.shots_seed)
    tasks = evaluation.tasks_of(
        flags.tasks.split(','), flags.data_dir.split(','),
        asked if flags.prompt else None)
    run = load_with_tokenizer(flags.checkpoint)
    output = pathlib.Path(flags.output or f'{flags.checkpoint}/evaluation.json')
    results = evaluation.evaluate(
        run, flags.checkpoint, tasks, flags.scorer, flags.max_examples, output)
    print('\n'.join(evaluation.table(results)))
    print(f'results: {output}')
    if not flags.output and (output.parent / 'results.json').exists():
      print('in its report: python -m ptm_jax report '
            f'--workdir={flags.checkpoint}')
