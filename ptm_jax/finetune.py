"""A trunk fine-tuned on a task, several seeds as trials of one program.

A seed's folder is a work directory like any other: `load` opens it, and it
has the trunk, the heads of pre-training and, as `params['task']`, the new
one. What was saved and killed goes on with the same bits.
"""

import contextlib
import dataclasses
import pathlib
import time

from ptm_jax import lock, processes, report, serialize, signals, workdir
from ptm_jax.errors import CheckpointError, ConfigError, DataError
from ptm_jax.find import find
from ptm_jax.finetune_config import NO_PREFIX, PREFIXED, PROBES, Settings
from ptm_jax.finetune_data import chosen, prepare
from ptm_jax.finetune_probe import probe
from ptm_jax.finetune_trials import Trials
from ptm_jax.generation import decoding
from ptm_jax.load import load_with_tokenizer
from ptm_jax.statistics import estimate
from ptm_jax.tasks import as_text, batches, prompt
from ptm_jax.tasks.mixture import Mixture
from ptm_jax.tasks.prompted import Prompted, way_of


def finetune(checkpoint, settings, path, say=print):
  """Fine-tunes and scores all seeds, unless that is done.

  Args:
    checkpoint: folder of the trunk's run.
    settings: `finetune_config.Settings`.
    path: work directory, with a folder for each seed.
    say: takes one line for the user.

  Returns:
    What `results.json` holds.

  Raises:
    PtmError: with its exit code; see `errors`.
  """
  path = pathlib.Path(path)
  settings.validate()
  task = _task(settings)
  asked = {'checkpoint': str(checkpoint), **dataclasses.asdict(settings)}
  if settings.prompt:
    question = prompt.of_task(task, settings.prompt)
    asked['prompt_text'] = question.text
  _refuse_another(path, asked)
  if (path / 'results.json').exists():
    return serialize.read_json(path / 'results.json', DataError)
  if processes.count() > 1:
    raise ConfigError('fine-tuning runs in one process')
  examples = task.read(settings.data_dir)  # refused before the trunk is read
  if settings.prompt:
    question.check(examples.train + examples.test, examples.labels)
  run = load_with_tokenizer(checkpoint)
  if settings.prompt:
    task = Prompted(task, question, way_of(run.objective))
  run, task = _writing(run, task, settings)
  form = run.objective.model.form
  if settings.way in PREFIXED and form in NO_PREFIX:
    raise ConfigError(f'--way={settings.way} does not fit model.form={form}: '
                      'use full or lora')
  if settings.pooling == 'decoder' and form != 'encoder_decoder':
    raise ConfigError('--pooling=decoder reads the decoder of an encoder-'
                      f'decoder, and {checkpoint} is a trunk of model.form='
                      f'{form}')
  data = prepare(task, examples, run, checkpoint, settings, say)
  with contextlib.ExitStack() as stack:
    watched = stack.enter_context(signals.watch())
    stack.enter_context(lock.hold(path))
    workdir.write_json(path / 'config.json', {
        'finetune': asked, 'source_revision': workdir.revision()})
    start = time.perf_counter()
    if settings.way in PROBES:
      entries = _probed(run, data, settings, say, start)
    else:
      entries = _trained(run, checkpoint, data, settings, path, watched, say)
    seconds = time.perf_counter() - start
  for one in entries:
    workdir.write_json(path / one['workdir'] / 'results.json', summary(
        data, settings, [{**one, 'workdir': '.'}], one['seconds']))
  results = summary(data, settings, entries, seconds)
  workdir.write_json(path / 'results.json', results)
  report.build(path)
  return results


def evaluate(checkpoint, data_dir='', say=print):
  """Scores a fine-tuned run again, as it is, maybe on other data.

  Args:
    checkpoint: folder of one seed.
    data_dir: in the layout of its task; '' is what it was trained on.
    say: takes one line for the user.

  Returns:
    `{metric: value}`.

  Raises:
    CheckpointError: it is no fine-tuned run.
    DataError: the data cannot be used, or has other labels.
  """
  facts = serialize.read_json(pathlib.Path(checkpoint) / 'config.json',
                              CheckpointError).get('finetune')
  if not facts or 'parameters' not in facts:
    raise CheckpointError(f'{checkpoint} is no fine-tuned run: name the folder '
                          'of a seed of one')
  settings = Settings(**{
      **{field.name: facts[field.name] for field in dataclasses.fields(Settings)
         if field.name in facts}, 'seeds': 1,
      'data_dir': data_dir or facts['data_dir']})
  settings.validate()
  task = _task(settings)
  examples = task.read(settings.data_dir)
  run = load_with_tokenizer(checkpoint)
  if settings.prompt:
    question = prompt.parse(
        enumerate(facts['prompt_text'].split('\n'), 1), settings.prompt)
    question.check(examples.test, examples.labels)
    task = Prompted(task, question, way_of(run.objective))
  run, task = _writing(run, task, settings)
  data = prepare(task, examples, run, checkpoint, settings, say)
  if serialize.to_json(data.labels) != facts['labels']:
    raise DataError(f'--data_dir={settings.data_dir} has the labels '
                    f'{data.labels}, and {checkpoint} knows '
                    f'{facts["labels"]}')
  return Trials(run, data, settings, pathlib.Path(checkpoint), say).score_run()


def write_text(settings, folder):
  """Writes the task as text in and text out; see `tasks.as_text`."""
  task, examples = _read_alone(settings)
  as_text.write(task, examples, folder)


def score_text(settings, path):
  """`{metric: value}` of a file of written answers to the test examples."""
  return as_text.score(*_read_alone(settings), path)


def _read_alone(settings):
  """The task and its examples, those that fine-tuning would use."""
  settings.validate()
  task = _task(settings)
  return task, chosen(task, task.read(settings.data_dir), settings, print)[0]


def _task(settings):
  names = settings.task.split(',')
  return Mixture(names) if names[1:] else find('tasks', names[0])()


def _writing(run, task, settings):
  """Run and task where the trunk writes the answers; else as they are."""
  if not task.written:
    return run, task
  run = dataclasses.replace(run, objective=run.objective.ending())
  decoding.Decoder(run)  # refused before anything is written
  return run, task.of(run.objective, settings.answer_length)


def _trained(run, checkpoint, data, settings, path, watched, say):
  """Entries of the seeds, whose folders are work directories."""
  with contextlib.ExitStack() as stack:
    trials = Trials(run, data, settings, path, say)
    for keeper in trials.keepers:
      stack.enter_context(contextlib.closing(keeper))
    trials.record(checkpoint)
    start = time.perf_counter()
    state = trials.train(watched)
    return trials.scored(state, time.perf_counter() - start)


def _probed(run, data, settings, say, start):
  """Entries of the seeds, of which nothing is kept but scores."""
  depths = probe(run, data, settings, say)
  seconds = (time.perf_counter() - start) / settings.seeds
  metric = data.task.metrics[0]
  for depth, one in enumerate(depths):
    mean = estimate(one[seed][metric] for seed in range(settings.seeds)).mean
    say(f'{settings.task}/depth_{depth}/{metric}: {mean:.4f}')
  return [{
      'name': f'{settings.task} {settings.way}', 'seed': seed,
      'workdir': f'seed-{seed}', 'num_steps': 0, 'seconds': seconds,
      'flops': 0.0, 'tokens_seen': batches.num_tokens(data.train),
      'parameters': 0, 'metrics': {
          **{f'{settings.task}/{name}': value
             for name, value in depths[-1][seed].items()},
          **{f'{settings.task}/depth_{depth}/{name}': value
             for depth, one in enumerate(depths)
             for name, value in one[seed].items()}}}
          for seed in range(settings.seeds)]


def _refuse_another(path, asked):
  if not (path / 'config.json').exists():
    return
  before = serialize.read_json(path / 'config.json').get('finetune')
  if before is None:
    raise ConfigError(f'{path} holds a run of another kind: use another '
                      '--workdir')
  before = {**{field.name: field.default  # which it had not always
               for field in dataclasses.fields(Settings)}, **before}
  changed = [f'{name} was {before.get(name)!r}, is {value!r}'
             for name, value in asked.items() if before.get(name) != value]
  if changed:
    raise ConfigError(f'{path} holds another fine-tuning: '
                      f'{"; ".join(changed)}. Use another --workdir')


def summary(data, settings, entries, seconds):
  """What `results.json` holds."""
  names = data.task.metrics
  return {
      'kind': 'finetune', 'task': settings.task, 'metric': names[0],
      'way': settings.way, 'source_revision': workdir.revision(),
      'data': data.facts, 'constant': data.constant(),
      'estimates': {name: dict(zip(
          ('mean', 'half_width', 'seeds'), estimate(
              [one['metrics'][f'{settings.task}/{name}'] for one in entries])))
                    for name in names},
      'seconds_total': seconds, 'warnings': _warnings(len(entries)),
      'runs': entries}


def _warnings(seeds):
  return ['of two seeds the 95 % interval is 6.4 times what lies between them: '
          'take three or more'] if seeds == 2 else []
