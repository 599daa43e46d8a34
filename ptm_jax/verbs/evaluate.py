"""`evaluate`: a trained run on tasks without training."""

import pathlib

from ptm_jax.errors import ConfigError


class Verb:
  """Scores a run on zero-shot tasks: minimal pairs, last words, choices by
  score, language modelling, similarity. The same command resumes it."""

  takes_config = False
  flags = {
      'checkpoint': ('', 'folder of the run'),
      'tasks': ('', 'names with commas, as blimp,lambada; see `list tasks`'),
      'data_dir': ('', "folder of the tasks' published files, which may hold a "
                       'folder for each, or as many folders with commas'),
      'scorer': ('', 'how texts are scored, such as within_word; by default '
                     "the objective's first way that suits the task"),
      'max_examples': (0, 'of each task, spread over its data; 0: all'),
      'output': ('', 'JSON file; by default evaluation.json in the folder of '
                     'the run'),
  }

  @staticmethod
  def run(flags):
    for name in 'checkpoint', 'tasks', 'data_dir':
      if not getattr(flags, name):
        raise ConfigError(f'--{name} is missing')
    if flags.max_examples < 0:
      raise ConfigError(f'--max_examples={flags.max_examples} is negative')
    from ptm_jax import setup_jax
    setup_jax.configure()
    from ptm_jax.load import load
    from ptm_jax.scoring import evaluation
    tasks = evaluation.tasks_of(flags.tasks.split(','),
                                flags.data_dir.split(','))
    run = load(flags.checkpoint)
    output = pathlib.Path(flags.output or f'{flags.checkpoint}/evaluation.json')
    results = evaluation.evaluate(
        run, flags.checkpoint, tasks, flags.scorer, flags.max_examples, output)
    print('\n'.join(evaluation.table(results)))
    print(f'results: {output}')
