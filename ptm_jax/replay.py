"""One update of a run once more, to see what went wrong in it.

The run is taken up at the checkpoint before the update and trained to it in
memory; nothing is written. The update is computed twice: what does not
repeat is the machine's fault, what does is the text's or the settings'.
"""

import contextlib
import dataclasses
import pathlib

import jax
import numpy as np

from ptm_jax import config, serialize, workdir
from ptm_jax.assemble import set_up
from ptm_jax.checkpoint import Checkpoints
from ptm_jax.compile import compile_program
from ptm_jax.data.windows import batches
from ptm_jax.errors import ConfigError
from ptm_jax.step import make_diagnosis


@dataclasses.dataclass
class Replayed:
  """What one update did, seen again.

  Attributes:
    step: its number, from 1.
    repeats: whether computing it twice gave the same bits.
    sums: nats by term, summed over the batch.
    weights: predictions by term.
    not_finite: names of the parameters whose gradient is not finite.
    gradients: the largest entry of every parameter's gradient, by name.
    index, epoch: int32 `[batch]`, the windows' numbers in the store and how
      often the store was gone through before.
    losses: float32 `[batch]`, nats of each window over all terms.
    texts: of the windows.
  """

  step: int
  repeats: bool
  sums: dict
  weights: dict
  not_finite: list
  gradients: dict
  index: np.ndarray
  epoch: np.ndarray
  losses: np.ndarray
  texts: list


def replay(path, step, say=print):
  """Computes update `step` of the run in `path` again.

  Args:
    path: the run's work directory, which is only read.
    step: from 1 to the run's last.
    say: takes one line for the user.

  Returns:
    `Replayed`.

  Raises:
    ConfigError: there is no such run or update, or its data has changed.
  """
  path = pathlib.Path(path)
  settings = serialize.read(path / 'config.json', config.Experiment)
  if not 1 <= step <= settings.num_steps:
    raise ConfigError(f'{path} has updates 1 to {settings.num_steps}, and no '
                      f'update {step}')
  setup = set_up([settings], num_steps=settings.num_steps)
  workdir.refuse_changes(
      path / 'config.json', settings, setup.prepared.corpus_hash,
      setup.prepared.tokenizer.hash, step)
  program = compile_program(settings, setup.objective)
  train_batches = batches(setup.windows['train'], settings.data.batch_size,
                          settings.seed)
  start, state = _before(path, step, settings, setup, program, say)
  say(f'training updates {start + 1} to {step - 1} again' if start < step - 1
      else f'checkpoint {start} is the state before it')
  for number in range(start, step - 1):
    state, _ = program.step(state, program.put([train_batches[number]]))
  batch = train_batches[step - 1]
  diagnose = jax.jit(make_diagnosis(
      setup.objective, settings.num_steps, step - 1))
  one, again = (jax.device_get(diagnose(state, program.put([batch])))
                for _ in range(2))
  gradients = {jax.tree_util.keystr(name, simple=True, separator='.'):
               float(value) for name, value
               in jax.tree_util.tree_leaves_with_path(one['gradients'])}
  decode = setup.prepared.tokenizer.decode
  return Replayed(
      step, jax.tree.all(jax.tree.map(
          lambda a, b: np.array_equal(a, b, equal_nan=True), one, again)),
      {term: float(value) for term, value in one['sums'].items()},
      {term: float(value) for term, value in one['weights'].items()},
      [name for name, value in gradients.items() if not np.isfinite(value)],
      gradients, batch['index'], batch['epoch'], one['losses'],
      [decode(tokens[segments > 0].tolist()) for tokens, segments
       in zip(batch['tokens'], batch['segment_ids'], strict=True)])


def _before(path, step, settings, setup, program, say):
  """The newest state before update `step`: its step and the state."""
  keeper = Checkpoints(path / 'checkpoints', say=say, read_only=True)
  with contextlib.closing(keeper):
    for one in reversed(keeper.steps()):
      if one < step:
        restored = keeper.restore(program.targets, one)
        if restored:
          return restored
  return 0, program.init([jax.random.key(settings.seed)], setup.hparams)


def describe(replayed, examples=5):
  """What was seen, as lines for the user."""
  lines = [f'update {replayed.step}: ' + (
      'computed twice, the same bits both times' if replayed.repeats else
      'computed twice, with DIFFERENT results: suspect the machine')]
  for term, value in replayed.sums.items():
    weight = replayed.weights[term]
    lines.append(f'{term}: {value / max(weight, 1):.6g} nats a prediction, '
                 f'{weight:,.0f} predictions')
  bad, count = replayed.not_finite, len(replayed.gradients)
  if bad:
    lines.append(f'gradients that are not finite: {len(bad)} of {count}, such '
                 f'as {", ".join(bad[:examples])}')
  else:
    largest = max(replayed.gradients, key=replayed.gradients.get)
    lines.append(f'all {count} gradients are finite; the largest entry, '
                 f'{replayed.gradients[largest]:.3g}, is in {largest}')
  order = np.argsort(-np.nan_to_num(replayed.losses, nan=np.inf))
  lines.append('windows with the largest loss:')
  for row in order[:examples]:
    lines.append(f'  index {replayed.index[row]}, epoch {replayed.epoch[row]}, '
                 f'{replayed.losses[row]:.6g} nats: '
                 f'{replayed.texts[row][:80]!r}')
  return lines
